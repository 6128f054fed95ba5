"""Calibration plans: those whose measurement tells most about the factors of a fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pruning.planning.bisection import bisection
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import settable
from pruning.planning.recipe.plan import EXCLUSIVE, KINDS, LAYERS, MAX_LEVEL, Plan

TRIALS, MIXED_TRIALS = 6, 9
# By how much the last layer's level is above the mean or below it, and the first's the other way round.
RAMP = 0.5
# KL of the plans by the prior, nats per token: (ramp, KL) of those that prune everything, of those that prune
# one kind most, and of all where there is but one kind.
WHOLE = ((RAMP, 0.8), (-RAMP, 0.5))
MOSTLY = 0.35
ALONE = (0.12, 0.8, 1.6)
# In the plan of a kind the others are pruned as well, a little: nobody prunes one kind alone.
BESIDE = 0.25
# Beside weights, units at this share of their level cost about as much.
UNITS_BESIDE = 0.4
# Both read the same states, and what they make is multiplied: one plan tells of both.
TOGETHER = ("gate", "up")
BLOCKS = (("qkv", "attn_out"), TOGETHER, ("down",))
ROUNDS = 30


@dataclass(frozen=True)
class _Shape:
    """Levels in the proportion of `shares` by kind, as high as they may be for a forecast KL of `kl`.

    They go from 1 − `ramp` of that in the first layer to 1 + `ramp` in the last. `dropped`: layers that go.
    """

    shares: Mapping[str, float]
    kl: float
    ramp: float = 0.0
    dropped: Sequence[int] = field(default_factory=tuple)


def calibration_plans(smap: SensitivityMap) -> list[Plan]:
    """The plans to measure, few: they tell the factors of a fit apart, which random plans, all of them mixed
    alike, do not.

    Of weights alone at most `TRIALS`: two that prune everything, more late or more early, and for each kind
    of group one that prunes it most. Of units beside weights at most `MIXED_TRIALS`: see `_mixed_shapes`. Of
    one kind alone three that prune more and more. Levels of units are what whole units make.
    """
    kinds = smap.kinds
    if len(kinds) == 1:
        shapes = [_Shape({kinds[0]: 1.0}, kl) for kl in ALONE]
    elif smap.mix.units.any():
        shapes = _mixed_shapes(smap)
    else:
        shapes = _weight_shapes(kinds)
    return [_scaled(smap, shape) for shape in shapes]


def _weight_shapes(kinds: Sequence[str]) -> list[_Shape]:
    shapes = [_Shape(dict.fromkeys(kinds, 1.0), kl, ramp) for ramp, kl in WHOLE]
    both = set(TOGETHER) <= set(kinds)
    for kind in kinds:
        if both and kind == TOGETHER[1]:
            continue
        most = TOGETHER if both and kind == TOGETHER[0] else (kind,)
        shapes.append(_Shape({k: 1.0 if k in most else BESIDE for k in kinds}, MOSTLY))
    return shapes[:TRIALS]


def _mixed_shapes(smap: SensitivityMap) -> list[_Shape]:
    """Weights alone, more late; everything, more early; attention most, gate and up, and down; each kind of
    unit most, with everything else a little; and the layers that cost least, with everything else a little.
    """
    weights = [kind for kind in KINDS if kind in smap.kinds]
    units = [kind for kind in ("neurons", "heads", "kv_groups") if kind in smap.kinds]
    usual = [kind for kind in units if kind != EXCLUSIVE[1] or EXCLUSIVE[0] not in units]
    everything = dict.fromkeys(weights, 1.0) | dict.fromkeys(usual, UNITS_BESIDE)
    (late, most), (early, less) = WHOLE
    shapes = [_Shape(dict.fromkeys(weights, 1.0), most, late), _Shape(everything, less, early)]
    for block in BLOCKS:
        inside = {kind: 1.0 for kind in weights if kind in block}
        shapes.append(_Shape(dict.fromkeys(weights, BESIDE) | inside, MOSTLY))
    for kind in units:
        others = [other for other in usual if other != kind and {kind, other} != set(EXCLUSIVE)]
        little = dict.fromkeys((*weights, *others), BESIDE)
        shapes.append(_Shape(little | {kind: 1.0}, MOSTLY))
    if LAYERS in smap.kinds:
        little = {kind: BESIDE * share for kind, share in everything.items()}
        dropped = _cheapest_layers(smap, MOSTLY)
        shapes.append(_Shape(little, MOSTLY + BESIDE * MOSTLY, dropped=dropped))
    return shapes[:MIXED_TRIALS]


def _cheapest_layers(smap: SensitivityMap, kl: float) -> list[int]:
    """The layers that cost least, as many as a forecast KL allows; one at least, and never all."""
    forecaster = Forecaster.plain(smap)
    rows = [(row, layer) for row, (layer, kind) in enumerate(smap.groups) if kind == LAYERS]
    ordered = [layer for _, layer in sorted(rows, key=lambda entry: smap.joint_logs[entry[0], -1])]
    dropped = ordered[:1]
    for layer in ordered[1:-1]:
        if forecaster.forecast({(one, LAYERS): 1.0 for one in (*dropped, layer)}).kl > kl:
            break
        dropped.append(layer)
    return sorted(dropped)


def _scaled(smap: SensitivityMap, shape: _Shape) -> Plan:
    """The plan of a shape."""
    last = max(1, *(layer for layer, _ in smap.groups))
    each = {
        (layer, kind): shape.shares[kind] * (1 + shape.ramp * (2 * layer / last - 1))
        for layer, kind in smap.groups
        if shape.shares.get(kind) and layer not in shape.dropped
    }
    gone = {(layer, LAYERS): 1.0 for layer in shape.dropped}
    forecaster = Forecaster.plain(smap)

    def plan(scale: float) -> Plan:
        return gone | {group: min(MAX_LEVEL, scale * share) for group, share in each.items()}

    most = MAX_LEVEL / (max(shape.shares.values()) * (1 - abs(shape.ramp)))
    scale, _ = bisection(lambda scale: forecaster.forecast(plan(scale)).kl >= shape.kl, 0.0, most, ROUNDS)
    levels = {group: min(MAX_LEVEL, round(level, 2)) for group, level in plan(scale).items()}
    return settable(levels | gone, smap.unit_totals)
