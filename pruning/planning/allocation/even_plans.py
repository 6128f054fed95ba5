"""The best plans that the usual model format can hold: every layer that stays loses as many units."""

from collections.abc import Sequence
from itertools import product

from pruning.errors import PruningError
from pruning.planning.cost.parts import HEADS, KV_GROUPS, LAYERS, NEURONS, Parts, without
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.mix import settable
from pruning.planning.recipe.plan import Plan

NEURON_LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
MOST_LAYERS = 5


def even_front(forecaster: Forecaster, parts: Parts) -> list[Plan]:
    """Plans of whole units of which none is both smaller and forecast to hurt less, from large to small.

    Tried are neurons in steps of a tenth, every number of heads or KV groups that comes evenly, and up to
    `MOST_LAYERS` layers, those that cost least alone. Kinds that the map does not price stay.
    """
    tried = []
    for plan in _even_plans(forecaster, parts):
        try:
            left = without(parts, plan)
        except PruningError:
            continue
        tried.append((left.file_bytes, forecaster.forecast(plan).kl, plan))
    front: list[Plan] = []
    least = float("inf")
    for _, kl, plan in sorted(tried, key=lambda one: one[:2]):
        if kl < least:
            least = kl
            front.append(plan)
    return front[::-1]


def _even_plans(forecaster: Forecaster, parts: Parts) -> list[Plan]:
    smap = forecaster.smap
    layers = sorted({layer for layer, _ in smap.groups})
    every = forecaster.costs({group: 1.0 for group in smap.groups if group[1] == LAYERS})
    price = dict(zip(smap.groups, every.tolist(), strict=True))
    order = sorted((layer for layer in layers if (layer, LAYERS) in price), key=lambda la: price[la, LAYERS])
    neurons = NEURON_LEVELS if NEURONS in smap.kinds else (0.0,)
    plans = []
    for count, level, (kind, share) in product(
        range(MOST_LAYERS + 1), neurons, _attention(parts, smap.kinds)
    ):
        if count > len(order) // 2:
            continue
        gone = order[:count]
        plan = dict.fromkeys([(layer, LAYERS) for layer in gone], 1.0)
        for layer in (layer for layer in layers if layer not in gone):
            plan |= {(layer, NEURONS): level, (layer, kind): share}
        plans.append(settable({group: value for group, value in plan.items() if value > 0}, smap.unit_totals))
    return [plan for plan in plans if plan]


def _attention(parts: Parts, kinds: Sequence[str]) -> list[tuple[str, float]]:
    """What can go of attention alike in every layer: (kind, share), nothing among it."""
    heads = min(parts.units.get(HEADS, {}).values(), default=0)
    groups = min(parts.units.get(KV_GROUPS, {}).values(), default=0)
    choices = [(HEADS, 0.0)]
    if groups and KV_GROUPS in kinds:
        choices += [(KV_GROUPS, number / groups) for number in range(1, groups)]
    if groups and HEADS in kinds:
        # Heads come evenly from their KV groups, or no tensor gets smaller.
        choices += [(HEADS, number / heads) for number in range(groups, heads, groups)]
    return choices
