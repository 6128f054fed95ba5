"""What a plan makes of size and time, in one answer. `pruning/ui/shared/cost.js` computes the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from pruning.planning.cost.latency_table import MODES, LatencyTable, speedup
from pruning.planning.cost.model_size import running_bytes, sizes_left
from pruning.planning.cost.parts import Parts, without
from pruning.planning.cost.roofline import estimated_speedup
from pruning.planning.recipe.mix import in_whole_units
from pruning.planning.recipe.plan import Plan


@dataclass(frozen=True)
class PlanCost:
    """Size and time of a plan.

    Attributes
    ----------
    file_bytes, compact_bytes
        Bytes of the weights in an ordinary file, units cut out, and in a compact one.
    memory_bytes
        Bytes while it runs: see `pruning.planning.cost.model_size.running_bytes`.
    prefill_ms, decode_ms
        Milliseconds to read a prompt and to write one more token; None where the dense model's are not known.
    prefill_speedup, decode_speedup
        Times as fast as the dense model.
    timed
        Whether times are a forecast from what was measured of this model on this machine; otherwise they
        are an estimate, from bytes and operations.
    """

    file_bytes: int
    compact_bytes: int
    memory_bytes: int
    prefill_ms: float | None
    decode_ms: float | None
    prefill_speedup: float
    decode_speedup: float
    timed: bool


def plan_cost(
    parts: Parts,
    plan: Plan,
    latency: LatencyTable | None = None,
    dense_ms: Mapping[str, float] | None = None,
    round_to: int | None = None,
) -> PlanCost:
    """Size and time of a plan, which may mix units and single weights.

    Parameters
    ----------
    parts, plan
        The model, and what goes.
    latency
        What was timed of it here; None where nothing was.
    dense_ms
        By mode, how long the dense model takes here, for an estimate in milliseconds where `latency` is None.
    round_to
        The number of neurons kept is rounded to a multiple of this.

    Raises
    ------
    PruningError
        For units that the model has not.
    """
    whole = in_whole_units(plan, parts.units, round_to)
    left = without(parts, whole)
    forms = {size.form: size.total for size in sizes_left(left, whole)}
    timed = latency is not None and latency.covers(whole)
    if latency is not None and timed:
        speed = {mode: speedup(latency, whole, mode) for mode in MODES}
    else:
        speed = estimated_speedup(parts, left)
    dense_ms = latency.dense if latency is not None else dense_ms or {}
    times = {mode: dense_ms[mode] / speed[mode] if mode in dense_ms else None for mode in MODES}
    return PlanCost(
        file_bytes=forms["ordinary"],
        compact_bytes=forms["bitmask"],
        memory_bytes=running_bytes(left),
        prefill_ms=times["prefill"],
        decode_ms=times["decode"],
        prefill_speedup=speed["prefill"],
        decode_speedup=speed["decode"],
        timed=timed,
    )
