"""The panels on a page, with the choice of what they show: a click takes a plan, a budget is a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.ui.data import costs, queries, session
from pruning.ui.shared import missing_map
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.panels import figure
from pruning.ui.shared.panels import points as plan_points
from pruning.ui.shared.panels.axes import Budget
from pruning.ui.shared.panels.points import DENSE, HERE, PlanPoint
from pruning.ui.shared.plan import CurrentPlan
from pruning.ui.text import labels
from pruning.ui.text import panels as words

KEY, NO_BUDGET = "panels", "none"
# Optimize's field for a budget, and what it holds of a value, given the unpruned model's.
WISHES: Mapping[str, tuple[str, Callable[[float, float], float]]] = {
    "size": ("optimize_file", lambda value, dense: value / 1e6),
    "compact": ("optimize_megabytes", lambda value, dense: value / 1e6),
    "memory": ("optimize_memory", lambda value, dense: value / 1e6),
    "prefill": ("optimize_reading", lambda value, dense: dense / value),
    "decode": ("optimize_writing", lambda value, dense: dense / value),
    "perplexity": ("optimize_worse", lambda value, dense: 100 * (value / dense - 1)),
    "kl": ("optimize_kl", lambda value, dense: value),
}
OTHER_WISHES = ("optimize_share", "optimize_millions")


def section(
    model: queries.Info,
    forecaster: Forecaster,
    measurements: Sequence[queries.Measured],
    current: CurrentPlan,
) -> None:
    """The panels with what they show."""
    st.subheader("Quality against size and speed", anchor=False)
    with page_frame.user_errors():
        known = costs.cost_model(model)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            quality, panels = _choices()
            points = [
                *plan_points.standing_points(forecaster, measurements, known, panels[0]),
                *plan_points.own_points(forecaster, measurements, known, current),
            ]
            budget = _budget(points, quality, panels)
        picture = figure.figure(points, quality, panels, budget)
        figure.chart(picture, KEY, lambda id: take(points, id, forecaster))
        badge = missing_map.badge(forecaster.smap)
        st.caption(f"{labels.MEASURED} {labels.FORECAST} {labels.ESTIMATE} {badge} {words.LEGEND}")


def _choices() -> tuple[str, tuple[str, ...]]:
    """Which quality is upwards, and what the first and the third panel are about."""
    quality = st.segmented_control(
        "Quality",
        list(words.QUALITY),
        default="accuracy",
        required=True,
        format_func=words.QUALITY.__getitem__,
        key="panels_quality",
        help=words.QUALITY_HELP,
        **session.PERSIST,
    )
    first = _one_of("Size", ("size", "compact"), "panels_first")
    return quality or "accuracy", (
        first,
        "prefill",
        _one_of("Speed or memory", ("decode", "memory"), "panels_third"),
    )


def _one_of(label: str, costs: Sequence[str], key: str) -> str:
    """A choice of what a panel is about."""
    chosen = st.segmented_control(
        label,
        costs,
        default=costs[0],
        required=True,
        format_func=words.COST.__getitem__,
        key=key,
        help=" ".join(f"{words.COST[cost]}: {words.COST_HELP[cost]}" for cost in costs),
        **session.PERSIST,
    )
    return chosen or costs[0]


def _budget(points: Sequence[PlanPoint], quality: str, panels: Sequence[str]) -> Budget | None:
    """A limit on one of the axes, as it is typed in the axis's unit."""
    axes = [NO_BUDGET, *panels, quality]
    axis = st.selectbox(
        "Limit",
        axes,
        format_func=lambda name: "No limit" if name == NO_BUDGET else words.TITLE[name],
        key="panels_budget_axis",
        width=200,
        help="Draws a line; plans beyond it go pale in all three panels.",
    )
    dense = next((point for point in points if point.kind == DENSE), None)
    if axis == NO_BUDGET or dense is None:
        return None
    first, unit = (
        words.first_budget(axis, dense.figures[axis].value, dense.relative),
        words.unit(axis, dense.relative),
    )
    typed = st.number_input(
        f"{words.limit(axis)} ({unit})" if unit else words.limit(axis),
        min_value=0.0,
        value=first,
        step=float(f"{first / 20:.1g}"),
        format="%g",
        key=f"panels_budget_{axis}",
        width=230,
    )
    budget = Budget(axis, float(typed) * words.scale(axis, dense.relative))
    if (
        budget.axis in WISHES
        and budget.value > 0
        and st.button("Find the best plan for it", icon=":material/arrow_forward:", key="panels_optimize")
    ):
        _wish(budget, dense)
        page_frame.go("optimize")
    return budget


def _wish(budget: Budget, dense: PlanPoint) -> None:
    """Fill Optimize's field for the budget, and empty all others."""
    key, read = WISHES[budget.axis]
    for other in (*(name for name, _ in WISHES.values()), *OTHER_WISHES):
        st.session_state[other] = None
    st.session_state[key] = round(read(budget.value, dense.figures[budget.axis].value), 3)


def take(points: Sequence[PlanPoint], id: str, forecaster: Forecaster) -> None:
    """Make the plan that was clicked the session's, one step of its history."""
    plan = next((point.plan for point in points if point.id == id and point.kind != HERE), None)
    if plan is not None:
        page_frame.on_click(lambda: session.set_plan(plan, list(forecaster.smap.groups)))
