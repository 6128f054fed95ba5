"""The Explore page's desk: controls on the left, forecasts beside what was measured on the right.

All of it is one fragment: moving a slider runs this part alone, not the page.
"""

from __future__ import annotations

import streamlit as st

from pruning.forecast import SensitivityMap, forecast
from pruning.plan import Plan, format_settings
from pruning.ui import compare_view, desk_controls, desk_forecast, services, shell, state, words


def desk(model: services.Info, table: SensitivityMap, busy: bool) -> None:
    """Draw the desk; the fragment's parts share one reading of the workspace."""

    @st.fragment
    def draw() -> None:
        shell.complaint()
        plan = current_plan(model)
        known = services.measurements(model, table)
        calibration = services.calibration(table, known)
        seen = forecast(table, plan, calibration)
        truth = services.measured(plan, known, model.groups)
        left, right = st.columns([2, 5], gap="large")
        with left:
            desk_controls.presets(model)
            desk_controls.sliders(model)
            _measure(model, plan, busy)
            desk_controls.single_layers(model, plan)
        with right:
            desk_forecast.figures(table, plan, seen, truth)
            st.markdown(desk_forecast.verdict(plan, seen, truth))
            desk_forecast.curves(model, table, plan, seen, known, calibration)
            if truth and truth.get("probes"):
                desk_forecast.abilities(model, truth)
            chosen_by = words.CRITERION.get(table.criterion, table.criterion)
            st.caption(f"{desk_forecast.learnt(calibration)} {chosen_by}.")
        st.caption(f":material/speed: {words.SPEED}")
        compare_view.pin_button(model, plan)

    draw()


def current_plan(model: services.Info) -> Plan:
    """The session's plan; one that does not fit this model is shown as a mistake and taken as empty."""
    with shell.told():
        return state.plan(model.groups)
    return {}


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
