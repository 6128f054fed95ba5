"""Times, speed-ups and sparse formats in words. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pruning.planning.cost.latency_table import MODES, LatencyTable
from pruning.planning.cost.plan_cost import PlanCost
from pruning.planning.cost.roofline import Estimate
from pruning.ui.text import format, labels

DOING = {"prefill": "Reading", "decode": "Writing"}
FORMAT = {"csr": "CSR, single zeros by row", "bsr": "BSR, blocks of 16 × 16", "2:4": "2:4, two zeros in four"}
# Two timings of the same thing differ by as much.
SAME = 0.05


def milliseconds(value: float) -> str:
    """As on other pages, and with two figures where it is quick: 0.16 → "0.16 ms"."""
    return f"{value:.2g} ms" if value < 10 else format.milliseconds(value)


def times(value: float) -> str:
    return f"{value:.2f}×"


def judged(value: float) -> str:
    """A speed beside dense in words: 0.4 → "0.40×, slower"."""
    said = "about the same" if abs(value - 1) <= SAME else "faster" if value > 1 else "slower"
    return f"{times(value)}, {said}"


def sparse_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Sparse formats, a row each, with what was measured or why nothing was."""
    return [
        {
            "Format": FORMAT.get(row["format"], row["format"]),
            "Zeros": format.percent(row["level"]),
            **{
                DOING[mode]: "not timed" if row.get("why_not") else judged(float(row[mode])) for mode in MODES
            },
            "": row.get("why_not") or "",
        }
        for row in rows
    ]


def sparse_verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the sparse formats bring, in a sentence."""
    timed = [row for row in rows if not row.get("why_not")]
    faster = [
        f"{row['format'].upper()} at {format.percent(row['level'])} for {DOING[mode].lower()}"
        for row in timed
        for mode in MODES
        if row[mode] > 1 + SAME
    ]
    if not timed:
        return "No sparse format could be timed here."
    if not faster:
        return "**No sparse format makes this machine faster**: all are slower, or about the same."
    return f"Faster than dense here: {', '.join(faster)}. All others are slower, or about the same."


def cost_line(cost: PlanCost, table: LatencyTable | None, dtype: str) -> str:
    """How much faster a plan is, in a line: a forecast from what was timed, or an estimate where it was not.

    `dtype` is the number format that the model was timed in.
    """
    pairs = zip((cost.prefill_speedup, cost.decode_speedup), MODES, strict=True)
    said = ", ".join(f"**{times(speed)}** {DOING[mode].lower()}" for speed, mode in pairs)
    if cost.timed and table is not None:
        return f"{labels.FORECAST} {said} on {table.machine}, in {dtype}."
    return f"{labels.ESTIMATE} {said}, by bytes and operations alone: it was not timed here."


def number_format(stored: str, computed: str) -> str:
    """The number format of an estimate: "bfloat16", or "bfloat16, computed in float32"."""
    return stored if stored == computed else f"{stored}, computed in {computed}"


def device_times(
    whole: Mapping[str, Estimate], left: Mapping[str, Estimate] | None, fits: bool
) -> dict[str, str]:
    """A device's estimates; `left` is what stays of the model, where that differs."""
    row: dict[str, str] = {}
    for mode in MODES:
        row[f"{DOING[mode]}, unpruned"] = milliseconds(whole[mode].milliseconds) if fits else "does not fit"
        if left is not None:
            gain = whole[mode].milliseconds / left[mode].milliseconds
            said = f"{milliseconds(left[mode].milliseconds)} · {times(gain)}"
            row[f"{DOING[mode]}, pruned"] = said if fits else "does not fit"
    row["Set by"] = " / ".join(whole[mode].bound for mode in MODES)
    return row
