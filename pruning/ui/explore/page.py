"""The Explore page: the desk, the truth about its plan, and the plan as text.

All of it but the desk's table is one fragment: letting go of a fader runs this part alone, not the page.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast, ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.compare import page as compare_view
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.explore import calibration as teaching_view
from pruning.ui.explore import capabilities as abilities_view
from pruning.ui.explore import presets as strategy_view
from pruning.ui.explore.mixer import component as mixing
from pruning.ui.explore.mixer.payload import Marks, table_data
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words

ANSWERED = "desk_answered"


def page(model: services.Info, smap: SensitivityMap, busy: bool) -> None:
    """Draw the desk and what stands below it."""
    known = services.measurements(model, smap)
    calibration = services.calibration(smap, known)
    data = table_data(smap, calibration, _marks(model, smap, known, calibration))
    capable = abilities_view.learnt(model, smap)

    @st.fragment
    def draw() -> None:
        with shell.told():
            _take_release(smap, model)
        shell.complaint()
        plan = current_plan(model)
        seen = Forecaster(smap, calibration).forecast(plan)
        truth = services.measured(plan, known, model.groups)
        settings = ",".join(format_settings(plan, model.groups))
        mixing.desk(
            table_id=data["id"],
            levels=smap.levels_of(plan).tolist(),
            locks=state.current().locks,
            settings=settings,
            answered=st.session_state.get(ANSWERED, 0),
            kl=seen.kl,
        )
        left, right = st.columns([2, 3], gap="large")
        with left:
            _measure(model, plan, busy)
            st.markdown(verdict(plan, seen, truth))
            if plan:
                teaching_view.meter(smap, plan, seen, truth, calibration)
        with right:
            compare_view.pin_button(model, plan)
            strategy_view.popover(model, plan)
            _plan_text(model, plan)
            if plan:
                abilities_view.section(capable, seen, truth)

    draw()
    teaching_view.strip(model, smap, known, calibration, busy)
    st.caption(f"{words.CRITERION.get(smap.criterion, smap.criterion)}. {words.SPEED}")
    mixing.send_table(data)


def _take_release(smap: SensitivityMap, model: services.Info) -> None:
    """Take what the desk sent since the last run, once."""
    release = mixing.released()
    if release is None or release.number == st.session_state.get(ANSWERED):
        return
    st.session_state[ANSWERED] = release.number
    state.set_plan(mixing.plan_of(release.levels, smap.groups), model.groups)
    state.set_locks(release.locks)


def current_plan(model: services.Info) -> Plan:
    """The session's plan; one that does not fit this model is shown as a mistake and taken as empty."""
    with shell.told():
        return state.plan(model.groups)
    return {}


def _marks(
    model: services.Info, smap: SensitivityMap, known: list[services.Measured], calibration: ForecastFit
) -> Marks:
    dense = services.baseline(model)
    unpruned = smap.dense["perplexity"]
    return Marks(
        measured=[(m.plan, m.figures) for m in known],
        pins=[(name, plan) for name, plan, _ in compare_view.pinned_forecasts(model, smap, calibration)],
        points={
            group: [(point["level"], point["perplexity"] / unpruned - 1) for point in points]
            for group, points in services.sweep_points(smap).items()
        },
        decode_ms=dense.get("decode_ms") if dense else None,
    )


def _measure(model: services.Info, plan: Plan, busy: bool) -> None:
    choice = state.current()
    settings = format_settings(plan, model.groups)
    wanted = services.request("measure", settings=settings, criterion=choice.criterion, data=choice.data)
    if st.button(
        "Measure this plan",
        type="primary",
        icon=":material/straighten:",
        disabled=busy or not plan,
        key="measure",
        width="stretch",
        help="Prunes in memory, measures on real text and questions, and puts every weight back.",
    ):
        services.submit(wanted)
        st.rerun()
    if plan:
        shell.command(wanted)


def _plan_text(model: services.Info, plan: Plan) -> None:
    """The whole plan as text, to read, copy or type; what was taken is what stands there afterwards.

    In a form, because the browser would otherwise send the field's old text along with the next release of
    a fader, and the plan would jump back.
    """
    text = ",".join(format_settings(plan, model.groups))
    key = f"plan_text_{text}"
    with (
        st.expander("The plan as text", icon=":material/notes:", key="plan_as_text"),
        st.form("plan_form", border=False),
    ):
        st.text_input(
            "Plan as text",
            text,
            key=key,
            placeholder="up=0.5,down@0-3=0.1",
            help="A kind and its level, or a kind, its layers and their level; later ones win.",
        )
        st.form_submit_button(
            "Take this plan",
            on_click=lambda: shell.act(
                lambda: state.set_plan(state.parse(st.session_state[key], model.groups), model.groups)
            ),
        )


def verdict(plan: Plan, seen: Forecast, truth: dict[str, Any] | None) -> str:
    """The drift from the unpruned model in a sentence, forecast and measured."""
    if not plan:
        return "Nothing is removed yet. Move a fader, paint a curve, or take a preset."
    said = f"KL {words.kl(seen.kl)} ({words.kl(seen.kl_low)} – {words.kl(seen.kl_high)}) nats per token"
    gone = f"{words.percent(seen.sparsity)} of the prunable weights removed"
    if truth is None:
        return f"{gone} · :blue-badge[forecast] {said} · :gray-badge[not measured yet]"
    inside = "inside" if seen.kl_low <= truth["kl"] <= seen.kl_high else "**outside**"
    found = f"KL {words.kl(truth['kl'])}, {inside} the band"
    return f"{gone} · :blue-badge[forecast] {said} · :green-badge[measured] {found}"
