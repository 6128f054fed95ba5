"""One walk through the layers: units go, what stays is refitted, then its weights are pruned."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import torch

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.architecture.sequential import Recorded, SequentialPass, States
from pruning.engine.architecture.spilled import Batches, group_tensors
from pruning.engine.architecture.units import COLUMN_KIND, Removal
from pruning.engine.linalg.block_obs import Blocks, removal_order
from pruning.engine.linalg.least_squares import (
    compensate_columns,
    masked_least_squares,
    mean_product,
    shrunk_covariance,
)
from pruning.engine.masking.change import Saved, WeightChange, put_back, put_weight
from pruning.engine.masking.masks import zeros_of
from pruning.engine.masking.sparsegpt_corrected import STAGES, DenseLayer, drift
from pruning.engine.structured.kept_weights import Kept, WeightPruning, prune_kept
from pruning.engine.structured.scores import UnitScorer
from pruning.engine.structured.selection import UnitRemoval, as_change, evenly, lowest_units, removal_of
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

# Which modules of a layer are given something else once those of a kind have other weights.
LATER = {
    "qkv": ("attn_out", "gate", "up", "down"),
    "attn_out": ("gate", "up", "down"),
    "gate": ("down",),
    "up": ("down",),
    "down": (),
}
# The units that are chosen before a stage of a layer, which the stage is then pruned without.
BEFORE = {"qkv": ("heads", "kv_groups"), "gate": ("neurons",), "up": ("neurons",)}


@dataclass(frozen=True)
class LayerwisePlan:
    """What goes in the walk.

    Attributes
    ----------
    counts
        How many units are pruned, by (layer, kind of unit).
    dropped
        Layers that go whole.
    compensate
        Whether attn_out and down are refitted (least squares) to compensate for pruned units.
    weights
        How the weights of what stays are pruned; None where they are not.
    """

    counts: Mapping[Group, int]
    dropped: tuple[int, ...] = ()
    compensate: bool = True
    weights: WeightPruning | None = None

    @property
    def last(self) -> int:
        """The last layer in which something but the layer itself goes; -1 where there is none."""
        touched = {layer for layer, _ in (*self.counts, *(self.weights.levels if self.weights else ()))}
        return max(touched, default=-1)


def prune_layerwise(
    scorer: UnitScorer,
    groups: Sequence[GroupInfo],
    plan: LayerwisePlan,
    windows: torch.Tensor,
    progress: Progress = silent,
) -> WeightChange:
    """What the plan makes of the dense model, layer by layer.

    In each layer heads or KV groups go and attn_out is refitted, then qkv and attn_out are pruned on what
    stays; then neurons go and down is refitted, then gate, up and down are pruned. Each of these steps sees
    the inputs of the model as it is pruned so far; layers that go are passed over.

    Parameters
    ----------
    scorer
        The dense model with its units, and what chooses among them. With the criterion fisher the pruned
        units are those whose removal costs least *after* the refit; any other chooses by its scores. The
        model's weights change *in place* on the way and are restored bit for bit at the end.
    groups
        The model's groups.
    plan
        What goes.
    windows
        Calibration tokens [n, length].
    progress
        Hears of every layer.

    Raises
    ------
    PruningError
        When the inputs of a layer are not finite, and for criterion inputs that nobody collected.
    """
    windows_pass = SequentialPass.start(scorer.model, windows)
    walk = _Walk(scorer, groups, plan, windows_pass, windows_pass.states)
    total = plan.last + 1
    try:
        for index in range(total):
            walk.go_through(index)
            progress(index + 1, total, "Pruning layer by layer")
    finally:
        put_back(walk.saved)
    return walk.change()


@dataclass
class _Walk:
    """Where the walk is: `states` and `dense` enter the next layer in the pruned and in the dense model."""

    scorer: UnitScorer
    groups: Sequence[GroupInfo]
    plan: LayerwisePlan
    windows_pass: SequentialPass
    states: States
    dense: States = ()
    saved: Saved = field(default_factory=list)
    pruned: dict[Group, tuple[int, ...]] = field(default_factory=dict)
    masks: MutableMapping[Group, torch.Tensor] = field(init=False)
    weights: MutableMapping[Group, torch.Tensor] = field(init=False)
    # What modules of the layer were given, by kind, as long as it holds for the columns that stay.
    recorded: dict[str, Recorded] = field(default_factory=dict)
    covariances: dict[str, torch.Tensor] = field(default_factory=dict)
    # By class of layer, whether it does nothing but add what attn_out and down put out.
    only_adds: dict[type, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dense = self.states
        self.masks, self.weights = (group_tensors(self.windows_pass.scratch) for _ in range(2))

    @property
    def aims_at_dense(self) -> bool:
        """Whether weights are moved towards what the dense model puts out."""
        return self.plan.weights is not None and self.plan.weights.criterion.name == "corrected"

    def go_through(self, index: int) -> None:
        """Prune one layer, *in place*, and bring both kinds of states behind it."""
        in_layer = {group.kind: group for group in self.groups if group.layer == index}
        self.recorded.clear()
        self.covariances.clear()
        dropped = index in self.plan.dropped
        dense = self._dense_layer(index) if self.aims_at_dense else None
        for kinds in () if dropped else STAGES:
            stage = [in_layer[kind] for kind in kinds if kind in in_layer]
            if not stage:
                continue
            for unit in BEFORE.get(stage[0].kind, ()):
                if (index, unit) in self.plan.counts:
                    self._remove_units(index, unit, in_layer)
            self._prune_weights(dense, stage)
        if not dropped:
            self.states = self._after(index, in_layer)

    def _after(self, index: int, in_layer: Mapping[str, GroupInfo]) -> States:
        """The states behind the layer; where it only adds to them what its modules put out, that is known
        but for down, and no second pass is needed."""
        recorded = self.recorded.get("down")
        if recorded is None:
            return self.windows_pass.step(index, self.states)
        down = self.scorer.model.get_submodule(in_layer["down"].parts[0].module)
        after = Batches(self.windows_pass.scratch)
        with torch.no_grad():
            added = zip(self.states, recorded.outputs["attn_out"], recorded.inputs["down"], strict=True)
            for states, attention, given in added:
                after.append(states + (attention + down(given)).view_as(states))
        family = type(self.windows_pass.layers[index])
        if family not in self.only_adds:
            real = self.windows_pass.step(index, self.states[:1])
            self.only_adds[family] = same_values(real[0], after[0])
        return after if self.only_adds[family] else self.windows_pass.step(index, self.states)

    def _dense_layer(self, index: int) -> DenseLayer:
        """What the layer does in the dense model, while its weights are dense."""
        kinds = {group.kind for group in self.groups if group.layer == index} & set(chain(*STAGES))
        layer = DenseLayer.of(self.scorer.model, self.groups, self.windows_pass, index, self.dense, kinds)
        self.dense = layer.after
        return layer

    def _record(self, kind: str, index: int, in_layer: Mapping[str, GroupInfo]) -> Recorded:
        """What modules of the layer are given in the pruned model, up to that of `kind`."""
        if kind in self.recorded:
            return self.recorded[kind]
        added = {"attn_out"} if kind == "down" else set()
        modules = {
            name: self.scorer.model.get_submodule(in_layer[name].parts[0].module) for name in {kind} | added
        }
        self.recorded[kind] = self.windows_pass.record(index, self.states, modules, kind, added)[1]
        return self.recorded[kind]

    def _changed(self, kind: str) -> None:
        """Forget what modules behind those of `kind` were given: with other weights it is something else."""
        for later in LATER[kind]:
            self.recorded.pop(later, None)
            self.covariances.pop(later, None)

    def _covariance(self, kind: str, given: States) -> torch.Tensor:
        """mean x̂ x̂ᵀ [in, in] of what modules of `kind` are given in the pruned model."""
        if kind not in self.covariances:
            self.covariances[kind] = mean_product(given, given)
        return self.covariances[kind]

    def _remove_units(self, index: int, unit: str, in_layer: Mapping[str, GroupInfo]) -> None:
        """Choose the units of a kind that go, and take them out of all groups, *in place*."""
        place, out = (index, unit), in_layer[COLUMN_KIND[unit]]
        weight = None
        if self.plan.compensate:
            inputs = self._record(out.kind, index, in_layer).inputs[out.kind]
            covariance = shrunk_covariance(self._covariance(out.kind, inputs), sum(map(len, inputs)))
            self.pruned[place], weight = _refitted(
                self.scorer, out, place, self.plan.counts[place], covariance
            )
        else:
            self.pruned[place] = lowest_units(self.scorer, index, unit, self.plan.counts[place])
        removal = removal_of(self.scorer.units, {place: self.pruned[place]})
        gone = as_change(
            self.scorer.model, [*in_layer.values()], self.scorer.units, UnitRemoval(removal)
        ).removed
        for key, mask in gone.items():
            self.masks[key] = mask
            group = in_layer[key[1]]
            if key == out.key and weight is not None:
                self.weights[key] = weight
            new = weight if key == out.key else None
            if new is None:
                new = group_weight(self.scorer.model, group).masked_fill(mask, 0)
            self.saved += put_weight(self.scorer.model, group, new)
        # Without the units' rows their own columns alone are given something else.
        self._changed(out.kind)

    def _prune_weights(self, dense: DenseLayer | None, stage: Sequence[GroupInfo]) -> None:
        """Prune the weights that stay of groups with the same inputs, *in place*."""
        pruning = self.plan.weights
        targets = [group for group in stage if pruning and group.key in pruning.levels]
        if not targets or pruning is None:
            return
        kind, index = targets[0].kind, targets[0].layer
        in_layer = {group.kind: group for group in self.groups if group.layer == index}
        recorded = self._record(kind, index, in_layer)
        given, shifts = recorded.inputs[kind], None
        covariance = self._covariance(kind, given)
        if dense is not None:
            shifts = mean_product(dense.recorded.inputs[kind], given) - covariance
        results = []
        for group in targets:
            weight, missing = group_weight(self.scorer.model, group), None
            if dense is not None and shifts is not None:
                of_dense = dense.weights[group.kind]
                missing = of_dense @ shifts + (of_dense - weight) @ covariance
                missing = missing + drift(dense, self.states, recorded, group.kind)
            kept = Kept.of(weight, self.masks.get(group.key))
            results.append((group, *prune_kept(self.scorer.model, group, kept, covariance, missing, pruning)))
        for group, new, mask in results:
            self.masks[group.key] = mask
            if pruning.criterion.updates or group.key in self.weights:
                self.weights[group.key] = new
            self.saved += put_weight(self.scorer.model, group, new)
            self._changed(group.kind)

    def change(self) -> WeightChange:
        """All that the walk pruned, with the layers that go."""
        units = removal_of(self.scorer.units, self.pruned)
        removal = replace(units, layers=self.plan.dropped)
        layers = as_change(
            self.scorer.model, self.groups, self.scorer.units, UnitRemoval(Removal(layers=self.plan.dropped))
        )
        whole = any((removal.neurons, removal.heads, removal.layers))
        self.masks.update(layers.removed)
        return WeightChange(self.masks, self.weights, layers.biases, removal if whole else None)


def _refitted(
    scorer: UnitScorer, out: GroupInfo, place: Group, count: int, covariance: torch.Tensor
) -> tuple[tuple[int, ...], torch.Tensor]:
    """The `count` pruned units of `place`, (layer, kind of unit), and the refitted weight [out, in] of `out`.

    `covariance` is mean x xᵀ [in, in] of what `out` is given.
    """
    layer, kind = place
    weight = group_weight(scorer.model, out)
    size = scorer.units.columns_per_unit(layer, kind)
    if scorer.criterion.name == "fisher":
        outputs = scorer.inputs(out.key).require("outputs")
        allowed = evenly(scorer.units.heads[layer], count) if kind == "heads" else None
        pruned = removal_order(weight, covariance, outputs, count, Blocks(size, allowed))[0]
    else:
        pruned = list(lowest_units(scorer, layer, kind, count))
    columns = [column for unit in pruned for column in range(unit * size, (unit + 1) * size)]
    refitted, zeros = compensate_columns(weight, covariance, columns), zeros_of(weight)
    if zeros is not None:
        zeros[:, columns] = True
        refitted = masked_least_squares(weight, covariance, zeros)
    return tuple(pruned), refitted
