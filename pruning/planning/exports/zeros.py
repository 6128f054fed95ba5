"""The same shares as zeros among single weights, for the forms that have no place for fewer units."""

from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.recipe.mix import UNIT_PARTS
from pruning.planning.recipe.plan import KINDS, LAYERS, MAX_LEVEL, Plan


def as_zeros(facts: ModelFacts, plan: Plan) -> Plan | None:
    """The plan with each share of units as the same share of the weights they have a part of.

    None where whole layers go: no share of zeros stands for that.
    """
    if any(kind == LAYERS and level for (_, kind), level in plan.items()):
        return None
    stays: Plan = {}
    for (layer, kind), level in plan.items():
        for part in (kind,) if kind in KINDS else UNIT_PARTS[kind]:
            if part != "gate" or facts.gated:
                stays[layer, part] = stays.get((layer, part), 1.0) * (1 - level)
    return {group: round(min(1 - share, MAX_LEVEL), 6) for group, share in stays.items()}
