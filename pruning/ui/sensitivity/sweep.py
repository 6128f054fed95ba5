"""The Sensitivity page's form that measures single groups for real."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Group, format_layers, parse_layers
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.wording import counted


def form(model: queries.Info, smap: SensitivityMap, chosen: list[Group], busy: bool) -> None:
    """Measure single groups for real: each point prunes one group, measures, and puts everything back."""
    with st.container(border=True):
        st.markdown("**Measure these for real**")
        # The keys follow the selection, so that a click on the map fills the form anew.
        tag = "_".join(f"{layer}{kind}" for layer, kind in sorted(chosen)[:12])
        text = st.text_input(
            "Layers",
            format_layers(layer for layer, _ in chosen),
            key=f"sweep_layers_{tag}",
            help="Like 0-3,7.",
        )
        kinds = st.pills(
            "Groups",
            model.kinds,
            selection_mode="multi",
            default=[k for k in model.kinds if any(k == kind for _, kind in chosen)],
            format_func=labels.kind,
            key=f"sweep_kinds_{tag}",
        )
        levels = st.pills(
            "Levels",
            [float(v) for v in smap.levels],
            selection_mode="multi",
            default=[v for v in map(float, smap.levels) if round(v, 2) in (0.3, 0.5, 0.7)],
            format_func=format.percent,
            key="sweep_levels",
        )
        with page_frame.user_errors():
            _button(model, text, list(kinds or []), list(levels or []), busy)


def _button(model: queries.Info, text: str, kinds: list[str], levels: list[float], busy: bool) -> None:
    layers = parse_layers(text)
    if layers[-1] >= model.layers:
        raise PruningError(f"There is no layer {layers[-1]}; the last one is {model.layers - 1}.")
    choice = session.current()
    request: dict[str, Any] = requests.request(
        "sweep", criterion=choice.criterion, levels=levels, layers=layers, kinds=kinds, data=choice.data
    )
    count = len(layers) * len(kinds) * len(levels)
    page_frame.submit_button(
        f"Measure {counted(count, 'point')}",
        request if count else None,
        icon=":material/straighten:",
        disabled=busy,
        key="sweep_start",
    )
