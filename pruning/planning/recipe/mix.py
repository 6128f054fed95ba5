"""Mixed plans: whole units and single weights in one plan, and what stays of the weights beside the units.

Units go first; a weight level is the share of what stays in its group.
"""

from collections.abc import Mapping, Sequence

from pruning.errors import PruningError
from pruning.planning.recipe.plan import KINDS, MAX_LEVEL, UNIT_KINDS, Group, Plan, format_level, units_gone

# The groups of weights in a layer that every unit of a kind has a part of. Of qkv a head has its queries
# alone where others share its keys and values.
UNIT_PARTS = {
    "layers": KINDS,
    "kv_groups": ("qkv", "attn_out"),
    "heads": ("qkv", "attn_out"),
    "neurons": ("gate", "up", "down"),
}


def unit_part(plan: Plan) -> Plan:
    """What the plan says of whole units."""
    return {group: level for group, level in plan.items() if group[1] in UNIT_KINDS}


def weight_part(plan: Plan) -> Plan:
    """What the plan says of single weights."""
    return {group: level for group, level in plan.items() if group[1] not in UNIT_KINDS}


def query_shares(parameters: Mapping[Group, int]) -> dict[int, float]:
    """By layer the share of qkv that are queries, 0..1; 1 where every head has keys and values of its own.

    From weights by group, units among them: the heads of a layer have its attn_out and its queries. Layers
    whose heads do not come apart are left out.
    """
    shares = {}
    for (layer, kind), heads in parameters.items():
        own, qkv = parameters.get((layer, "attn_out"), 0), parameters.get((layer, "qkv"), 0)
        if kind == "heads" and qkv:
            shares[layer] = min(1.0, max(0.0, (heads - own) / qkv))
    return shares


def takings(parameters: Mapping[Group, int]) -> dict[tuple[Group, Group], float]:
    """By (group of weights, group of units) the share of these weights that all these units have, above 0.

    `parameters` are weights by group, of weights and of units.
    """
    queries, shares = query_shares(parameters), {}
    for layer, kind in parameters:
        for weights in UNIT_PARTS.get(kind, ()):
            if (layer, weights) in parameters:
                share = queries.get(layer, 1.0) if (kind, weights) == ("heads", "qkv") else 1.0
                shares[(layer, weights), (layer, kind)] = share
    return shares


def kept_shares(plan: Plan, parameters: Mapping[Group, int]) -> dict[Group, float]:
    """What stays of every group of weights beside the plan's units, 0..1: 1 where it has none there.

    Parameters
    ----------
    plan
        Units, and whatever is beside them.
    parameters
        Weights by group, of weights and of units, as a sensitivity map has them.
    """
    kept = {group: 1.0 for group in parameters if group[1] not in UNIT_KINDS}
    for (weights, units), share in takings(parameters).items():
        kept[weights] = max(0.0, kept[weights] - share * plan.get(units, 0.0))
    return kept


def sparsity(plan: Plan, parameters: Mapping[Group, int]) -> float:
    """The share of all prunable weights that the plan prunes, with units or by themselves, 0..1.

    `parameters` are weights by group, of weights and of the units that the plan may name.
    """
    kept = kept_shares(plan, parameters)
    total = sum(parameters[group] for group in kept)
    gone = {group: plan.get(group, 0.0) * share + 1 - share for group, share in kept.items()}
    return sum(share * parameters[group] for group, share in gone.items()) / total if total else 0.0


def in_whole_units(plan: Plan, totals: Mapping[str, Mapping[int, int]], round_to: int | None = None) -> Plan:
    """The plan with unit levels at what whole units make of them; those that come to none are left out.

    `totals`: by kind and layer how many units there are. Kinds that are not in it stay as they are.
    `round_to`: the number of neurons kept is rounded to a multiple of this.
    """
    whole = {}
    for (layer, kind), level in plan.items():
        total = totals.get(kind, {}).get(layer)
        if total is not None and kind != "layers":
            level = units_gone(total, level, round_to if kind == "neurons" else None) / total
        if level > 0:
            whole[layer, kind] = level
    return whole


def settable(plan: Plan, totals: Mapping[str, Mapping[int, int]]) -> Plan:
    """The plan in whole units, see `in_whole_units`, at levels that settings can spell: to six decimals, and
    at most `MAX_LEVEL`."""
    result = {}
    for (layer, kind), level in in_whole_units(plan, totals).items():
        total = totals.get(kind, {}).get(layer, 0)
        if kind != "layers" and total and level > MAX_LEVEL:
            level = int(MAX_LEVEL * total) / total
        if level > 0:
            result[layer, kind] = round(level, 6)
    return result


def unit_kinds(groups: Sequence[Group]) -> tuple[str, ...]:
    """The kinds of unit among groups, in their order."""
    return tuple(dict.fromkeys(kind for _, kind in groups if kind in UNIT_KINDS))


def check_one_left(level: float, total: int, layer: int, kind: str) -> None:
    """Raise PruningError where a level leaves none of a layer's `total` units."""
    if total - round(level * total) < 1:
        raise PruningError(
            f"{kind}@{layer}={format_level(level)} leaves none of the {total} {kind} of layer {layer}. Set "
            f"it to {format_level(round(1 - 1 / total, 6))} at most, or drop the layer: layers@{layer}=1."
        )
