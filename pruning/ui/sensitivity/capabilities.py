"""The Sensitivity page's section on capabilities: which layers and groups each of them leans on."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pruning.planning.forecast.capability_map import ABILITIES, NORMAL, CapabilityMap
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Group
from pruning.ui.data import queries, requests, session
from pruning.ui.sensitivity import capability_chart
from pruning.ui.shared import charts, jobs, missing_map
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels

PARTICULAR = 5
ACROSS = 2
WAYS = (capability_chart.BESIDE, capability_chart.ALONE)


def view() -> None:
    """What each ability leans on, by the session's criterion."""
    busy = jobs.panel(("map", "capabilities"))
    model = page_frame.require_model()
    smap = queries.sensitivity_map(model) if model else None
    if model and missing_map.require_map(smap, "What abilities lean on is worked out beside", busy):
        section(smap, busy)


def section(smap: SensitivityMap, busy: bool) -> None:
    """The pictures where it was worked out, and the button that works out what is missing."""

    @st.fragment
    def draw() -> None:
        capabilities = queries.capability_map(smap)
        missing = [name for name in ABILITIES if capabilities is None or name not in capabilities.costs]
        if missing:
            _ask(missing, busy)
        if capabilities is not None:
            _pictures(capabilities)

    draw()


def _ask(missing: Sequence[str], busy: bool) -> None:
    if len(missing) == len(ABILITIES):
        st.write(
            "Does arithmetic live in other layers than grammar? For each of six abilities the model reads "
            "questions with their answers, or code, and one pass back through it forecasts what every group "
            "would cost this ability alone. It takes about as long as six maps, and changes nothing."
        )
        label = "Find out"
    else:
        names = ", ".join(labels.capability(name).lower() for name in missing)
        st.write(f"Not worked out yet: {names}. What is there is kept.")
        label = "Work out the rest"
    wish = requests.capability_map_request()
    page_frame.submit_button(label, wish, icon=":material/psychology:", key="find_leanings", disabled=busy)


def _pictures(capabilities: CapabilityMap) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        level = st.select_slider(
            "If this share of every group went",
            capabilities.levels,
            value=min(capabilities.levels, key=lambda level: abs(level - NORMAL)),
            format_func=format.percent,
            key="lean_level",
            **session.PERSIST,
            width=320,
        )
        way = st.segmented_control(
            "Colour shows the loss",
            WAYS,
            default=WAYS[0],
            required=True,
            key="lean_way",
            **session.PERSIST,
            help="Beside the others: how many times as large a group's share of this ability's loss is as of "
            "the other abilities'. On its own: the share itself.",
        )
    st.markdown(
        f"**Where {format.percent(level)} less hurts each ability** {labels.FORECAST} "
        ":small[Every picture shares out the whole loss of one ability, 100 %, over all groups.]"
    )
    st.html(capability_chart.key(way or WAYS[0]))
    names = list(capabilities.costs)
    for first in range(0, len(names), ACROSS):
        for place, name in zip(st.columns(ACROSS, gap="large"), names[first : first + ACROSS], strict=False):
            with place:
                _picture(capabilities, name, float(level), way or WAYS[0])


def _picture(capabilities: CapabilityMap, name: str, level: float, way: str) -> None:
    particular = capabilities.particular(name, level, PARTICULAR)
    title = labels.capability(name)
    st.markdown(f"**{title}**")
    st.plotly_chart(
        capability_chart.leaning(
            capabilities.groups,
            capabilities.shares(name, level),
            capabilities.others(name, level),
            way,
            particular,
        ),
        key=f"leaning_{name}",
        config=charts.BARE,
        alt=f"Heat map of what {title.lower()} leans on, layers to the right and groups downwards",
    )
    st.markdown(f":small[{sentence(capabilities, name, level)}]")


def sentence(capabilities: CapabilityMap, name: str, level: float) -> str:
    """The groups that a capability leans on particularly, and how much of its loss they are."""
    particular = capabilities.particular(name, level, PARTICULAR)
    if not particular:
        return "It leans on the same groups as the others."
    rows = [capabilities.groups.index(group) for group in particular]
    share, other = (
        float(shares[rows].sum())
        for shares in (capabilities.shares(name, level), capabilities.others(name, level))
    )
    return (
        f"More than the others it leans on {places(particular)}. "
        f"There lie {format.percent(share)} of its loss, and {format.percent(other)} of the others'."
    )


def places(groups: Sequence[Group]) -> str:
    """Groups in words, by kind, those of the first group first."""
    by_kind: dict[str, list[int]] = {}
    for layer, kind in groups:
        by_kind.setdefault(kind, []).append(layer)
    parts = [
        f"**{labels.kind(kind)}** in layer{'s' if len(layers) > 1 else ''} {format.layers(sorted(layers))}"
        for kind, layers in by_kind.items()
    ]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
