"""The Explore page: the desk, the truth about its plan, and the plan as text.

All of it but the desk's table is one fragment: letting go of a fader runs this part alone, not the page.
"""

from __future__ import annotations

import streamlit as st

from pruning.planning.forecast.predict import ForecastFit, SensitivityMap
from pruning.ui.data import queries, requests, session
from pruning.ui.explore import calibration as teaching_view
from pruning.ui.explore import capabilities as abilities_view
from pruning.ui.explore import presets as strategy_view
from pruning.ui.explore.mixer import component as mixing
from pruning.ui.explore.mixer.payload import Marks, table_data
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.pins import pin_button, pinned_forecasts
from pruning.ui.shared.plan import CurrentPlan, current_plan, session_plan, verdict
from pruning.ui.text import labels

ANSWERED = "desk_answered"


def page(model: queries.Info, smap: SensitivityMap, busy: bool) -> None:
    """Draw the desk and what stands below it."""
    known = queries.measurements(model, smap)
    calibration = queries.calibration(smap, known)
    data = table_data(smap, calibration, _marks(model, smap, known, calibration))
    capable = abilities_view.learnt(model, smap)

    @st.fragment
    def draw() -> None:
        with page_frame.user_errors():
            _take_release(smap, model)
        page_frame.callback_error()
        current = current_plan(session_plan(model), model, smap, calibration, known)
        mixing.desk(
            table_id=data["id"],
            levels=smap.levels_of(current.plan).tolist(),
            locks=session.current().locks,
            settings=current.text,
            answered=st.session_state.get(ANSWERED, 0),
            kl=current.forecast.kl,
        )
        left, right = st.columns([2, 3], gap="large")
        with left:
            _measure(current, busy)
            st.markdown(verdict(current))
            if current.plan:
                teaching_view.meter(smap, current, calibration)
        with right:
            pin_button(current)
            strategy_view.popover(model, current.plan)
            _plan_text(model, current.text)
            if current.plan:
                abilities_view.section(capable, current.forecast, current.measured)

    draw()
    teaching_view.strip(model, smap, known, calibration, busy)
    st.caption(f"{labels.CRITERION.get(smap.criterion, smap.criterion)}. {labels.SPEED}")
    mixing.send_table(data)


def _take_release(smap: SensitivityMap, model: queries.Info) -> None:
    """Take what the desk sent since the last run, once."""
    release = mixing.released()
    if release is None or release.number == st.session_state.get(ANSWERED):
        return
    st.session_state[ANSWERED] = release.number
    session.set_plan(mixing.plan_of(release.levels, smap.groups), model.groups)
    session.set_locks(release.locks)


def _marks(
    model: queries.Info, smap: SensitivityMap, known: list[queries.Measured], calibration: ForecastFit
) -> Marks:
    dense = queries.baseline(model)
    unpruned = smap.dense["perplexity"]
    return Marks(
        measured=[(m.plan, m.figures) for m in known],
        pins=[(name, plan) for name, plan, _ in pinned_forecasts(model, smap, calibration)],
        points={
            group: [(point["level"], point["perplexity"] / unpruned - 1) for point in points]
            for group, points in queries.sweep_points(smap).items()
        },
        decode_ms=dense.get("decode_ms") if dense else None,
    )


def _measure(current: CurrentPlan, busy: bool) -> None:
    choice = session.current()
    request = requests.request(
        "measure", settings=list(current.settings), criterion=choice.criterion, data=choice.data
    )
    if st.button(
        "Measure this plan",
        type="primary",
        icon=":material/straighten:",
        disabled=busy or not current.plan,
        key="measure",
        width="stretch",
        help="Prunes in memory, measures on real text and questions, and puts every weight back.",
    ):
        requests.submit(request)
        st.rerun()
    if current.plan:
        page_frame.command(request)


def _plan_text(model: queries.Info, text: str) -> None:
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
            placeholder="up=0.5,down@0-3=0.1",
            help="A kind and its level, or a kind, its layers and their level; later ones win.",
        )
        st.form_submit_button(
            "Take this plan",
            on_click=lambda: page_frame.on_click(
                lambda: session.set_plan(session.parse(st.session_state[key], model.groups), model.groups)
            ),
        )
