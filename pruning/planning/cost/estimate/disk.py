"""Bytes that a job writes to disk: what it leaves, and what it needs on the way."""

from dataclasses import dataclass

from pruning.planning.cost.estimate.statistics import kept_bytes
from pruning.planning.cost.given.setting import CALIBRATION, EVALUATION, FITTING, FLOAT, Setting

# Maps, measurements and cards.
SMALL = 2 * 10**6
# What a list of states keeps in memory before it begins to write (`spilled.KEPT_BYTES`).
SPILL = 16 * 2**20
# Lists of states and of recorded inputs that a walk with weight updates holds of one layer, in widths of it.
STATES_OF_UPDATES = 4
# A trained weight and both moments of its optimizer.
TRAINED = 3


@dataclass(frozen=True)
class Disk:
    """Bytes that stay, and bytes that are needed beside them until the job ends."""

    left: int
    meanwhile: int = 0

    @property
    def total(self) -> int:
        """The most that is taken at once."""
        return self.left + self.meanwhile

    def __add__(self, other: "Disk") -> "Disk":
        """Both, one after the other: what is needed meanwhile is given back."""
        return Disk(self.left + other.left, max(self.meanwhile, other.meanwhile))


def map_disk(setting: Setting) -> Disk:
    """Statistics; streamed, the states that enter each layer as well."""
    walk = 0
    if setting.streamed:
        state = FLOAT * setting.shape.hidden * setting.text(CALIBRATION)
        walk = (setting.shape.layers + 3) * state
    return Disk(kept_bytes(setting) + SMALL, walk)


def change_disk(setting: Setting, updates: bool) -> Disk:
    """What is pruned: in memory, or streamed in files, a bit a weight, and the weights that it leaves.

    With weight `updates` those are written twice, and states on their way through the layers are written too.
    """
    if not setting.streamed:
        return Disk(0)
    shape = setting.shape
    files = shape.prunable // 8 + setting.prunable_bytes * (2 if updates else 1)
    walk = 0
    if updates:
        widths = STATES_OF_UPDATES * shape.hidden + sum(m.columns for m in shape.matrices)
        walk = max(0, setting.wide * setting.text(FITTING) * widths - SPILL)
    return Disk(0, files + walk)


def measure_disk(setting: Setting) -> Disk:
    """Streamed, states of the text on their way."""
    spilled = setting.wide * setting.text(EVALUATION) * setting.shape.hidden - SPILL
    return Disk(SMALL, max(0, spilled) if setting.streamed else 0)


def export_disk(setting: Setting) -> Disk:
    """The folder: zeros take as much as any number."""
    return Disk(setting.shape.weight_bytes * setting.shape.total + SMALL)


def recover_disk(setting: Setting) -> Disk:
    """The best weights with their masks, and what it takes to go on after an interruption."""
    prunable = setting.shape.prunable
    return Disk(prunable * (FLOAT + 1) + SMALL, prunable * (TRAINED * FLOAT + 1))
