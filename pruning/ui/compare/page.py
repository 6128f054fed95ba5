"""The Compare page's figures and damage by layer, plan beside plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pruning.planning.cost.written import file_bytes
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan
from pruning.ui.compare import damage_chart
from pruning.ui.data import queries, session
from pruning.ui.shared import charts
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.pins import pinned_forecasts
from pruning.ui.text import format, labels

HERE = "This plan"


@dataclass(frozen=True)
class Candidate:
    """A plan on the Compare page: what it is called, its forecast, and whether it is pinned."""

    name: str
    plan: Plan
    forecast: Forecast
    pinned: bool


def candidates(model: queries.Info, plan: Plan, forecaster: Forecaster) -> list[Candidate]:
    """The session's plan, if it is not pinned, and every pin that fits."""
    pinned = [Candidate(*pin, pinned=True) for pin in pinned_forecasts(forecaster)]
    if not plan or any(candidate.plan == plan for candidate in pinned):
        return pinned
    return [Candidate(HERE, plan, forecaster.forecast(plan), pinned=False), *pinned]


def nothing_yet() -> None:
    page_frame.empty(
        "Nothing to compare yet",
        "Set a plan under Prune and pin it there. Pin a second one, and see them side by side here.",
        "explore",
        "Go to Prune",
    )


def figures(
    model: queries.Info,
    smap: SensitivityMap,
    shown: list[Candidate],
    measurements: list[queries.Measured],
) -> None:
    """The plans' figures in a table, what each was forecast beside what was measured."""
    rows = [_unpruned(smap), *(_row(candidate, measurements, model) for candidate in shown)]
    st.table(pd.DataFrame(rows).set_index("Plan"), border="horizontal", alt="Figures of every plan")
    st.caption(
        f"Beside a forecast stands its band. {labels.BAND} Gone is the share of the prunable weights that "
        "the plan sets to zero. The model folder is what an export writes, zeros and all; a compact file "
        "leaves them out."
    )
    unfit = len(session.current().pins) - sum(candidate.pinned for candidate in shown)
    if unfit:
        many = "One pinned plan does" if unfit == 1 else f"{unfit} pinned plans do"
        st.caption(f":material/info: {many} not fit this model, and cannot be shown.")
    if not any(candidate.pinned for candidate in shown):
        st.caption(":material/keep: Pin plans under Prune to see them beside this one.")
    else:
        _manage(model, [candidate for candidate in shown if candidate.pinned])


def _unpruned(smap: SensitivityMap) -> dict[str, str]:
    dense = smap.dense
    return {
        "Plan": "Unpruned",
        "Gone": "0 %",
        "Model folder": format.size(dense["bytes"]),
        "Compact file": "–",
        "Perplexity": f"{format.perplexity(dense['perplexity'])} {labels.MEASURED}",
        "Same next word": "100 %",
        "KL, nats per token": "0",
    }


def _row(candidate: Candidate, measurements: list[queries.Measured], model: queries.Info) -> dict[str, str]:
    forecast, truth = candidate.forecast, queries.measured(candidate.plan, measurements)
    ordinary = file_bytes(truth) if truth else forecast.file_bytes
    compact = truth["bytes"] if truth else forecast.bytes
    return {
        "Plan": format.plain(candidate.name),
        "Gone": format.percent(forecast.sparsity),
        "Model folder": format.size(ordinary),
        "Compact file": format.size(compact) if compact < ordinary else "–",
        "Perplexity": _figure(format.perplexity, truth, forecast, "perplexity"),
        "Same next word": _figure(format.percent, truth, forecast, "agreement"),
        "KL, nats per token": _figure(format.kl, truth, forecast, "kl"),
    }


def _figure(
    show: Callable[[float], str], truth: Mapping[str, Any] | None, forecast: Forecast, name: str
) -> str:
    """A figure in a cell: the measured one with the forecast in small letters, else the forecast's band."""
    value, low, high = (show(getattr(forecast, f"{name}{end}")) for end in ("", "_low", "_high"))
    if truth is None:
        return f"{value} {labels.FORECAST} :small[{low} – {high}]"
    return f"{show(truth[name])} {labels.MEASURED} :small[forecast was {value}]"


def _manage(model: queries.Info, pinned: list[Candidate]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        plans = {candidate.name: candidate.plan for candidate in pinned}
        chosen = st.selectbox("Pinned plan", list(plans), key="pin_chosen", width=260)
        st.button(
            "Take it up under Prune",
            icon=":material/undo:",
            key="pin_use",
            on_click=lambda: session.set_plan(plans[chosen], model.groups),
        )
        st.button(
            "Remove the pin",
            icon=":material/close:",
            key="pin_remove",
            on_click=lambda: session.unpin(chosen),
        )


def damage(shown: list[Candidate], forecaster: Forecaster) -> None:
    """Where each plan hurts, a panel a plan on one scale."""
    groups = forecaster.smap.groups
    costs = [(candidate.name, forecaster.group_costs(candidate.plan)) for candidate in shown]
    st.header("Where they hurt", anchor=False)
    st.markdown(f"Damage by layer {labels.FORECAST} :small[All panels have one scale.]")
    st.plotly_chart(
        damage_chart.panels(groups, costs),
        key="damage_panels",
        config=charts.BARE,
        alt="Forecast damage by layer and group, a panel for each plan",
    )
    worst = [f"{format.plain(name)}: {damage_chart.heaviest(groups, cost)}" for name, cost in costs]
    st.caption(f"Most of the damage, forecast: {'; '.join(worst)}.")
