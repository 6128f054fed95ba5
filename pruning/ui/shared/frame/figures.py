"""The figures of the session's plan as the header shows them, each with where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pruning.errors import PruningError
from pruning.planning.cost.latency_table import MODES
from pruning.planning.cost.plan_cost import PlanCost
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import costs, queries, session
from pruning.ui.shared.plan import CurrentPlan, current_plan
from pruning.ui.text import format
from pruning.ui.text import speed as speed_words
from pruning.wording import counted

NO_MODEL = '<div class="figures"><div class="figure"><span>No model yet</span></div></div>'
# As on the desk.
DOING = {"prefill": "Prefill", "decode": "Decode"}


@dataclass(frozen=True)
class Figure:
    """One figure: its name, its value, what stands beside it, and where it comes from, if anywhere."""

    name: str
    value: str
    note: str
    source: str = ""


def html(model: queries.Info) -> str:
    """All figures in a row."""
    try:
        shown = [_model(model), *_plan(model)]
    except PruningError:  # the views say what is wrong with it
        shown = [_model(model), Figure("Plan", "does not fit this model", "change it under Prune")]
    return f'<div class="figures" role="group" aria-label="Model and plan">{"".join(map(_cell, shown))}</div>'


def _cell(figure: Figure) -> str:
    source = f' <i class="source {figure.source}">{figure.source}</i>' if figure.source else ""
    return (
        f'<div class="figure"><small>{escape(figure.name)}{source}</small>'
        f"<span>{escape(figure.value)}</span><small>{escape(figure.note)}</small></div>"
    )


def _model(model: queries.Info) -> Figure:
    facts = model.facts
    return Figure(
        f"{format.count(facts['parameters'])} parameters · {counted(model.layers, 'layer')}",
        format.short(session.current().model),
        f"{facts['dtype']} on {facts['device']}",
    )


def _plan(model: queries.Info) -> list[Figure]:
    """What the plan prunes, what that makes of quality, size and time. PruningError where it does not fit."""
    plan = session.plan(model.groups)
    smap = queries.mixed_map(model)
    current = None
    if smap is not None and all(group in set(smap.groups) for group in plan):
        measurements = queries.measurements(model, smap)
        current = current_plan(plan, model, queries.forecaster(smap, measurements), measurements)
    return [_pruned(model, plan, current), _quality(model, plan, current), *_costs(model, plan)]


def _pruned(model: queries.Info, plan: Plan, current: CurrentPlan | None) -> Figure:
    if not plan:
        return Figure("Plan", "nothing pruned", "set one under Prune")
    note = f"{current.verdict.level}, {current.verdict.source}" if current else "no forecast: no map yet"
    return Figure("Pruned (sparsity)", format.percent(model.sparsity(plan)), note, "exact")


def _quality(model: queries.Info, plan: Plan, current: CurrentPlan | None) -> Figure:
    dense = queries.baseline(model)
    before = format.perplexity(dense["perplexity"]) if dense else ""
    if not plan:
        return Figure("Perplexity", before or "not measured", "unpruned", "measured" if dense else "")
    if current is None:
        return Figure("Perplexity", "not known", "draw the map, or measure")
    said = f"unpruned {before}" if before else ""
    if current.measured is not None:
        return Figure("Perplexity", format.perplexity(current.measured["perplexity"]), said, "measured")
    forecast = current.forecast
    low, high = format.perplexity(forecast.perplexity_low), format.perplexity(forecast.perplexity_high)
    return Figure("Perplexity", format.perplexity(forecast.perplexity), f"{low} – {high}", "forecast")


def _costs(model: queries.Info, plan: Plan) -> Sequence[Figure]:
    try:
        known = costs.cost_model(model)
        cost, dense = known.written(plan), known.of({})
    except PruningError:
        return []  # a model that was loaded before its parts were counted
    less = 1 - cost.file_bytes / dense.file_bytes
    smaller = f"−{format.percent(less)}" if less >= 0.005 else "full size"
    size = Figure("File", format.size(cost.file_bytes), smaller, "exact")
    return [size, *(_time(cost, mode, bool(plan), known.latency is not None) for mode in MODES)]


def _time(cost: PlanCost, mode: str, pruned: bool, timed: bool) -> Figure:
    """A plan's speed-up with its time; of the unpruned model its time."""
    taken = {"prefill": cost.prefill_ms, "decode": cost.decode_ms}[mode]
    times = {"prefill": cost.prefill_speedup, "decode": cost.decode_speedup}[mode]
    milliseconds = "not timed yet" if taken is None else speed_words.milliseconds(taken)
    if not pruned:
        source = "" if taken is None else "estimate" if queries.target_device() else "measured"
        return Figure(DOING[mode], milliseconds, "unpruned", source)
    source = "forecast" if timed and cost.timed else "estimate"
    return Figure(DOING[mode], speed_words.times(times), milliseconds, source)
