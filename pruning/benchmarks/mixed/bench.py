"""The bench of mixed plans: what the same saving costs by one kind of unit, by the guide, and by a mix.

Every plan is measured: KL with its units chosen and what stays refitted, speed by racing the really smaller
model. A plan that misses its speed is solved for again with more asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from pruning.benchmarks.mixed.points import MIXED, Points
from pruning.planning.allocation.choices import Bounds
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.plan_request import solve_mix
from pruning.planning.allocation.targets import Infeasible, Target
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import LAYERS, Plan
from pruning.tasks.context.session import Session
from pruning.tasks.optimize import machine_of
from pruning.tasks.sensitivity import PRICED_BY, map_for
from pruning.wording import counted
from pruning.workspace import results

# At most so many layers are dropped, of those that cost least alone by the map.
MOST_DROPPED, TRIED_LAYERS = 14, 18
TRIES = 4
FAR = 1.02  # times the speed that is asked for, beyond which a plan gives up more than it has to
CLOSE = 0.995  # of the speed that is asked for, which a race can tell
# So often the forecast learns from what was measured, and the mix is solved for again.
LEARNT = 2
# Beside the mix that keeps all layers so many with some of them gone are measured, the best by forecast.
MEASURED, STEPS = 2, (1, 2, 3, 4, 5, 6, 7, 8)
WEIGHTS, CORRECTED = 0.01, "corrected"
GUIDE = {"qkv": 0.1, "heads": 6 / 9}
SINGLE = {"neurons": ("neurons",), "heads": ("heads",), "kv_groups": ("kv_groups",)}
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What is wanted: decoding so many times as fast, or at most this share of the dense file's bytes."""

    target: str
    value: float

    @property
    def name(self) -> str:
        if self.target == "decode_speedup":
            return f"decode {self.value:g}×"
        return f"{self.value:.0%} of the file"


CASES = (
    Case("file_bytes", 0.8),
    Case("decode_speedup", 1.25),
    Case("file_bytes", 0.65),
    Case("decode_speedup", 1.5),
)


@dataclass(frozen=True, eq=False)
class Bench:
    """What all cases are worked out from."""

    points: Points
    machine: Machine
    forecaster: Forecaster

    @cached_property
    def order(self) -> list[int]:
        """Layers in the order in which greedy measuring drops them."""
        smap = self.forecaster.smap
        costs = {group[0]: smap.cost[row, 0] for row, group in enumerate(smap.groups) if group[1] == LAYERS}
        tried = sorted(sorted(costs, key=costs.__getitem__)[:TRIED_LAYERS])
        return self.points.order(min(MOST_DROPPED, len(tried) - 1, len(costs) // 2), tried)

    def learnt(self) -> "Bench":
        """The same with a forecast that knows what the bench has measured so far."""
        smap, session = self.forecaster.smap, self.points.session
        before = results.measured_plans(session.store, smap, PRICED_BY)
        pairs = [(plan, float(figures["kl"])) for plan, figures in before] + self.points.seen
        fitted = Forecaster.fitted(smap, pairs, [figures for _, figures in before])
        return replace(self, forecaster=fitted)

    def target(self, case: Case, asked: float) -> Target:
        """The solver's target for what is asked."""
        dense = self.machine.parts.parameters * self.machine.parts.weight_bytes
        return Target(case.target, asked * dense if case.target == "file_bytes" else asked)

    def reached(self, case: Case, plan: Plan) -> float:
        """How far the plan gets, in the case's measure: raced, or counted."""
        if case.target == "decode_speedup":
            return self.points.speed(plan)["decode"]
        parts = self.machine.parts
        return self.machine.cost(plan).file_bytes / (parts.parameters * parts.weight_bytes)

    def meets(self, case: Case, plan: Plan) -> bool:
        """Whether the plan gets there."""
        value = self.reached(case, plan)
        if case.target == "decode_speedup":
            return value >= CLOSE * case.value
        return value <= case.value * (1 + 1e-9)

    def solved(self, case: Case, make: Callable[[Target], Plan | None]) -> Plan | None:
        """The plan of `make` that gets there and no further than it has to; None where none does.

        More is asked for until a plan gets there, and something between where one goes well beyond.
        """
        asked, short, best = case.value, 0.0, None
        for _ in range(TRIES):
            plan = make(self.target(case, asked))
            if plan is None:
                break
            reached = self.reached(case, plan)
            if self.meets(case, plan):
                best, enough = plan, asked
                if case.target != "decode_speedup" or reached <= FAR * case.value or not short:
                    break
                asked = (short * enough) ** 0.5
            else:
                short = asked
                asked = asked * max(1.01, case.value / reached) if best is None else (short * enough) ** 0.5
        return best


def bench_mixed(session: Session, cases: Sequence[Case] = CASES) -> dict[str, Any]:
    """Measure what the same saving costs by mixed plans and by the best of each single kind of unit.

    In each case `mixed` is the best measured of plans by the solver in which no, or some, layers go, those
    that greedy measuring finds, and one in a hundred of the weights that stay: with the criterion corrected
    all weights then make up for what went before them, where units alone refit only attn_out and down.
    `units` is the same without these. Single kinds are the solver's plan for neurons, heads and KV groups
    alone, and layers alone by the same greedy measuring; `guide` a tenth of QKV and heads, as far as they go.
    Then the forecast learns from all that was measured and the mix is solved for again, as whoever measures
    the solver's plan can, `LEARNT` times at most. `over_best_single` by case: the mixed plan's KL over the
    least of a single kind that gets there. Forecasts go by what the workspace was taught, those of the
    solver's further rounds by what was measured before them as well.
    """
    timed = any(case.target == "decode_speedup" for case in cases)
    smap = map_for(session)
    forecaster = results.forecaster(session.store, smap, PRICED_BY)
    bench = Bench(Points(session), machine_of(session, timed), forecaster)
    rows: list[Row] = []
    # What needs no order of layers comes first: a run that is stopped has most by then.
    for plans in (_without_order, _with_order, _learnt):
        for case in cases:
            for method, plan in plans(bench, case):
                rows.append(_row(bench, case, method, plan))
                session.progress(len(rows), 12 * len(cases), f"{case.name}, {method}: KL {rows[-1]['kl']}")
    rows.sort(key=lambda row: [case.name for case in cases].index(row["case"]))
    shares = {case.name: _over_best_single(rows, case.name) for case in cases}
    return {
        "over_best_single": shares,
        "cases_at_most_080": sum(share is not None and share <= 0.8 for share in shares.values()),
        "never_above": all(share is not None and share <= 1.0 for share in shares.values()),
        "rows": rows,
    }


def _row(bench: Bench, case: Case, method: str, plan: Plan | None) -> Row:
    """A plan's figures; None of all where there is no plan that gets there."""
    row = {"case": case.name, "method": method}
    if plan is None:
        return {**row, "kl": None, "reached": None, "meets": False, "forecast": None, "settings": None}
    return {
        **row,
        "kl": bench.points.kl(plan, CORRECTED if method.startswith("mixed") else PRICED_BY),
        "reached": bench.reached(case, plan),
        "meets": bench.meets(case, plan),
        "forecast": bench.forecaster.forecast(plan).kl,
        "settings": bench.points.session.settings(plan),
    }


def _without_order(bench: Bench, case: Case) -> Iterator[tuple[str, Plan | None]]:
    """The mix that keeps all layers, and each kind of unit in them alone."""
    units = _mix(bench, case, Bounds(most_layers=0))
    yield "mixed, no layers gone", _with_weights(bench, units)
    yield "units", units
    for name, kinds in SINGLE.items():
        yield name, bench.solved(case, partial(_by, bench, kinds=kinds))


def _with_order(bench: Bench, case: Case) -> Iterator[tuple[str, Plan | None]]:
    """What drops layers, and the guide."""
    yield LAYERS, _layers_alone(bench, case)
    forecasts = _forecasts(bench, case, STEPS)
    for count in sorted(count for _, count in sorted(forecasts)[:MEASURED]):
        mix = _mix(bench, case, _without(bench, count))
        yield f"mixed, {counted(count, 'layer')} gone", _with_weights(bench, mix)
    layers = {layer for layer, _ in bench.forecaster.smap.groups}
    yield "guide", {(layer, kind): level for layer in layers for kind, level in GUIDE.items()}


def _learnt(bench: Bench, case: Case) -> Iterator[tuple[str, Plan | None]]:
    """The mix again, each time after the forecast learnt from what was measured; the last with weights."""
    found: dict[str, Plan] = {}
    for number in range(1, LEARNT + 1):
        again = bench.learnt()
        forecasts = _forecasts(again, case, (0, *STEPS))
        plan = _mix(again, case, _without(again, min(forecasts)[1])) if forecasts else None
        if plan is None or plan in found.values():
            break
        found[f"mixed, learnt {number}"] = plan
        yield f"units, learnt {number}", plan
    for name, plan in sorted(found.items(), key=lambda item: bench.points.kl(item[1]))[:1]:
        yield name, _with_weights(bench, plan)


def _forecasts(bench: Bench, case: Case, counts: Sequence[int]) -> list[tuple[float, int]]:
    """What the mix is forecast to cost without so many layers, where there is one that gets there."""
    target = bench.target(case, case.value)
    plans = {count: _by(bench, target, tuple(SINGLE), _without(bench, count)) for count in counts}
    return [(bench.forecaster.forecast(plan).kl, count) for count, plan in plans.items() if plan is not None]


def _without(bench: Bench, count: int) -> Bounds:
    """Just so many layers go, those that greedy measuring drops first."""
    return Bounds(locks=_dropped(bench, count), most_layers=count)


def _mix(bench: Bench, case: Case, bounds: Bounds) -> Plan | None:
    return bench.solved(case, partial(_by, bench, kinds=tuple(SINGLE), bounds=bounds))


def _with_weights(bench: Bench, plan: Plan | None) -> Plan | None:
    """The plan with a few of the weights that stay as well; zeros change neither size nor speed."""
    if plan is None:
        return None
    gone = {layer for layer, kind in plan if kind == LAYERS}
    groups = bench.forecaster.smap.of_weights.groups
    return {**plan, **{group: WEIGHTS for group in groups if group[0] not in gone}}


def _by(bench: Bench, target: Target, kinds: Sequence[str], bounds: Bounds | None = None) -> Plan | None:
    """The solver's plan of some kinds of unit; None where they do not get there."""
    try:
        answer = solve_mix(
            bench.forecaster, bench.machine, [target], bounds or Bounds(), kinds, weights=False
        )
    except Infeasible:
        return None
    return answer.solution.plan


def _layers_alone(bench: Bench, case: Case) -> Plan | None:
    """The fewest of the layers that greedy measuring drops that get there."""
    for count in range(1, len(bench.order) + 1):
        plan = _dropped(bench, count)
        cost = bench.machine.cost(plan)
        # Only what is near enough is raced.
        near = case.target == "file_bytes" or cost.decode_speedup >= 0.93 * case.value
        if near and bench.meets(case, plan):
            return plan
    return None


def _dropped(bench: Bench, count: int) -> Plan:
    return {(layer, LAYERS): 1.0 for layer in sorted(bench.order[:count])}


def _over_best_single(rows: Sequence[Row], case: str) -> float | None:
    """The best mix's KL over that of the best single kind that gets there."""
    met = [row for row in rows if row["case"] == case and row["kl"] is not None and row["meets"]]
    mixed = [row["kl"] for row in met if row["method"].startswith(MIXED)]
    single = [row["kl"] for row in met if row["method"] in (LAYERS, *SINGLE)]
    return float(np.min(mixed) / np.min(single)) if mixed and single else None
