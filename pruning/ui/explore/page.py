"""The Explore page: the mixer, what is measured of its plan, and the plan as text.

All of it but the mixer's table is one fragment: letting go of a fader runs this part alone, not the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.forecast.capability_accuracy import AccuracyCurve
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.ui.data import costs, queries, requests, session
from pruning.ui.explore import calibration, capabilities, improve, presets, recipe_file
from pruning.ui.explore.mixer import component
from pruning.ui.explore.mixer.payload import Marks, table_data
from pruning.ui.shared import jobs, missing_map
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.exports import lights
from pruning.ui.shared.frame import header
from pruning.ui.shared.panels import section
from pruning.ui.shared.pins import pin_button, pinned_forecasts
from pruning.ui.shared.plan import CurrentPlan, after_recovery, current_plan, drift, session_plan
from pruning.ui.text import format, labels

ANSWERED = "desk_answered"
KEPT = (
    "Your sliders stay. Until it is drawn, every forecast here is of {name}; what you measure is pruned by "
    "the criterion that you chose."
)


def view() -> None:
    """The desk of the session's model, on the map of its criterion or, until there is one, of another."""
    model = queries.info()
    smap = queries.mixed_map(model) if model else None
    tasks = (*calibration.TASKS, "map", "latency", recipe_file.TASK)
    busy = jobs.panel(tasks, calibration.newly(model, smap))
    model = page_frame.require_model()
    with page_frame.user_errors():
        recipe_file.take_imported()
    # A new criterion empties nothing: until its map is there, that of another stays in view.
    shown = smap or (queries.other_map(model) if model else None)
    if model and missing_map.require_map(shown, "The forecasts on this page come from", busy):
        page(model, shown, busy)


def page(model: queries.Info, smap: SensitivityMap, busy: bool) -> None:
    """Draw the mixer and what stands below it.

    While the session's own map is missing `smap` is another criterion's: its forecast is marked so, and what
    would judge the session's criterion by it is left out. Measured is what the session's criterion gave.
    """
    other, chosen = missing_map.other(smap), replace(smap, criterion=session.current().criterion)
    forecaster = queries.forecaster(smap, queries.measurements(model, smap))
    measurements = queries.measurements(model, chosen)
    curves = capabilities.curves(model, smap)
    table = table_data(forecaster, _marks(model, measurements, forecaster, curves))
    missing_map.note(smap, KEPT, busy)
    missing_map.note_without_units(smap, model, busy)

    @st.fragment
    def draw() -> None:
        with page_frame.user_errors():
            _take_events(smap, model)
        page_frame.callback_error()
        header.refresh()
        current = current_plan(session_plan(smap.groups), model, forecaster, measurements)
        component.mixer(
            table_id=table["id"],
            levels=smap.levels_of(current.plan).tolist(),
            settings=current.text,
            answered=st.session_state.get(ANSWERED, 0),
            kl=current.forecast.kl,
        )
        lights.row(model, current.plan, None if other else forecaster)
        left, right = st.columns([2, 3], gap="large")
        with left:
            _measure(current, busy)
            _time(model, busy)
            st.markdown(_as_of_another(current, smap) if other else drift(current))
            after_recovery(chosen, current.plan)
            if current.plan and not other:
                with st.expander("Details", icon=":material/function:", key="desk_details"):
                    calibration.meter(forecaster, current)
        with right:
            pin_button(current)
            presets.popover(model, smap, current.plan)
            if not other:
                improve.section(model, forecaster, current)
            _plan_text(model, smap, current.text)
            recipe_file.chooser()
            recipe_file.section(model, busy)
            if curves is None:
                capabilities.ask(busy)
            elif current.plan and not other:
                capabilities.section(curves, current.forecast, current.measured)
        section.section(model, forecaster, measurements, current)

    draw()
    if not other:
        calibration.strip(model, forecaster, measurements, busy)
    st.caption(f"{labels.CRITERION.get(chosen.criterion, chosen.criterion)}. {labels.SPEED}")
    component.send_table(table)


def _as_of_another(current: CurrentPlan, smap: SensitivityMap) -> str:
    """The drift as another criterion's map forecasts it, and what was measured with the session's own."""
    if not current.plan:
        return drift(current)
    forecast = current.forecast
    band = f"{format.kl(forecast.kl_low)} – {format.kl(forecast.kl_high)}"
    said = (
        f"{format.percent(forecast.sparsity)} of the prunable weights removed · {labels.FORECAST} "
        f"{missing_map.badge(smap)} KL {format.kl(forecast.kl)} ({band}) nats per token"
    )
    if current.measured is None:
        return f"{said} · :gray-badge[not measured yet]"
    return f"{said} · {labels.MEASURED} KL {format.kl(current.measured['kl'])}"


def _take_events(smap: SensitivityMap, model: queries.Info) -> None:
    """Do what the mixer asked for since the last run, each once."""
    for event in component.events(after=st.session_state.get(ANSWERED, 0)):
        st.session_state[ANSWERED] = event.number
        if event.step == "undo":
            session.undo()
        elif event.step == "redo":
            session.redo()
        elif event.levels is not None:
            session.set_plan(component.plan_of(event.levels, smap.groups), model.groups)
            session.set_locks(event.locks)
        else:
            session.restore_history(event.past, event.future)


def _marks(
    model: queries.Info,
    measurements: list[queries.Measured],
    forecaster: Forecaster,
    curves: Mapping[str, AccuracyCurve] | None,
) -> Marks:
    smap = forecaster.smap
    unpruned = smap.dense["perplexity"]
    return Marks(
        measured=[(row.plan, row.figures) for row in measurements],
        pins=[(name, plan) for name, plan, _ in pinned_forecasts(forecaster)],
        points={
            group: [(point["level"], point["perplexity"] / unpruned - 1) for point in points]
            for group, points in ({} if missing_map.other(smap) else queries.sweep_points(smap)).items()
        },
        curves=curves,
        cost=_cost(model),
        writable=model.facts.get("writable"),
        forecast_label=missing_map.forecast_label(smap),
    )


def _cost(model: queries.Info) -> dict[str, Any] | None:
    """What size and time are worked out from; None for a model loaded before its parts were counted."""
    try:
        return costs.cost_table(model)
    except PruningError:
        return None


def _time(model: queries.Info, busy: bool) -> None:
    """The button that times the model in what runs it here; until then times are estimates."""
    if costs.latency_of(model) is not None or queries.target_device():
        return
    page_frame.submit_button(
        "Time this model",
        costs.timing_request(),
        icon=":material/timer:",
        disabled=busy,
        key="time_model",
        width="stretch",
        help="Runs the model here, whole and without some of its units. From then on the times of any plan "
        "are forecast from that; now they are estimates, by operations and bytes alone.",
    )


def _measure(current: CurrentPlan, busy: bool) -> None:
    choice = session.current()
    request = requests.request(
        "measure", settings=list(current.settings), criterion=choice.criterion, data=choice.data
    )
    page_frame.submit_button(
        "Measure this plan",
        request if current.plan else None,
        type="primary",
        icon=":material/straighten:",
        disabled=busy,
        key="measure",
        width="stretch",
        help="Prunes in memory, measures on real text and questions, and puts every weight back.",
    )


def _plan_text(model: queries.Info, smap: SensitivityMap, text: str) -> None:
    """The whole plan as text, to read, copy or type; what was taken is what stands there afterwards.

    In a form, because the browser would otherwise send the field's old text along with the next release of
    a fader, and the plan would jump back.
    """
    key = f"plan_text_{text}"
    with (
        st.expander("The plan as text", icon=":material/notes:", key="plan_as_text"),
        st.form("plan_form", border=False),
    ):
        st.text_input(
            "Plan as text",
            text,
            key=key,
            placeholder="neurons=0.2,layers@17=1,down@0-3=0.1",
            help="A kind and its level, or a kind, its layers and their level; later ones win. Units: heads, "
            "kv_groups, neurons, layers; weights: qkv, attn_out, gate, up, down, or all of these.",
        )
        st.form_submit_button(
            "Take this plan",
            on_click=lambda: page_frame.on_click(
                lambda: session.set_plan(
                    session.parse(st.session_state[key], list(smap.groups)), model.groups
                )
            ),
        )
