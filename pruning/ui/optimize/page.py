"""The Optimize page: the budget slider with its pictures, other targets, and what follows from them.

All of it is one fragment: letting go of the slider runs this part alone. Python solves for the very targets
each time; only the best plans over the whole range, between which the browser moves, are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.allocation.solver import Solution, Target, solve
from pruning.planning.forecast.fit import ForecastFit
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.data import queries, requests, session
from pruning.ui.optimize import apply, capability_weights, details, front, targets
from pruning.ui.optimize.budget import component as budget
from pruning.ui.optimize.capability_weights import CapabilityWeights
from pruning.ui.optimize.front import ChartPoint
from pruning.ui.optimize.targets import Constraints
from pruning.ui.shared import page as page_frame
from pruning.ui.shared import verdict
from pruning.ui.shared.pins import pin_button, pinned_forecasts
from pruning.ui.shared.plan import CurrentPlan, after_recovery, current_plan, drift, session_plan
from pruning.ui.text import format, labels

TASKS = ("measure", "latency", "outliers", "capabilities")
ANSWERED, POINT, FOUND = "budget_answered", "optimize_point", "optimize_found"


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a run reads of the session's model before anything is asked of the solver."""

    model: queries.Info
    forecaster: Forecaster
    measurements: list[queries.Measured]
    plan: Plan

    @property
    def smap(self) -> SensitivityMap:
        return self.forecaster.smap

    def current(self, plan: Plan) -> CurrentPlan:
        return current_plan(plan, self.model, self.forecaster, self.measurements)


@dataclass(frozen=True, eq=False)
class Problem:
    """What is asked of the solver: the targets, the constraints, what matters most, and the choices left."""

    targets: list[Target]
    constraints: Constraints
    weights: CapabilityWeights | None
    choices: ChoiceTable


@dataclass(frozen=True, eq=False)
class Answer:
    """A problem with its solution; without one where the targets cannot be met."""

    problem: Problem | None
    solution: Solution | None
    current: CurrentPlan | None


def page(model: queries.Info, smap: SensitivityMap, busy: bool) -> None:
    """Draw the board with what is beside and below it."""

    @st.fragment
    def draw() -> None:
        measurements = queries.measurements(model, smap)
        forecaster = queries.forecaster(smap, measurements)
        inputs = Inputs(model, forecaster, measurements, session_plan(model))
        targets.begin(front.share_of(smap, inputs.plan))
        _take_sent()
        board, side = st.columns([3, 1], gap="large")
        # What is typed beside the board is read before the board is drawn, and mistakes stand over it.
        with board:
            above, below = st.container(), st.container()
        with side:
            places = st.container(), st.container()
        with places[1]:
            _wishes(model, smap, busy)
        with above:
            answer = _solved(inputs)
        with below:
            points = _board(inputs, answer)
        with places[0]:
            problem = answer.problem if answer.current else None
            apply.side(answer.current, _request(problem) if problem else None, busy)
        with below:
            _under(answer, forecaster)
            _open_a_point(points, model, smap, busy)

    draw()
    st.caption(labels.fitted_to(queries.forecaster(smap, queries.measurements(model, smap)).fit.measured))


def _take_sent() -> None:
    """Take what the board sent since the last run, once."""
    message = budget.sent()
    if message is None or message.number == st.session_state.get(ANSWERED):
        return
    st.session_state[ANSWERED] = message.number
    if message.share is not None:
        targets.only_share(round(100 * message.share, 1))
    if message.point is not None:
        st.session_state[POINT] = message.point


def _wishes(model: queries.Info, smap: SensitivityMap, busy: bool) -> None:
    with st.expander("Other wishes", icon=":material/checklist:", key="optimize_wishes"):
        targets.fields(smap)
    with st.expander("What must stay", icon=":material/lock:", key="optimize_stays"):
        targets.constraint_fields(model)
    with st.expander("What matters to you", icon=":material/favorite:", key="optimize_values"):
        capability_weights.section(smap, busy)
    with st.expander("Faster?", icon=":material/speed:", key="optimize_speed"):
        details.speed(model, busy)


def _solved(inputs: Inputs) -> Answer:
    """The best plan for what the fields say; what cannot be is said where this is called."""
    problem, smap = None, inputs.smap
    try:
        constraints = targets.constraints(inputs.model.groups, inputs.plan)
        asked_for = targets.targets(smap)
        weights = capability_weights.chosen(smap)
        choices = front.choices_of(inputs.forecaster, constraints.bounds, weights)
        problem = Problem(asked_for, constraints, weights, choices)
        stamp = weights.stamp if weights else ""
        asked = (smap.fingerprint, smap.criterion, smap.data_fingerprint, asked_for, constraints, stamp)
        solution = _kept(asked, inputs.forecaster.fit, lambda: solve(choices, asked_for, inputs.forecaster))
        return Answer(problem, solution, inputs.current(solution.plan))
    except PruningError as error:
        targets.mistake(error, inputs.forecaster)
        return Answer(problem, None, None)


def _kept(asked: tuple[Any, ...], fit: ForecastFit, find: Callable[[], Solution]) -> Solution:
    """What was found for these targets before. A plan that is measured changes the fit, and must not be
    replaced by another at that very moment: it stays until it is asked for anew."""
    before = st.session_state.get(FOUND)
    if before is None or before[0] != asked:
        before = st.session_state[FOUND] = (asked, fit, find())
    if before[1] != fit:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":material/school: The forecast has learnt since this plan was found.")
            st.button("Find it anew", key="optimize_again", on_click=_forget)
    return before[2]


def _forget() -> None:
    st.session_state.pop(FOUND, None)


def _board(inputs: Inputs, answer: Answer) -> dict[str, ChartPoint]:
    """The board, and every plan on it that can be opened, by id."""
    forecaster, problem = inputs.forecaster, answer.problem
    bounds = problem.constraints.bounds if problem else targets.NO_BOUNDS
    choices = problem.choices if problem else front.choices_of(forecaster)
    plans = front.baseline_plans(forecaster, queries.outlier_shares(inputs.smap))
    baselines, marks = front.baseline_points(forecaster, plans), _marks(inputs)
    data = front.board_data(
        forecaster,
        front.best_plans(forecaster, bounds, problem.weights if problem else None),
        baselines,
        marks,
        choices.fixed.tolist(),
    )
    here = front.place(forecaster, answer.solution.plan) if answer.solution else None
    share = here["share"] if here else (st.session_state[targets.SHARE] or 0.0) / 100
    budget.board(data, here, share, st.session_state.get(ANSWERED, 0))
    every = [point for points in baselines.values() for point in points] + marks
    return {point.id: point for point in every}


def _marks(inputs: Inputs) -> list[ChartPoint]:
    """Measured plans, pins and the session's own plan, each with what was measured of it."""
    forecaster, marks = inputs.forecaster, []
    for row in inputs.measurements:
        if row.plan:
            forecast = forecaster.forecast(row.plan)
            name = f"Measured, {format.percent(forecast.sparsity, 1)} ({_short(row.settings)})"
            identity = f"measured:{row.settings}"
            marks.append(ChartPoint("measured", identity, name, row.plan, forecast, row.figures))
    for name, pinned, forecast in pinned_forecasts(inputs.model, forecaster):
        figures = queries.measured(pinned, inputs.measurements)
        marks.append(ChartPoint("pin", f"pin:{name}", f"Pinned: {name}", pinned, forecast, figures))
    if inputs.plan:
        current = inputs.current(inputs.plan)
        marks.append(
            ChartPoint("plan", "plan", "Your plan", current.plan, current.forecast, current.measured)
        )
    return marks


def _short(settings: str) -> str:
    return settings if len(settings) <= 28 else f"{settings[:27]}…"


def _under(answer: Answer, forecaster: Forecaster) -> None:
    """Below the board: forecast beside measured, the pin, the command, details."""
    problem, solution, current = answer.problem, answer.solution, answer.current
    if problem is None or solution is None or current is None:
        return
    if current.plan:
        verdict.show(current)
        st.markdown(drift(current))
        after_recovery(forecaster.smap, current.plan)
        if problem.weights:
            st.markdown(
                capability_weights.verdict(
                    problem.weights, problem.choices, problem.targets, solution, forecaster
                )
            )
        pin_button(current)
    else:
        st.markdown("Nothing has to go for this. Move the slider, or wish for more.")
    with st.expander("For the engineer", icon=":material/function:", key="optimize_details"):
        details.details(problem.choices, solution, current)


def _request(problem: Problem) -> dict[str, Any]:
    choice, constraints = session.current(), problem.constraints
    return requests.request(
        "solve",
        targets=[[target.name, target.value] for target in problem.targets],
        criterion=choice.criterion,
        data=choice.data,
        locks=constraints.locks,
        protect=constraints.bounds.protect,
        floors=constraints.floors,
        ceilings=constraints.ceilings,
        **({"values": problem.weights.values} if problem.weights else {}),
    )


def _open_a_point(
    points: Mapping[str, ChartPoint], model: queries.Info, smap: SensitivityMap, busy: bool
) -> None:
    """Any baseline, measured or pinned plan of the chart, to open on Explore."""
    if st.session_state.get(POINT) not in points:
        st.session_state.pop(POINT, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Another point of the chart",
            list(points),
            index=None,
            format_func=lambda key: points[key].name,
            key=POINT,
            placeholder="click on it, or choose it here",
            width=380,
        )
        if st.button("Open in Explore", icon=":material/tune:", key="optimize_open", disabled=chosen is None):
            session.set_settings(format_settings(points[str(chosen)].plan, model.groups))
            st.switch_page(page_frame.PAGES["explore"].script)
        front.ask_for_outliers(smap, busy)
