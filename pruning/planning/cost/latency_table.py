"""How long a model takes without some of its units, from what was measured once on a machine. No torch."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pruning.errors import PruningError
from pruning.planning.recipe.plan import Plan
from pruning.wording import counted

MODES = ("prefill", "decode")
LAYERS = "layers"


@dataclass(frozen=True)
class LatencyTable:
    """What was measured of one model on one machine.

    `dense` [mode]: median milliseconds of the whole model, for reading `tokens` tokens (prefill) and for
    writing one more (decode). `shares` [kind]: shares of a layer's units removed, ascending from 0. `saved`
    [mode][kind]: milliseconds that one layer saves at each of these shares. `spread` [mode]: the quartiles'
    distance of repeated ratios to the dense model. `machine`, `threads`, `device` and `measured` (UTC) say
    where and when.
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

    What layers save adds up; a layer that is removed saves nothing else. The plan's levels are shares of
    units by (layer, "neurons" | "heads" | "kv_groups" | "layers"). Levels of single weights save nothing:
    dense kernels multiply by zeros as slowly as by anything else.
    """
    removed = {layer for (layer, kind), level in plan.items() if kind == LAYERS and level > 0}
    total = latency.dense[mode] - len(removed) * (latency.saved[mode][LAYERS][-1] if removed else 0.0)
    for kind in {kind for _, kind in plan} & set(latency.shares) - {LAYERS}:
        levels = [level for (layer, other), level in plan.items() if other == kind and layer not in removed]
        total -= float(saved_by(latency, kind, np.array(levels), mode).sum())
    return max(total, 0.0)


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
