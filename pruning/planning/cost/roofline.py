"""How fast a model could be on a device that is not here: a roofline from two published figures.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model" (2009): work takes at
least as long as its arithmetic at the device's peak, and as its bytes at the memory's bandwidth.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pruning.errors import PruningError
from pruning.planning.cost.latency_table import MODES, PREFILL_TOKENS
from pruning.planning.cost.parts import Parts
from pruning.resources import asset

DEVICES = "devices.json"
# Bytes of a weight in each number format; the first that a device has units for is the one to compute in.
FORMAT_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True)
class Device:
    """A device's peaks: `bandwidth` bytes a second, `arithmetic` [number format] operations a second.

    Number formats that are missing from `arithmetic` are computed in float32, which is always there.
    `memory`: the most bytes it can have, None where that is not known. `source` says who published them.
    """

    name: str
    bandwidth: float
    arithmetic: Mapping[str, float]
    memory: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.bandwidth > 0 or not all(peak > 0 for peak in self.arithmetic.values()):
            raise PruningError("Bandwidth and arithmetic must be above 0. Type what the maker says.")

    @property
    def best_format(self) -> str:
        """The number format to compute in: bfloat16 where the device has units for it, else float16."""
        return next(name for name in FORMAT_BYTES if name in self.arithmetic)

    def computed_in(self, dtype: str) -> str:
        """The number format that the device computes in when weights are stored in this one."""
        return dtype if dtype in self.arithmetic else "float32"

    def peak(self, dtype: str) -> float:
        """Operations a second with weights in a number format; float32's where there are no units for it."""
        return self.arithmetic[self.computed_in(dtype)]


@dataclass(frozen=True)
class Estimate:
    """The least milliseconds something can take, and what sets them: "memory" or "arithmetic"."""

    milliseconds: float
    bound: str


def devices() -> list[Device]:
    """The devices whose makers' figures are known, from the slowest memory to the fastest."""
    listed = json.loads(asset(DEVICES).read_text(encoding="utf-8"))["devices"]
    return sorted((Device(**entry) for entry in listed), key=lambda device: device.bandwidth)


def weights_read(parts: Parts) -> int:
    """Weights that one step reads: all but the tables in which only the rows of its words are looked up."""
    return parts.prunable + parts.head + parts.rest


def estimated_speedup(dense: Parts, left: Parts, tokens: int = PREFILL_TOKENS) -> dict[str, float]:
    """By mode, how many times as fast as the dense model what is left of it could be, on any one device.

    Writing a word takes as long as the bytes of the weights that it reads, reading `tokens` tokens as long as
    their operations: no device is named, and what else a program does is taken to shrink alike. An estimate.
    """
    return {
        "prefill": prefill_operations(dense, tokens) / prefill_operations(left, tokens),
        "decode": weights_read(dense) / weights_read(left),
    }


def prefill_operations(parts: Parts, tokens: int) -> int:
    """Operations to read `tokens` tokens: two a weight and token, in the head for the last."""
    return 2 * (tokens * parts.prunable + parts.head)


def estimate(device: Device, parts: Parts, dtype: str, tokens: int) -> dict[str, Estimate]:
    """By mode, the least time to read `tokens` tokens (prefill) and to write one more (decode).

    Weights are in the number format `dtype`, whatever `parts` were counted in.
    Two operations for each weight of a matrix and token; reading asks the head for its last token alone. Left
    out are attention between tokens and its cache, which grow with the text, and all that is not a weight.
    """
    read = weights_read(parts) * FORMAT_BYTES[dtype]
    operations = {
        "prefill": prefill_operations(parts, tokens),
        "decode": 2 * (parts.prunable + parts.head),
    }
    estimates = {}
    for mode in MODES:
        arithmetic, memory = operations[mode] / device.peak(dtype), read / device.bandwidth
        bound = "arithmetic" if arithmetic > memory else "memory"
        estimates[mode] = Estimate(1000 * max(arithmetic, memory), bound)
    return estimates
