"""The option that says which capabilities matter to the solver."""

from collections.abc import Mapping, Sequence

import click

from pruning.errors import PruningError
from pruning.planning.forecast.capability_map import ABILITIES, CapabilityMap, check_values, parse_values
from pruning.planning.forecast.predict import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT
from pruning.workspace.results import capability_map
from pruning.workspace.store import Store

value_option = click.option(
    "--value",
    "values",
    multiple=True,
    metavar="CAPABILITY=NUMBER",
    help=f"What matters more than the rest, like arithmetic=3: {', '.join(ABILITIES)}. At 1 what it is "
    "forecast to lose counts as much as the drift on ordinary text. For unstructured only.",
)


def minded_values(texts: Sequence[str], structure: str) -> dict[str, float]:
    """By capability the values above 0. PruningError for what cannot be read, or cannot be minded."""
    values = parse_values(texts)
    check_values(values, ABILITIES)
    if values and structure != DEFAULT.structure:
        raise PruningError(
            f"What capabilities lose is forecast for single weights, not for {structure}. Leave --value out, "
            "or --structure."
        )
    return {name: value for name, value in values.items() if value > 0}


def stored_for(smap: SensitivityMap, values: Mapping[str, float]) -> CapabilityMap | None:
    """What these capabilities lean on; None for no values, and where it was not worked out for all."""
    known = capability_map(Store(), smap) if values else None
    return known if known and set(values) <= set(known.costs) else None
