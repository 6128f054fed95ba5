"""What one group alone saves: bytes of the file, and time to write a word. No torch.

Units are taken as divisible, as a map's costs are: half of 9 heads saves half of what 9 save.
"""

from dataclasses import dataclass

import numpy as np

from pruning.planning.cost.latency_table import LatencyTable, saved_by
from pruning.planning.cost.storage import bitmask_bytes, dense_bytes
from pruning.planning.recipe.plan import LAYERS, UNIT_KINDS


@dataclass(frozen=True, eq=False)
class GroupSavings:
    """What is needed to say what groups of a model save.

    `weight_bytes`: bytes of a weight. `read`: weights that are read for each word. `decode`: the dense
    model's time to write a word, in any unit. `latency`: what was timed, in milliseconds; None where nothing
    was.
    """

    weight_bytes: int
    read: int
    decode: float
    latency: LatencyTable | None = None

    def bytes_of(self, kind: str, weights: int, level: float) -> float:
        """Bytes that a compact file loses: single weights one bit for each that goes, units all they have.

        `weights` are those of the group, of units those of all in the layer; a whole layer goes at any level.
        """
        width = self.weight_bytes
        if kind in UNIT_KINDS:
            return dense_bytes(weights, width) * (1.0 if kind == LAYERS else level)
        return float(dense_bytes(weights, width) - bitmask_bytes(weights, (1 - level) * weights, width))

    def time_of(self, kind: str, weights: int, level: float) -> float:
        """Time to write a word that is saved, in the unit of `decode`; single weights save none."""
        if kind not in UNIT_KINDS:
            return 0.0
        share = 1.0 if kind == LAYERS else level
        if self.latency is not None and self.timed(kind):
            return float(saved_by(self.latency, kind, np.array([share]), "decode")[0])
        return self.decode * share * weights / self.read

    def timed(self, kind: str) -> bool:
        """Whether what this kind saves is a forecast from measured times; otherwise it is an estimate."""
        return self.latency is not None and kind in self.latency.shares
