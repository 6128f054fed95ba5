"""How long a model takes without some of its units, from what was measured once on a machine. No torch."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pruning.errors import PruningError
from pruning.planning.recipe.plan import UNIT_KINDS, Plan
from pruning.wording import counted

MODES = ("prefill", "decode")
LAYERS = "layers"
# How long a prompt is read.
PREFILL_TOKENS = 256
# How far a forecast time may be off: as far as the worst of the plans that `bench latency` raced, rounded up
# (docs/results.md).
TIME_BAND = 0.07


@dataclass(frozen=True)
class LatencyTable:
    """What was measured of one model on one machine.

    `dense` [mode]: median milliseconds of the whole model, for reading `tokens` tokens (prefill) and for
    writing one more (decode). `shares` [kind]: shares of a layer's units removed, ascending from 0. `saved`
    [mode][kind]: milliseconds that one layer saves at each of these shares. `spread` [mode]: the share by
    which a ratio to the dense model may be off by chance, in eight of ten timings. `machine`, `threads`,
    `device` and `measured` (UTC) say where and when.
    """

    dense: Mapping[str, float]
    shares: Mapping[str, tuple[float, ...]]
    saved: Mapping[str, Mapping[str, tuple[float, ...]]]
    spread: Mapping[str, float]
    layers: int
    tokens: int
    machine: str
    device: str
    threads: int
    measured: str

    def covers(self, plan: Plan) -> bool:
        """Whether every kind of unit in the plan was timed; single weights need not be."""
        return {kind for _, kind in plan} & set(UNIT_KINDS) <= set(self.shares)

    def band(self, mode: str) -> float:
        """The share by which a forecast time may be off either way."""
        return max(TIME_BAND, self.spread[mode])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it back."""
        lists = {kind: list(shares) for kind, shares in self.shares.items()}
        saved = {
            mode: {kind: list(saved) for kind, saved in kinds.items()} for mode, kinds in self.saved.items()
        }
        return {**asdict(self), "shares": lists, "saved": saved}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "LatencyTable":
        """Read what `to_dict` made, whatever stands beside it. Raises PruningError when it is no table."""
        try:
            shares = {kind: tuple(map(float, row)) for kind, row in value["shares"].items()}
            saved = {
                mode: {kind: tuple(map(float, row)) for kind, row in kinds.items()}
                for mode, kinds in value["saved"].items()
            }
            others = {f.name: value[f.name] for f in fields(cls) if f.name not in ("shares", "saved")}
            return cls(shares=shares, saved=saved, **others)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise PruningError(
                "This is not a latency table. Make one with `prunescope latency MODEL`."
            ) from None


def saved_by(latency: LatencyTable, kind: str, levels: np.ndarray, mode: str) -> np.ndarray:
    """Milliseconds that a layer saves without the shares `levels` of its units of `kind`; same shape.

    Between measured shares a straight line, beyond the last one the line goes on. Raises PruningError for
    a kind that was not measured.
    """
    if kind not in latency.shares:
        raise PruningError(
            f"How fast the model is without {kind} was not measured here. Run `prunescope latency MODEL`."
        )
    shares, saved = np.array(latency.shares[kind]), np.array(latency.saved[mode][kind])
    levels = np.asarray(levels, dtype=float)
    inside = np.interp(levels, shares, saved)
    slope = (saved[-1] - saved[-2]) / (shares[-1] - shares[-2])
    return inside + np.maximum(levels - shares[-1], 0.0) * slope


def milliseconds(latency: LatencyTable, plan: Plan, mode: str) -> float:
    """How long the model takes without the units that the plan removes (the rest of a layer is kept).

    What layers save adds up, and so does what the kinds of one layer save, up to what it saves by going
    altogether; a layer that goes saves nothing else. The plan's levels are shares of units (for whole ones
    see `pruning.planning.recipe.mix.in_whole_units`). Levels of single weights save nothing: dense kernels
    multiply by zeros as slowly as by anything else. Raises PruningError for a kind of unit that was not
    measured.
    """
    units = {group: level for group, level in plan.items() if group[1] in UNIT_KINDS and level > 0}
    saved = dict.fromkeys((layer for layer, _ in units), 0.0)
    for kind in sorted({kind for _, kind in units}):
        layers = [layer for layer, other in units if other == kind]
        levels = np.array([units[layer, kind] for layer in layers])
        for layer, value in zip(layers, saved_by(latency, kind, levels, mode), strict=True):
            saved[layer] += float(value)
    whole = latency.saved[mode][LAYERS][-1] if LAYERS in latency.shares else np.inf
    return max(latency.dense[mode] - sum(min(value, whole) for value in saved.values()), 0.0)


def speedup(latency: LatencyTable, plan: Plan, mode: str) -> float:
    """How many times as fast as the dense model the plan's is; 1 = as fast."""
    return latency.dense[mode] / max(milliseconds(latency, plan, mode), 1e-9)


def processor() -> str:
    """What this machine's processor calls itself, and how many of it there are."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {counted(os.cpu_count() or 1, 'core')}"
