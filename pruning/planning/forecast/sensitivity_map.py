"""The sensitivity map as data: costs of every group and level, as a JSON file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pruning.errors import PruningError
from pruning.files import read_json, write_json
from pruning.planning.forecast.mixed import Mix, mix_of
from pruning.planning.recipe.plan import Group, Plan

VERSION = 1
BOUND, BOUND_FROM = 2.5, 0.5
# How much faster than the second-order form costs rise with the level in plans of many groups: by
# exp(LEVEL_SLOPE · (level - ½)). Chosen on 31 measured plans of the demo model (0.4 to 0.8 do alike).
LEVEL_SLOPE = 0.6
_LEAST = 1e-12
# What is known of the dense model in every map.
DENSE = ("perplexity", "accuracy", "bytes", "parameters", "weight_bytes")


def combined(
    groups: Sequence[Group], levels: Sequence[float], kronecker: np.ndarray, token: np.ndarray
) -> np.ndarray:
    """One estimate from two [groups, levels], the Kronecker-factored and the sampled quadratic form (token).

    Their geometric mean; for qkv the smaller, and for heads and KV groups the Kronecker-factored alone: the
    sample is too small for blocks of columns that go one by one. Of the demo's plans for two ninths of the
    heads the one that it shares out has a KL of 0.109, by the mean of both 0.126.

    The softmax bounds what a change of qkv can do and a second-order form does not know it: both overstate
    qkv at high levels. So above `BOUND_FROM` its cost grows at most with the level to the power `BOUND`.
    """
    kronecker, token = np.maximum(kronecker, _LEAST), np.maximum(token, _LEAST)
    bounded = np.array([kind == "qkv" for _, kind in groups])
    cost = np.sqrt(kronecker * token)
    cost[bounded] = np.minimum(kronecker, token)[bounded]
    blocks = np.array([kind in ("heads", "kv_groups") for _, kind in groups])
    cost[blocks] = kronecker[blocks]
    for column in range(1, len(levels)):
        if levels[column - 1] >= BOUND_FROM:
            most = cost[:, column - 1] * (levels[column] / levels[column - 1]) ** BOUND
            cost[bounded, column] = np.minimum(cost[:, column], most)[bounded]
    return cost


@dataclass(frozen=True, eq=False)
class SensitivityMap:
    """The forecast cost of every group at every level, with what is needed to price a whole plan.

    Groups of weights come first, (layer, kind), and after them groups of units, (layer, "layers" | "heads" |
    "kv_groups" | "neurons"), whose levels are shares of a layer's units; a whole layer costs the same at
    every level. Maps of before have no units.

    `kronecker` and `token` [groups, levels]: KL in nats per token, before κ, by the two estimators.
    `parameters` [groups]: prunable weights; of units those of all a layer has, which are in the groups of
    weights as well. `dense`: measured figures of the dense model, `perplexity`, `accuracy` (next token,
    0..1), `bytes` (its file), `parameters` and `weight_bytes` (bytes per weight). `structure`: unstructured,
    or a kind of unit where the map has no other groups. `unit_totals`: units by kind and layer.
    `fingerprint`: of the weights in the number format computed in, as results have it. `model_fingerprint`:
    of the weights alone; None in maps of older versions.
    """

    model: str
    fingerprint: str
    criterion: str
    data: str
    data_fingerprint: str
    levels: tuple[float, ...]
    groups: tuple[Group, ...]
    parameters: np.ndarray
    kronecker: np.ndarray
    token: np.ndarray
    dense: Mapping[str, float]
    seconds: float
    dense_forwards: float
    structure: str = "unstructured"
    unit_totals: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    model_fingerprint: str | None = None

    @property
    def checkpoint(self) -> str:
        """The fingerprint of the model's weights, as recipes carry it."""
        return self.model_fingerprint or self.fingerprint

    @cached_property
    def mix(self) -> Mix:
        """What its units do to its weights."""
        return mix_of(self.groups, self.parameters.tolist(), self.unit_totals)

    @cached_property
    def of_weights(self) -> "SensitivityMap":
        """The same map with its groups of weights alone."""
        if not self.mix.units.any():
            return self
        return replace(self._rows_where(~self.mix.units), unit_totals={})

    def of_units(self, kind: str) -> "SensitivityMap":
        """The same map with one kind of unit alone. Raises PruningError where it does not price that kind."""
        rows = np.array([kind == own for _, own in self.groups])
        if not rows.any():
            raise PruningError(
                f"The map does not price {kind}: it is of an older version, or the model has none that come "
                "apart. Make the map again, or prune something else."
            )
        totals = {kind: self.unit_totals.get(kind, {})}
        return replace(self._rows_where(rows), structure=kind, unit_totals=totals)

    def _rows_where(self, rows: np.ndarray) -> "SensitivityMap":
        groups = tuple(group for group, kept in zip(self.groups, rows, strict=True) if kept)
        parts = {name: getattr(self, name)[rows] for name in ("parameters", "kronecker", "token")}
        return replace(self, groups=groups, **parts)

    @cached_property
    def cost(self) -> np.ndarray:
        """The estimate used for forecasts [groups, levels]; see `combined`."""
        return combined(self.groups, self.levels, self.kronecker, self.token)

    @cached_property
    def disagreement(self) -> np.ndarray:
        """How far the two estimators part, as a factor of 1 or more [groups, levels]."""
        return np.exp(np.abs(np.log(np.maximum(self.kronecker, _LEAST) / np.maximum(self.token, _LEAST))))

    @cached_property
    def logs(self) -> tuple[np.ndarray, np.ndarray]:
        """log levels [levels] and log costs [groups, levels], made to rise with the level."""
        return np.log(np.array(self.levels)), np.log(np.maximum.accumulate(self.cost, axis=1))

    @cached_property
    def joint_logs(self) -> np.ndarray:
        """log costs [groups, levels] of groups in a plan of many, made to rise with the level.

        The geometric mean of both estimators for every kind: where qkv is pruned in all layers nothing bounds
        the damage any more, and single-group costs (`cost`) would understate it. Units are taken as they
        are priced.
        """
        cost = np.sqrt(np.maximum(self.kronecker, _LEAST) * np.maximum(self.token, _LEAST))
        if self.structure == "unstructured":
            steeper = np.exp(LEVEL_SLOPE * (np.array(self.levels) - 0.5))
            cost = np.where(self.mix.units[:, None], cost, cost * steeper)
        return np.log(np.maximum.accumulate(cost, axis=1))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the groups, in their order."""
        return tuple(dict.fromkeys(kind for _, kind in self.groups))

    @cached_property
    def traits(self) -> np.ndarray:
        """What tells groups apart for a fit [groups, kinds + 1]: 1 at its kind, and last how deep its
        layer is, −1 (the first) to 1 (the last)."""
        ones = np.array([[float(kind == own) for kind in self.kinds] for _, own in self.groups])
        layers = np.array([layer for layer, _ in self.groups], dtype=float)
        return np.column_stack([ones, 2 * layers / max(1.0, layers.max()) - float(layers.max() > 0)])

    @cached_property
    def prunable(self) -> float:
        """Prunable weights in the whole model."""
        units = self.mix.units
        return float(self.parameters.sum() if units.all() else self.parameters[~units].sum())

    @cached_property
    def _rows(self) -> dict[Group, int]:
        return {group: row for row, group in enumerate(self.groups)}

    def levels_of(self, plan: Plan) -> np.ndarray:
        """The plan as an array [groups]. Raises PruningError for a group the map does not know."""
        values = np.zeros(len(self.groups))
        for group, level in plan.items():
            row = self._rows.get(group)
            if row is None:
                raise PruningError(
                    f"The map has no group {group[1]} in layer {group[0]}; make a map of this model."
                )
            values[row] = level
        return values

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it back."""
        return {
            "version": VERSION,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "model_fingerprint": self.checkpoint,
            "criterion": self.criterion,
            "data": self.data,
            "data_fingerprint": self.data_fingerprint,
            "levels": list(self.levels),
            "groups": [list(group) for group in self.groups],
            "parameters": self.parameters.tolist(),
            "kronecker": self.kronecker.tolist(),
            "token": self.token.tolist(),
            "dense": dict(self.dense),
            "seconds": self.seconds,
            "dense_forwards": self.dense_forwards,
            "structure": self.structure,
            "unit_totals": {
                kind: {str(layer): count for layer, count in totals.items()}
                for kind, totals in self.unit_totals.items()
            },
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "SensitivityMap":
        """Read what `to_dict` made. Raises PruningError when it is no map of this version."""
        try:
            if value["version"] != VERSION:
                raise PruningError(
                    f"This map has version {value['version']}, not {VERSION}. Make the map again."
                )
            names = ("model", "fingerprint", "criterion", "data", "data_fingerprint", "dense", "seconds")
            return cls(
                **{name: value[name] for name in names},
                dense_forwards=value["dense_forwards"],
                levels=tuple(value["levels"]),
                groups=tuple((int(layer), str(kind)) for layer, kind in value["groups"]),
                parameters=np.array(value["parameters"], dtype=np.int64),
                kronecker=np.array(value["kronecker"], dtype=float),
                token=np.array(value["token"], dtype=float),
                structure=value.get("structure", "unstructured"),
                model_fingerprint=value.get("model_fingerprint"),
                unit_totals={
                    str(kind): {int(layer): int(count) for layer, count in totals.items()}
                    for kind, totals in value.get("unit_totals", {}).items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise PruningError(
                f"This is not a sensitivity map ({error!r}). Make one with `prunescope map`."
            ) from None

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all."""
        write_json(path, self.to_dict(), "The map")

    @classmethod
    def load(cls, path: str | Path) -> "SensitivityMap":
        """Read a map file. Raises PruningError when it is missing, no map, or does not fit together."""
        try:
            value = read_json(path)
        except (OSError, ValueError) as error:
            raise PruningError(
                f"The map {path} cannot be read: {error}. Make one with `prunescope map`."
            ) from None
        if not isinstance(value, dict):
            raise PruningError(f"{path} is not a sensitivity map. Make one with `prunescope map`.")
        smap = cls.from_dict(value)
        problem = _problem(smap)
        if problem:
            raise PruningError(f"The map {path} is damaged: {problem}. Make one with `prunescope map`.")
        return smap


def _problem(smap: SensitivityMap) -> str | None:
    """What does not fit together in a map; its file may come from anybody."""
    names = (smap.model, smap.fingerprint, smap.checkpoint, smap.criterion, smap.data, smap.data_fingerprint)
    if not all(isinstance(name, str) and name for name in (*names, smap.structure)):
        return "its names have to be text"
    numbers: list[Any] = [smap.seconds, smap.dense_forwards, *smap.levels]
    numbers += [smap.dense.get(name) for name in DENSE] if isinstance(smap.dense, Mapping) else [None]
    if not all(type(number) in (int, float) and math.isfinite(number) and number >= 0 for number in numbers):
        return "its figures have to be finite, and 0 or more"
    levels, shape = list(smap.levels), (len(smap.groups), len(smap.levels))
    if not levels or levels != sorted({*levels}) or not 0 < levels[0] <= levels[-1] <= 1:
        return "its levels have to rise, from above 0 to at most 1"
    if not shape[0] or len({*smap.groups}) < shape[0] or any(layer < 0 for layer, _ in smap.groups):
        return "it needs a group, and each once"
    if smap.kronecker.shape != shape or smap.token.shape != shape or smap.parameters.shape != shape[:1]:
        return "it needs a cost for each group and level, and as many counts of parameters as groups"
    if not (
        np.isfinite(smap.kronecker).all() and np.isfinite(smap.token).all() and (smap.parameters > 0).all()
    ):
        return "its costs have to be finite, and parameters above 0"
    return None
