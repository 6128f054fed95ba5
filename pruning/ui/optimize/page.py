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
from pruning.planning.allocation.mixed.choices import MixedChoices
from pruning.planning.allocation.mixed.solver import MixedSolution
from pruning.planning.allocation.solver import Solution
from pruning.planning.allocation.targets import Target
from pruning.planning.forecast.fit import ForecastFit
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.data import costs, queries, requests, session
from pruning.ui.optimize import apply, capability_weights, details, front, mix, targets, unit_targets
from pruning.ui.optimize.budget import component as budget
from pruning.ui.optimize.capability_weights import CapabilityWeights
from pruning.ui.optimize.front import ChartPoint
from pruning.ui.optimize.mix import Structure
from pruning.ui.optimize.targets import Constraints
from pruning.ui.shared import page as page_frame
from pruning.ui.shared import verdict
from pruning.ui.shared.pins import pin_button, pinned_forecasts
from pruning.ui.shared.plan import CurrentPlan, after_recovery, current_plan, drift, session_plan
from pruning.ui.text import format, labels

Found = Solution | MixedSolution
TASKS = ("measure", "latency", "outliers", "capabilities")
ANSWERED, POINT, FOUND = "budget_answered", "optimize_point", "optimize_found"


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a run reads of the session's model before anything is asked of the solver."""

    model: queries.Info
    forecaster: Forecaster
    measurements: list[queries.Measured]
    plan: Plan
    structure: Structure

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
    choices: ChoiceTable | MixedChoices


@dataclass(frozen=True, eq=False)
class Answer:
    """A problem with its solution; without one where the targets cannot be met."""

    problem: Problem | None
    solution: Solution | MixedSolution | None
    current: CurrentPlan | None


def page(model: queries.Info, smap: SensitivityMap, busy: bool) -> None:
    """Draw the board with what is beside and below it; `smap` is the map with its units."""

    @st.fragment
    def draw() -> None:
        structure = mix.chosen(model, smap)
        measurements = queries.measurements(model, smap)
        forecaster = queries.forecaster(smap, measurements)
        inputs = Inputs(model, forecaster, measurements, session_plan(smap.groups), structure)
        targets.begin(front.share_of(smap, inputs.plan))
        _take_sent()
        board, side = st.columns([3, 1], gap="large")
        # What is typed beside the board is read before the board is drawn, and mistakes stand over it.
        with board:
            above, below = st.container(), st.container()
        with side:
            places = st.container(), st.container()
        with places[1]:
            _wishes(inputs, busy)
        with above:
            answer = _solved(inputs)
        with below:
            points = _board(inputs, answer)
        with places[0]:
            problem = answer.problem if answer.current else None
            apply.side(answer.current, _request(problem, structure) if problem else None, busy)
        with below:
            _under(answer, inputs)
            _open_a_point(points, smap, busy)
            st.caption(labels.fitted_to(forecaster.fit.measured))

    draw()


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


def _wishes(inputs: Inputs, busy: bool) -> None:
    model, smap, machine = inputs.model, inputs.smap, inputs.structure.machine
    with st.expander("More constraints", icon=":material/checklist:", key="optimize_wishes"):
        targets.fields(smap)
        if machine:
            unit_targets.fields(machine)
    with st.expander("Locked and bounded", icon=":material/lock:", key="optimize_stays"):
        targets.constraint_fields(model.layers, smap)
        if inputs.structure.name == mix.MIXED:
            unit_targets.most_layers_field(model.layers)
    if machine is None:
        with st.expander("Capabilities that matter", icon=":material/favorite:", key="optimize_values"):
            capability_weights.section(smap.of_weights, busy)
    with st.expander("Speed-up by whole units", icon=":material/speed:", key="optimize_speed"):
        details.speed(model, busy)


def _solved(inputs: Inputs) -> Answer:
    """The best plan for what the fields say; what cannot be is said where this is called."""
    problem, smap, structure = None, inputs.smap, inputs.structure
    try:
        groups = smap.groups if structure.machine else smap.of_weights.groups
        constraints = targets.constraints(groups, inputs.plan, structure.name == mix.MIXED)
        asked_for = targets.targets(smap, unit_targets.targets() if structure.machine else [])
        weights = None if structure.machine else capability_weights.chosen(smap.of_weights)
        choices = (
            mix.choices_of(inputs.forecaster, structure, constraints.bounds)
            if structure.machine
            else front.choices_of(inputs.forecaster, constraints.bounds, weights)
        )
        problem = Problem(asked_for, constraints, weights, choices)
        stamp = weights.stamp if weights else ""
        about = (smap.fingerprint, smap.criterion, smap.data_fingerprint, structure.stamp)
        asked = (*about, asked_for, constraints, stamp)
        solution = _kept(
            asked, inputs.forecaster.fit, lambda: mix.solve(choices, asked_for, inputs.forecaster)
        )
        return Answer(problem, solution, inputs.current(solution.plan))
    except PruningError as error:
        targets.mistake(error, inputs.forecaster)
        return Answer(problem, None, None)


def _kept(asked: tuple[Any, ...], fit: ForecastFit, find: Callable[[], Found]) -> Found:
    """What was found for these targets before. A plan that is measured changes the fit, and must not be
    replaced by another at that very moment: it stays until it is asked for anew."""
    before = st.session_state.get(FOUND)
    if before is None or before[0] != asked:
        before = st.session_state[FOUND] = (asked, fit, find())
    if before[1] != fit:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":material/school: The forecast has learnt since this plan was found.")
            st.button("Find it anew", key="optimize_again", on_click=_forget)
    found: Found = before[2]
    return found


def _forget() -> None:
    st.session_state.pop(FOUND, None)


def _board(inputs: Inputs, answer: Answer) -> dict[str, ChartPoint]:
    """The board, and every plan on it that can be opened, by id."""
    forecaster, problem, structure = inputs.forecaster, answer.problem, inputs.structure
    bounds = problem.constraints.bounds if problem else targets.NO_BOUNDS
    if structure.machine:
        best, rivals = mix.best_plans(forecaster, structure, bounds), mix.single_fronts(forecaster, structure)
    else:
        best = front.best_plans(forecaster, bounds, problem.weights if problem else None)
        rivals = front.baseline_plans(forecaster, queries.outlier_shares(inputs.smap))
    baselines, marks = front.baseline_points(forecaster, rivals), _marks(inputs)
    data = front.board_data(forecaster, best, baselines, marks, mix.held(bounds, forecaster.smap))
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
    for name, pinned, forecast in pinned_forecasts(forecaster):
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


def _under(answer: Answer, inputs: Inputs) -> None:
    """Below the board: forecast beside measured, the pin, the command, details."""
    forecaster, machine = inputs.forecaster, inputs.structure.machine
    problem, solution, current = answer.problem, answer.solution, answer.current
    if problem is None or solution is None or current is None:
        return
    if current.plan:
        verdict.show(current)
        st.markdown(drift(current))
        after_recovery(forecaster.smap, current.plan)
        if machine:
            details.saving(machine, current.plan, costs.why_full_size(inputs.model, current.plan))
        if problem.weights and isinstance(problem.choices, ChoiceTable):
            st.markdown(
                capability_weights.verdict(
                    problem.weights, problem.choices, problem.targets, current.plan, forecaster
                )
            )
        pin_button(current)
    else:
        st.markdown("Nothing has to go for this. Move the slider, or wish for more.")
    with st.expander("Details", icon=":material/function:", key="optimize_details"):
        details.details(problem.choices, solution, current)


def _request(problem: Problem, structure: Structure) -> dict[str, Any]:
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
        **({"structure": structure.name} if structure.machine else {}),
        **({} if constraints.bounds.most_layers is None else {"most_layers": constraints.bounds.most_layers}),
        **({"values": problem.weights.values} if problem.weights else {}),
    )


def _open_a_point(points: Mapping[str, ChartPoint], smap: SensitivityMap, busy: bool) -> None:
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
        if st.button(
            "Open under Prune", icon=":material/tune:", key="optimize_open", disabled=chosen is None
        ):
            session.set_settings(format_settings(points[str(chosen)].plan, smap.groups))
            page_frame.go("explore")
        if not smap.mix.units.any():
            front.ask_for_outliers(smap, busy)
