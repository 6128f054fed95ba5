"""The bench of latency: forecasts of narrower models against the really narrower models."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from pruning.benchmarks import tables
from pruning.benchmarks.tables import NOTHING, Figure, Result, percent, times
from pruning.engine.architecture.units import Removal, Units
from pruning.engine.evaluation.timing import Race, race
from pruning.engine.export.gguf.racing import racing_in_llama_cpp
from pruning.engine.structured.selection import first_of, removal_of
from pruning.engine.structured.surgery import smaller
from pruning.planning.cost.gguf_size import BLOCKS
from pruning.planning.cost.latency_table import MODES, LatencyTable, speedup
from pruning.planning.exports.llamacpp import PYTORCH, TIMED
from pruning.planning.recipe.plan import Group, Plan
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.latency import latency

KINDS = ("neurons", "heads", "kv_groups", "layers")
MIXED = "mixed"
SINGLE_PLANS, MIXED_PLANS = 8, 10
MOST, MOST_LAYERS = 0.7, 0.3
ROUNDS = 10
# What a median and the worst error may be at most, in PyTorch and in llama.cpp.
WANTED = {"median": "at most 5 %", "worst": "at most 12 %"}
WANTED_IN_LLAMA_CPP = {"median": "at most 7 %", "worst": NOTHING}
Row = dict[str, Any]


def bench_latency(session: Session, engine: str = PYTORCH, quantize: str = TIMED) -> dict[str, Any]:
    """Compare forecast speed-ups with measured ones, on plans whose layers lose different numbers of units.

    Plans are of one kind of unit, and mixed ones: neurons with heads or KV groups, and some layers gone. Each
    plan's model is really made smaller and raced against the dense one, in turn within each round. Errors are
    |forecast / measured - 1| of the ratio to the dense model's time, for prefill and for decode apart. With
    the engine "llamacpp" all are GGUF files with the numbers `quantize`, and neurons fill their blocks.
    """
    table = LatencyTable.from_dict(latency(session, True, engine, quantize))
    block = 1 if engine == PYTORCH else BLOCKS[quantize][0]
    units, rng = units_of(session, "heads"), np.random.default_rng(3)
    kinds = [*(KINDS[number % 4] for number in range(SINGLE_PLANS)), *([MIXED] * MIXED_PLANS)]
    rows: list[Row] = []
    with _racing(session, engine, quantize) as racing:
        for number, kind in enumerate(kinds):
            session.progress(number, len(kinds), "Racing narrower models")
            plan, removal = _mixed(units, rng, block) if kind == MIXED else _drawn(units, kind, rng, block)
            result = racing(smaller(session.model, units, removal))
            for mode in MODES:
                measured, forecast = 1 / result.ratio(1, mode), speedup(table, plan, mode)
                gone = sum(plan.values()) / len(units.layers)
                row = {"kind": kind, "units_gone": gone, "gone": _gone(plan, units), "mode": mode}
                error = abs(forecast / measured - 1)
                rows.append({**row, "measured": measured, "forecast": forecast, "error": error})
    return {
        "plans": len(kinds),
        "mixed_plans": MIXED_PLANS,
        "median_error": float(np.median([row["error"] for row in rows])),
        **_errors(rows, ""),
        **_errors([row for row in rows if row["kind"] == MIXED], "mixed_"),
        "worst_error": max(row["error"] for row in rows),
        "spread": dict(table.spread),
        "machine": table.machine,
        "rows": rows,
    }


@contextmanager
def _racing(session: Session, engine: str, quantize: str) -> Iterator[Callable[[nn.Module], Race]]:
    """Gives what races the dense model with a narrower one."""
    loaded = session.loaded
    if engine == PYTORCH:
        yield lambda narrow: race([loaded.model, narrow], ROUNDS)
        return
    threads = torch.get_num_threads()
    with racing_in_llama_cpp(loaded.model, loaded.tokenizer, quantize, threads, ROUNDS) as racing:
        yield racing


def _errors(rows: Sequence[Row], ending: str) -> dict[str, float]:
    """Median and worst error of each mode; `ending` goes before the mode's name."""
    figures = {}
    for mode in MODES:
        errors = [row["error"] for row in rows if row["mode"] == mode]
        figures[f"median_error_{ending}{mode}"] = float(np.median(errors))
        figures[f"worst_error_{ending}{mode}"] = max(errors)
    return figures


def _gone(plan: Plan, units: Units) -> dict[str, float]:
    """The share of each kind of unit that goes, over all layers."""
    return {
        kind: sum(level for (_, other), level in plan.items() if other == kind) / len(units.layers)
        for kind in KINDS
        if any(other == kind for _, other in plan)
    }


def _drawn(units: Units, kind: str, rng: np.random.Generator, block: int) -> tuple[Plan, Removal]:
    """A random number of units for each layer, as shares and as a removal; of layers a random number."""
    if kind == "layers":
        count = int(rng.integers(1, max(2, round(MOST * len(units.layers)))))
        dropped = sorted(int(n) for n in rng.choice(len(units.layers), count, replace=False))
        return {(layer, kind): 1.0 for layer in dropped}, Removal(layers=tuple(dropped))
    counts = {(layer, kind): _count(units, (layer, kind), rng, block) for layer in units.totals(kind)}
    return _shares(units, counts), _removal(units, counts)


def _mixed(units: Units, rng: np.random.Generator, block: int) -> tuple[Plan, Removal]:
    """Neurons and heads or KV groups of each layer that stays, any number of each, and some layers gone."""
    most = max(1, round(MOST_LAYERS * len(units.layers)))
    chosen = rng.choice(len(units.layers), int(rng.integers(0, most + 1)), replace=False)
    dropped = sorted(int(layer) for layer in chosen)
    counts: dict[Group, int] = {}
    for layer in set(range(len(units.layers))) - set(dropped):
        attention = ("heads", "kv_groups")[int(rng.integers(2))]
        for kind in ("neurons", attention):
            if layer in units.totals(kind):
                counts[layer, kind] = _count(units, (layer, kind), rng, block)
    gone: Plan = {(layer, "layers"): 1.0 for layer in dropped}
    return {**gone, **_shares(units, counts)}, replace(_removal(units, counts), layers=tuple(dropped))


def _count(units: Units, group: Group, rng: np.random.Generator, block: int) -> int:
    """A number of units that can be cut out: heads come evenly from their KV groups, neurons by blocks."""
    layer, kind = group
    total, heads = units.totals(kind)[layer], units.heads.get(layer)
    step = block if kind == "neurons" and total % block == 0 else 1
    if heads is not None and kind == "heads" and heads.groups < heads.count:
        step = heads.groups
    return min(step * int(rng.integers(0, max(2, round(MOST * total / step) + 1))), total - step)


def _shares(units: Units, counts: Mapping[Group, int]) -> Plan:
    return {(layer, kind): n / units.totals(kind)[layer] for (layer, kind), n in counts.items() if n}


def _removal(units: Units, counts: Mapping[Group, int]) -> Removal:
    return removal_of(
        units, {(layer, kind): first_of(units, layer, kind, n) for (layer, kind), n in counts.items() if n}
    )


def latency_tables(result: Result, wanted: Mapping[str, str] = WANTED) -> list[str]:
    """The errors of the forecast, and every plan's measured speed beside it."""
    figures = [
        Figure("median_error", "median error of the forecast speed-up", percent(1)),
        *(
            Figure(f"{which}_error_{part}{mode}", f"{which} error, {of}{words}", percent(1), at_most)
            for part, of in (("", ""), ("mixed_", "mixed plans, "))
            for mode, words in (("prefill", "reading"), ("decode", "writing"))
            for which, at_most in wanted.items()
        ),
        Figure("worst_error", "worst error of all", percent(1)),
    ]
    rows = [
        (
            row["kind"],
            _said(row),
            row["mode"],
            times(row["measured"]),
            times(row["forecast"]),
        )
        for row in result["rows"]
    ]
    header = ("units", "pruned", "mode", "measured", "forecast")
    return [tables.figure_table(result, figures), tables.table(header, rows)]


def _said(row: Result) -> str:
    """What of a raced model was pruned: one kind's share, or each kind's of a mixed plan."""
    if row["kind"] != "mixed":
        return percent()(row["units_gone"])
    return ", ".join(f"{kind.replace('_', ' ')} {percent()(share)}" for kind, share in row["gone"].items())
