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
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.compare import page as compare_view
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.explore import page as explore_view
from pruning.ui.optimize import apply as optimize_apply
from pruning.ui.optimize import capability_weights as optimize_values
from pruning.ui.optimize import details as optimize_details
from pruning.ui.optimize import front as optimize_data
from pruning.ui.optimize import outliers as optimize_owl
from pruning.ui.optimize import speed as optimize_speed
from pruning.ui.optimize import targets as optimize_wants
from pruning.ui.optimize.budget import component as budget
from pruning.ui.optimize.capability_weights import Minded
from pruning.ui.optimize.front import Shown
from pruning.ui.optimize.targets import Held
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words

TASKS = ("measure", "latency", "outliers", "capabilities")
ANSWERED, POINT, FOUND = "budget_answered", "optimize_point", "optimize_found"


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is asked for: the targets, what is held, what matters most, and the menu that leaves."""

    targets: list[Target]
    held: Held
    minded: Minded | None
    menu: ChoiceTable


def page(model: services.Info, smap: SensitivityMap, busy: bool) -> None:
    """Draw the board with what is beside and below it."""

    @st.fragment
    def draw() -> None:
        known = services.measurements(model, smap)
        calibration = services.calibration(smap, known)
        plan = explore_view.current_plan(model)
        optimize_wants.begin(optimize_data.share_of(smap, plan))
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
            wanted, solved = _find(model, smap, calibration, plan)
        shown = _board(model, smap, calibration, known, wanted, solved, below, plan)
        with places[0]:
            optimize_apply.side(model, solved.plan if solved else {}, busy)
        with below:
            _under(model, smap, calibration, known, wanted, solved)
            _open_a_point(shown, model, smap, busy)

    draw()
    st.caption(words.learnt(services.calibration(smap, services.measurements(model, smap)).measured))


def _take_sent() -> None:
    """Take what the board sent since the last run, once."""
    message = budget.sent()
    if message is None or message.number == st.session_state.get(ANSWERED):
        return
    st.session_state[ANSWERED] = message.number
    if message.share is not None:
        optimize_wants.only_share(round(100 * message.share, 1))
    if message.point is not None:
        st.session_state[POINT] = message.point


def _wishes(model: services.Info, smap: SensitivityMap, busy: bool) -> None:
    with st.expander("Other wishes", icon=":material/checklist:", key="optimize_wishes"):
        optimize_wants.wishes(smap)
    with st.expander("What must stay", icon=":material/lock:", key="optimize_stays"):
        optimize_wants.stays(model)
    with st.expander("What matters to you", icon=":material/favorite:", key="optimize_values"):
        optimize_values.section(smap, busy)
    with st.expander("Faster?", icon=":material/speed:", key="optimize_speed"):
        optimize_speed.section(model, busy)


def _find(
    model: services.Info, smap: SensitivityMap, calibration: ForecastFit, plan: Plan
) -> tuple[Wanted | None, Solution | None]:
    """The best plan for what the fields say; what cannot be is said where this is called."""
    wanted = None
    try:
        held = optimize_wants.held(model.groups, plan)
        targets = optimize_wants.targets(smap)
        minded = optimize_values.minded(smap)
        menu = optimize_data.menu_of(smap, calibration, held.bounds, minded)
        wanted = Wanted(targets, held, minded, menu)
        stamp = minded.stamp if minded else ""
        asked = (smap.fingerprint, smap.criterion, smap.data_fingerprint, targets, held, stamp)
        return wanted, _kept(asked, calibration, lambda: _solve(wanted, smap, calibration))
    except PruningError as error:
        optimize_wants.mistake(error, smap)
        return wanted, None


def _solve(wanted: Wanted, smap: SensitivityMap, calibration: ForecastFit) -> Solution:
    return solve(wanted.menu, wanted.targets, Forecaster(smap, calibration))


def _kept(asked: tuple[Any, ...], calibration: ForecastFit, find: Callable[[], Solution]) -> Solution:
    """What was found for these wishes before. A plan that is measured teaches the forecast, and must not be
    replaced by another at that very moment: it stays until it is asked for anew."""
    before = st.session_state.get(FOUND)
    if before is None or before[0] != asked:
        before = st.session_state[FOUND] = (asked, calibration, find())
    if before[1] != calibration:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":material/school: The forecast has learnt since this plan was found.")
            st.button("Find it anew", key="optimize_again", on_click=_forget)
    return before[2]


def _forget() -> None:
    st.session_state.pop(FOUND, None)


def _board(
    model: services.Info,
    smap: SensitivityMap,
    calibration: ForecastFit,
    known: list[services.Measured],
    wanted: Wanted | None,
    solved: Solution | None,
    place: Any,
    plan: Plan,
) -> dict[str, Shown]:
    """The board, and every plan on it that can be opened, by id."""
    with place:
        held = wanted.held.bounds if wanted else optimize_wants.NOTHING_HELD
        menu = wanted.menu if wanted else optimize_data.menu_of(smap, calibration)
        rivals = optimize_data.shown(
            smap, calibration, optimize_data.rival_plans(smap, calibration, optimize_owl.outliers(smap))
        )
        marks = _marks(model, smap, calibration, known, plan)
        data = optimize_data.board_data(
            smap,
            calibration,
            optimize_data.best_plans(smap, calibration, held, wanted.minded if wanted else None),
            rivals,
            marks,
            menu.fixed.tolist(),
        )
        here = None
        if solved:
            here = optimize_data.place(smap, solved.plan, Forecaster(smap, calibration).forecast(solved.plan))
        share = here["share"] if here else (st.session_state[optimize_wants.SHARE] or 0.0) / 100
        budget.board(data, here, share, st.session_state.get(ANSWERED, 0))
    every = [one for own in rivals.values() for one in own] + [one for _, one, _ in marks]
    return {one.id: one for one in every}


def _marks(
    model: services.Info,
    smap: SensitivityMap,
    calibration: ForecastFit,
    known: list[services.Measured],
    plan: Plan,
) -> list[tuple[str, Shown, Mapping[str, Any] | None]]:
    """Measured plans, pins and the session's own plan, each with what was measured of it."""
    marks: list[tuple[str, Shown, Mapping[str, Any] | None]] = []
    for one in known:
        if one.plan:
            seen = Forecaster(smap, calibration).forecast(one.plan)
            name = f"Measured, {words.percent(seen.sparsity, 1)} ({_short(one.settings)})"
            marks.append(("measured", Shown(f"measured:{one.settings}", name, one.plan, seen), one.figures))
    for name, pinned, seen in compare_view.pinned_forecasts(model, smap, calibration):
        truth = services.measured(pinned, known, model.groups)
        marks.append(("pin", Shown(f"pin:{name}", f"Pinned: {name}", pinned, seen), truth))
    if plan:
        seen = Forecaster(smap, calibration).forecast(plan)
        truth = services.measured(plan, known, model.groups)
        marks.append(("plan", Shown("plan", "Your plan", plan, seen), truth))
    return marks


def _short(settings: str) -> str:
    return settings if len(settings) <= 28 else f"{settings[:27]}…"


def _under(
    model: services.Info,
    smap: SensitivityMap,
    calibration: ForecastFit,
    known: list[services.Measured],
    wanted: Wanted | None,
    solved: Solution | None,
) -> None:
    """Below the board: forecast beside measured, the pin, the command, details."""
    if wanted is None or solved is None:
        return
    seen = Forecaster(smap, calibration).forecast(solved.plan)
    truth = services.measured(solved.plan, known, model.groups)
    if solved.plan:
        st.markdown(explore_view.verdict(solved.plan, seen, truth))
        if wanted.minded:
            about = wanted.menu, wanted.targets, solved, smap, calibration
            st.markdown(optimize_values.told(wanted.minded, *about))
        compare_view.pin_button(model, solved.plan)
    else:
        st.markdown("Nothing has to go for this. Move the slider, or wish for more.")
    shell.command(_request(wanted))
    with st.expander("For the engineer", icon=":material/function:", key="optimize_details"):
        optimize_details.details(wanted.menu, solved, seen, truth)


def _request(wanted: Wanted) -> dict[str, Any]:
    choice, held = state.current(), wanted.held
    return services.request(
        "solve",
        targets=[[target.name, target.value] for target in wanted.targets],
        criterion=choice.criterion,
        data=choice.data,
        locks=held.locks,
        protect=held.bounds.protect,
        floors=held.floors,
        ceilings=held.ceilings,
        **({"values": wanted.minded.values} if wanted.minded else {}),
    )


def _open_a_point(shown: Mapping[str, Shown], model: services.Info, smap: SensitivityMap, busy: bool) -> None:
    """Any rival, measured or pinned plan of the chart, to open on Explore."""
    if st.session_state.get(POINT) not in shown:
        st.session_state.pop(POINT, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Another point of the chart",
            list(shown),
            index=None,
            format_func=lambda key: shown[key].name,
            key=POINT,
            placeholder="click on it, or choose it here",
            width=380,
        )
        if st.button("Open in Explore", icon=":material/tune:", key="optimize_open", disabled=chosen is None):
            optimize_apply.take(format_settings(shown[str(chosen)].plan, model.groups))
            st.switch_page(shell.PAGES["explore"].script)
        optimize_owl.ask(smap, busy)
