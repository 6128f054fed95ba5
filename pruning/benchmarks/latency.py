"""The bench of latency: forecasts of narrower models against the really narrower models."""

from typing import Any

import numpy as np

from pruning.engine.architecture.units import Removal, Units
from pruning.engine.evaluation.timing import race
from pruning.engine.structured.selection import first_of, removal_of
from pruning.engine.structured.surgery import smaller
from pruning.planning.cost.latency_table import MODES, LatencyTable, speedup
from pruning.planning.recipe.plan import Plan
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.latency import latency

PLANS = 12
MOST = 0.7
ROUNDS = 7


def bench_latency(session: Session) -> dict[str, Any]:
    """Compare forecast speed-ups with measured ones, on plans whose layers lose different numbers of units.

    Each plan's model is really made smaller and raced against the dense one, in turn within each round.
    Errors are |forecast / measured - 1| of the ratio to the dense model's time, over prefill and decode.
    """
    table = LatencyTable.from_dict(latency(session, again=True))
    units, rng = units_of(session, "heads"), np.random.default_rng(3)
    rows: list[dict[str, Any]] = []
    for number in range(PLANS):
        session.progress(number, PLANS, "Racing narrower models")
        kind = ("neurons", "heads", "kv_groups", "layers")[number % 4]
        plan, removal = _drawn(units, kind, rng)
        result = race([session.model, smaller(session.model, units, removal)], ROUNDS)
        for mode in MODES:
            measured, forecast = 1 / result.ratio(1, mode), speedup(table, plan, mode)
            error = abs(measured / forecast - 1)
            row = {"kind": kind, "units_gone": sum(plan.values()) / len(units.layers), "mode": mode}
            rows.append({**row, "measured": measured, "forecast": forecast, "error": error})
    errors = [row["error"] for row in rows]
    return {
        "plans": PLANS,
        "median_error": float(np.median(errors)),
        **{
            f"median_error_{m}": float(np.median([r["error"] for r in rows if r["mode"] == m])) for m in MODES
        },
        "worst_error": max(errors),
        "machine": table.machine,
        "rows": rows,
    }


def _drawn(units: Units, kind: str, rng: np.random.Generator) -> tuple[Plan, Removal]:
    """A random number of units for each layer, as shares and as a removal; heads in whole steps that come
    evenly from KV groups."""
    if kind == "layers":
        count = int(rng.integers(1, max(2, round(MOST * len(units.layers)))))
        dropped = sorted(int(n) for n in rng.choice(len(units.layers), count, replace=False))
        return {(layer, kind): 1.0 for layer in dropped}, Removal(layers=tuple(dropped))
    totals = units.totals(kind)
    counts = {}
    for layer, total in totals.items():
        heads = units.heads.get(layer)
        step = heads.groups if heads is not None and kind == "heads" and heads.groups < heads.count else 1
        counts[layer] = step * int(rng.integers(0, max(2, round(MOST * total / step) + 1)))
        counts[layer] = min(counts[layer], total - step)
    removal = removal_of(
        units, {(layer, kind): first_of(units, layer, kind, n) for layer, n in counts.items() if n}
    )
    return {(layer, kind): n / totals[layer] for layer, n in counts.items() if n}, removal
