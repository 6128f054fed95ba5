"""The command that finds the best plan for what is wanted."""

from pathlib import Path
from typing import Any

import click

from pruning.cli.options import (
    criterion_option,
    data_option,
    errors_as_sentences,
    model_argument,
    model_options,
    prints,
)
from pruning.cli.reference.result_types import SolveResult
from pruning.cli.run import SIZES, figures, finish, load, request_of, terminal_progress
from pruning.errors import PruningError
from pruning.files import write_text
from pruning.planning.allocation.plan_request import Constraints, capability_weights, solve_on_map
from pruning.planning.allocation.targets import parse_target
from pruning.planning.forecast.capability_map import ABILITIES, parse_values
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace import results
from pruning.workspace.store import Store

CONSTRAINTS = ("locks", "protect", "floors", "ceilings", "most_layers")
_LABELS = {
    "out": "recipe",
    "sparsity": "sparsity",
    "kl": "forecast KL",
    "kl_low": "forecast KL, low",
    "kl_high": "forecast KL, high",
    "parameters": "parameters that stay",
    **SIZES,
    "memory": "bytes while it runs",
    "speedup": "times as fast, reading",
    "decode_speedup": "times as fast, writing",
    "milliseconds": "milliseconds to solve",
    "gap_to_bound": "gap to the bound",
}


@prints(SolveResult)
@click.command("solve")
@model_argument
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="NAME=NUMBER",
    help="What is wanted: sparsity=0.5, or the most of parameters, bytes (those of `export --to compact`), "
    "kl or perplexity; where whole units go also the most of file_bytes (the folder that is written) or "
    "memory, or speedup=1.4, decode_speedup=1.4. Several hold together. With kl or perplexity as much goes "
    "as they allow.",
)
@criterion_option
@click.option(
    "--structure",
    default=DEFAULT.structure,
    show_default=True,
    help="unstructured, whole units alone: neurons, heads, kv_groups; or mixed: all of it, and whole layers.",
)
@click.option(
    "--lock", "locks", multiple=True, metavar="KIND[@LAYERS]=LEVEL", help="Groups at a fixed level."
)
@click.option("--protect", help="Layers that stay as they are, like 0-1,29.")
@click.option("--floor", "floors", multiple=True, metavar="[KIND[@LAYERS]=]LEVEL", help="The least level.")
@click.option("--ceiling", "ceilings", multiple=True, metavar="[KIND[@LAYERS]=]LEVEL", help="The most level.")
@click.option(
    "--most-layers",
    type=click.IntRange(0),
    help="How many layers may go in a mixed plan; a quarter of them if it is left out.",
)
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="CAPABILITY=NUMBER",
    help=f"What matters more than the rest, like arithmetic=3: {', '.join(ABILITIES)}. At 1 what it is "
    "forecast to lose counts as much as the drift on ordinary text. For unstructured only.",
)
@data_option
@click.option("--out", required=True, help="The YAML file to write.")
@model_options
@errors_as_sentences
def solve_(model: str, out: str, how: dict[str, Any], **words: Any) -> None:
    """Write the recipe of least forecast damage that meets every target; exact to levels of 0.01.

    MODEL may also be a map, a JSON file from `prunescope map`.
    """
    held = {name: words.pop(name) for name in CONSTRAINTS}
    request = {**words, "constraints": Constraints(**held), "values": parse_values(words["values"])}
    # What cannot be read is said before the model is loaded.
    capability_weights(request["values"], request["structure"])
    for target in request["targets"]:
        parse_target(target)
    recipe, result = (_on_map if Path(model).suffix == ".json" else _on_model)(model, how, request)
    write_text(out, recipe.dumps())
    result = {"out": out, **result, "settings": recipe.settings()}
    finish(result, figures(result, _LABELS))


def _on_map(path: str, how: dict[str, Any], request: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    from pruning.engine.criteria import CRITERIA

    smap, weights = SensitivityMap.load(path).of_weights, capability_weights(request["values"])
    _check_map(smap, request)
    capability_map = results.capability_map(Store(), smap, weights) if weights else None
    if weights and capability_map is None:
        raise PruningError(
            "What capabilities lean on was not worked out for this map. Run `prunescope capabilities` on "
            "its model, or give the model itself in the place of the map."
        )
    forecaster = results.forecaster(Store(), smap)
    targets = [parse_target(target) for target in request["targets"]]
    bounds = request["constraints"].bounds(smap.groups)
    answer = solve_on_map(forecaster, targets, bounds, weights, capability_map)
    return answer.recipe(smap.model, smap.criterion, [*CRITERIA]), answer.figures()


def _check_map(smap: SensitivityMap, request: dict[str, Any]) -> None:
    """Raise PruningError for an option that says otherwise than the map."""
    source = click.get_current_context().get_parameter_source
    for name, value in (("criterion", smap.criterion), ("data", smap.data)):
        if source(name) is not click.core.ParameterSource.DEFAULT and request[name] != value:
            raise PruningError(f"This map's {name} is {value}, not {request[name]}. Leave --{name} out.")
    if request["structure"] != DEFAULT.structure:
        raise PruningError(
            f"A map prices single weights. Give the model itself to solve for {request['structure']}."
        )


def _on_model(model: str, how: dict[str, Any], request: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    from pruning.tasks import Session
    from pruning.tasks.optimize import check_structure, solve

    check_structure(request["structure"], request["criterion"])
    asked = request_of("solve", model, how, **request)
    data = request.pop("data")
    with terminal_progress(asked) as progress:
        session = Session(load(model, how, progress), Store(), data, progress)
        result = solve(session, **request)
    return Recipe.from_dict(result.pop("recipe")), result
