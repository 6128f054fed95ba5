"""Comparing plans: pinning one on Explore, and the Compare page's figures and damage by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import pandas as pd
import streamlit as st

from pruning.errors import PruningError
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast, ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.compare import damage_chart
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.shared import charts
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words

HERE = "This plan"
FORECAST, MEASURED = ":blue-badge[forecast]", ":green-badge[measured]"


@dataclass(frozen=True)
class Candidate:
    """A plan on the Compare page: what it is called, its forecast, and whether it is pinned."""

    name: str
    plan: Plan
    seen: Forecast
    pinned: bool


# ---- Explore ----------------------------------------------------------------------------------------


def pin_button(model: services.Info, plan: Plan) -> None:
    """A row for Explore: the plan's name, the button that pins it, the way to Compare."""
    kept = state.current().pins
    text = ",".join(format_settings(plan, model.groups))
    twin = next((pin.name for pin in kept if pin.settings == text), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        suggested = twin or _free_name([pin.name for pin in kept])
        key = f"pin_name_{suggested}"
        st.text_input("Name of this plan", suggested, key=key, width=220, disabled=twin is not None)
        st.button(
            "Pinned" if twin else "Pin this plan",
            icon=":material/keep:",
            key="pin",
            disabled=not plan or twin is not None,
            help="Keeps the plan in the address and on the chart, to compare it with others.",
            on_click=shell.act,
            # The field is read at the click: a name typed just before arrives together with it.
            args=(lambda: state.pin(st.session_state[key].strip() or suggested, text),),
        )
        st.page_link(
            "pages/compare.py",
            label=f"Compare ({len(kept)} pinned)" if kept else "Compare",
            icon=":material/arrow_forward:",
            icon_position="right",
        )


def _free_name(taken: list[str]) -> str:
    return next(name for number in count(1) if (name := f"Plan {number}") not in taken)


def pinned_forecasts(
    model: services.Info, smap: SensitivityMap, calibration: ForecastFit
) -> list[tuple[str, Plan, Forecast]]:
    """(name, plan, forecast) of every pin that fits this model; pins of another model stay in the address."""
    found, forecaster = [], Forecaster(smap, calibration)
    for pin in state.current().pins:
        try:
            plan = state.parse(pin.settings, model.groups)
        except PruningError:
            continue
        found.append((pin.name, plan, forecaster.forecast(plan)))
    return found


# ---- the Compare page -------------------------------------------------------------------------------


def candidates(
    model: services.Info, smap: SensitivityMap, plan: Plan, calibration: ForecastFit
) -> list[Candidate]:
    """The session's plan, if it is not pinned, and every pin that fits."""
    pinned = [Candidate(*pin, pinned=True) for pin in pinned_forecasts(model, smap, calibration)]
    if not plan or any(one.plan == plan for one in pinned):
        return pinned
    return [Candidate(HERE, plan, Forecaster(smap, calibration).forecast(plan), pinned=False), *pinned]


def nothing_yet() -> None:
    shell.empty(
        "Nothing to compare yet",
        "Set a plan on Explore and pin it there. Pin a second one, and see them side by side here.",
        "explore",
        "Go to Explore",
    )


def figures(
    model: services.Info,
    smap: SensitivityMap,
    shown: list[Candidate],
    known: list[services.Measured],
    calibration: ForecastFit,
) -> None:
    """The plans' figures in a table, what each was forecast beside what was measured."""
    rows = [_unpruned(smap), *(_row(one, known, model) for one in shown)]
    st.table(pd.DataFrame(rows).set_index("Plan"), border="horizontal", alt="Figures of every plan")
    st.caption(
        f"In brackets the forecast's band. {words.BAND} Gone is the share of the "
        "prunable weights that the plan sets to zero; sizes are with zeros stored sparsely."
    )
    lost = len(state.current().pins) - sum(one.pinned for one in shown)
    if lost:
        many = "One pinned plan does" if lost == 1 else f"{lost} pinned plans do"
        st.caption(f":material/info: {many} not fit this model, and cannot be shown.")
    if not any(one.pinned for one in shown):
        st.caption(":material/keep: Pin plans on Explore to see them beside this one.")
    else:
        _manage(model, [one for one in shown if one.pinned])


def _unpruned(smap: SensitivityMap) -> dict[str, str]:
    dense = smap.dense
    return {
        "Plan": "Unpruned",
        "Gone": "0 %",
        f"Size {FORECAST}": "–",
        f"Size {MEASURED}": words.size(dense["bytes"]),
        f"Perplexity {FORECAST}": "–",
        f"Perplexity {MEASURED}": words.perplexity(dense["perplexity"]),
        f"Same next word {FORECAST}": "–",
        f"Same next word {MEASURED}": "100 %",
        f"KL, nats per token {FORECAST}": "–",
        f"KL, nats per token {MEASURED}": "0",
    }


def _row(one: Candidate, known: list[services.Measured], model: services.Info) -> dict[str, str]:
    seen, truth = one.seen, services.measured(one.plan, known, model.groups)
    return {
        "Plan": words.plain(one.name),
        "Gone": words.percent(seen.sparsity),
        f"Size {FORECAST}": words.size(seen.bytes),
        f"Size {MEASURED}": words.size(truth["bytes"]) if truth else "–",
        f"Perplexity {FORECAST}": _banded(
            words.perplexity, seen.perplexity, seen.perplexity_low, seen.perplexity_high
        ),
        f"Perplexity {MEASURED}": words.perplexity(truth["perplexity"]) if truth else "–",
        f"Same next word {FORECAST}": _banded(
            words.percent, seen.agreement, seen.agreement_low, seen.agreement_high
        ),
        f"Same next word {MEASURED}": words.percent(truth["agreement"]) if truth else "–",
        f"KL, nats per token {FORECAST}": _banded(words.kl, seen.kl, seen.kl_low, seen.kl_high),
        f"KL, nats per token {MEASURED}": words.kl(truth["kl"]) if truth else "–",
    }


def _banded(said: Callable[[float], str], value: float, low: float, high: float) -> str:
    return f"{said(value)} ({said(low)} – {said(high)})"


def _manage(model: services.Info, pinned: list[Candidate]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        plans = {one.name: one.plan for one in pinned}
        chosen = st.selectbox("Pinned plan", list(plans), key="pin_chosen", width=260)
        st.button(
            "Take it up on Explore",
            icon=":material/undo:",
            key="pin_use",
            on_click=lambda: state.set_plan(plans[chosen], model.groups),
        )
        st.button(
            "Remove the pin", icon=":material/close:", key="pin_remove", on_click=lambda: state.unpin(chosen)
        )


def damage(smap: SensitivityMap, shown: list[Candidate], calibration: ForecastFit) -> None:
    """Where each plan hurts, a panel a plan on one scale."""
    forecaster = Forecaster(smap, calibration)
    costs = [(one.name, forecaster.group_costs(one.plan)) for one in shown]
    st.header("Where they hurt", anchor=False)
    st.markdown(f"Damage by layer {FORECAST} :small[All panels have one scale.]")
    st.plotly_chart(
        damage_chart.panels(smap.groups, costs),
        key="damage_panels",
        config=charts.BARE,
        alt="Forecast damage by layer and group, a panel for each plan",
    )
    worst = [f"{words.plain(name)}: {damage_chart.heaviest(smap.groups, cost)}" for name, cost in costs]
    st.caption(f"Most of the damage, forecast: {'; '.join(worst)}.")
