"""Fisher factors of a model of which one layer at a time is in memory, and that go to disk layer by layer."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from pruning.engine.architecture.backward_walk import BackwardWalk
from pruning.engine.architecture.forward import Head, device_of, head_of
from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.calibration.compact_factors import CompactGroups
from pruning.engine.calibration.factors import Statistics, StatisticsIdentity
from pruning.engine.calibration.fisher import Reading, compact_sites, gradient_of, readings
from pruning.engine.calibration.fisher_io import join, save
from pruning.engine.calibration.fisher_sums import Batch, Site, recording
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent


def collect_to(
    path: Path,
    model: nn.Module,
    groups: Sequence[GroupInfo],
    calibration: torch.Tensor,
    identity: StatisticsIdentity,
    progress: Progress = silent,
) -> None:
    """As `pruning.engine.calibration.fisher.collect`, into the file `path`; never all in memory.

    The text goes forward through the layers, and then back through one after the other, each run again. What
    it left of each layer is kept beside the file until all is there: a process that was killed on the way is
    followed by one that goes on from the layer it was at.

    Raises
    ------
    PruningError
        There is too little text, or the disk is full.
    """
    folder = path.with_suffix(".partial")
    parts = readings(calibration)
    scored = [sum(int(part.counted.sum()) for part in parts if part.fold == fold) for fold in (0, 1)]
    listener = _Listener(model, groups, parts)
    walk = BackwardWalk(model, [part.ids for part in parts], folder)
    with listener.hooks:
        for layer in walk.layers(listener.send, listener.begin, progress):
            kept = compact_sites(listener.sites, calibration, scored)
            made = Statistics(identity, calibration.numel(), CompactGroups(kept))
            save(made, _layer_file(folder, layer))
    join([_layer_file(folder, layer) for layer in sorted({group.layer for group in groups})], path)
    shutil.rmtree(folder, ignore_errors=True)


def _layer_file(folder: Path, layer: int) -> Path:
    return folder / f"layer-{layer}.safetensors"


@dataclass
class _Listener:
    """Hears of one layer at a time, as the text goes back through it."""

    model: nn.Module
    groups: Sequence[GroupInfo]
    parts: Sequence[Reading]
    hooks: ExitStack = field(default_factory=ExitStack)
    sites: dict[Group, Site] = field(default_factory=dict)
    batch: Batch = field(init=False)
    head: Head = field(init=False)

    def __post_init__(self) -> None:
        self.batch = Batch(0, self.parts[0].ids.shape[1], self.parts[0].draws())
        self.head = head_of(self.model)

    def begin(self, layer: int, number: int) -> None:
        """Listen to a layer, from its first batch on."""
        if number == 0:
            self.hooks.close()
            own = [group for group in self.groups if group.layer == layer]
            self.sites = {group.key: Site() for group in own}
            self.hooks.enter_context(recording(self.model, own, self.sites, self.batch))
        part = self.parts[number]
        self.batch.fold, self.batch.draws = part.fold, part.draws().to(device_of(self.model))

    def send(self, number: int, hidden: torch.Tensor) -> torch.Tensor:
        """The gradient at the end of the model, for the states [windows, length, hidden] of a batch."""
        return gradient_of(self.head, hidden, self.parts[number])
