"""Commands that forecast or measure what pruning costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pruning.cli.run import (
    criterion_option,
    data_option,
    errors_as_sentences,
    figures,
    finish,
    mask_options,
    model_argument,
    model_options,
    run_recipe,
    run_task,
)
from pruning.errors import PruningError
from pruning.planning.forecast.capability_map import NORMAL, CapabilityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions, effective
from pruning.planning.recipe.plan import KINDS, Group, Plan, parse_layers, parse_levels
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace.store import Store

levels_option = click.option(
    "--levels",
    default="0.1:0.9:0.1",
    show_default=True,
    help="Shares of weights to remove: start:stop:step, or a list like 0.3,0.5.",
)


@click.command("map")
@model_argument
@criterion_option
@levels_option
@data_option
@click.option("--out", help="The JSON file to write; otherwise it goes into the workspace.")
@model_options
@errors_as_sentences
def map_(model: str, criterion: str, levels: str, data: str, out: str | None, how: dict[str, Any]) -> None:
    """Forecast the cost of pruning each layer and group at each level."""
    wanted = parse_levels(levels)
    result = run_task("map", model, how, criterion=criterion, levels=wanted, data=data, out=out)
    result = {key: value for key, value in result.items() if key != "map"}
    named = {"points": "points", "seconds": "seconds", "dense_forwards": "dense forward passes", "out": "map"}
    finish(result, figures(result, named))


@click.command()
@model_argument
@criterion_option
@levels_option
@data_option
@click.option("--out", help="The JSON file to write; otherwise it goes into the workspace.")
@model_options
@errors_as_sentences
def capabilities(
    model: str, criterion: str, levels: str, data: str, out: str | None, how: dict[str, Any]
) -> None:
    """Forecast what each layer and group costs facts, grammar, common sense, arithmetic, reading and code."""
    wanted = parse_levels(levels)
    result = run_task("capabilities", model, how, criterion=criterion, levels=wanted, data=data, out=out)
    known = CapabilityMap.from_dict(result)
    lines = [
        f"{name.replace('_', ' '):<12}  leans more than the others on  "
        + ", ".join(f"layer {layer} {kind}" for layer, kind in known.particular(name, NORMAL))
        for name in known.costs
    ]
    told = {"capabilities": list(known.costs), "groups": len(known.groups), "levels": list(known.levels)}
    finish({**told, "out": result["out"]}, lines)


@click.command()
@model_argument
@criterion_option
@levels_option
@click.option("--layers", help="Only these layers, like 0-3,7.")
@click.option("--kinds", help="Only these groups, like up,down.")
@mask_options
@data_option
@click.option("--out", help="The JSON file to write the points to.")
@model_options
@errors_as_sentences
def sweep(
    model: str,
    criterion: str,
    levels: str,
    layers: str | None,
    kinds: str | None,
    options: MaskOptions,
    data: str,
    out: str | None,
    how: dict[str, Any],
) -> None:
    """Measure each layer and group at each level, one by one; resumes where it stopped."""
    names = None if kinds is None else [name.strip() for name in kinds.split(",")]
    strange = set(names or ()) - set(KINDS)
    if strange:
        raise PruningError(
            f'--kinds: there is no group "{min(strange)}". Use some of {", ".join(KINDS)}, like up,down.'
        )
    result = run_task(
        "sweep",
        model,
        how,
        criterion=criterion,
        levels=parse_levels(levels),
        layers=None if layers is None else parse_layers(layers, "--layers"),
        kinds=names,
        data=data,
        out=out,
        **options.changed(),
    )
    lines = [
        f"layer {point['layer']:>3}  {point['kind']:<8}  level {point['level']:.3g}  KL {point['kl']:.5f}"
        for point in result["points"]
    ]
    finish(result, lines)


@click.command()
@click.argument("map_file", metavar="MAP")
@click.argument("recipe_file", metavar="RECIPE")
@errors_as_sentences
def forecast(map_file: str, recipe_file: str) -> None:
    """Forecast what a recipe costs, from a MAP file; calibrated by what was measured before."""
    from pruning.planning.forecast.sensitivity_map import SensitivityMap
    from pruning.workspace import results

    smap = SensitivityMap.load(Path(map_file))
    recipe = Recipe.load(recipe_file)
    recipe.check_model(smap.fingerprint)
    for name, wanted, made in (
        ("criterion", recipe.criterion, smap.criterion),
        ("data", recipe.data.name, smap.data),
    ):
        if wanted != made:
            raise PruningError(
                f"The recipe's {name} is {wanted} but the map's is {made}. "
                f"Make a map with `prunescope map MODEL --{name} {wanted}`."
            )
    plan = _forecastable(recipe, smap.groups)
    forecaster = results.forecaster(Store(), smap)
    told = forecaster.forecast(plan)
    result = {
        "kl": told.kl,
        "kl_low": told.kl_low,
        "kl_high": told.kl_high,
        "perplexity": told.perplexity,
        "perplexity_low": told.perplexity_low,
        "perplexity_high": told.perplexity_high,
        "bytes": told.bytes,
        "sparsity": told.sparsity,
        "measured": forecaster.fit.measured,
    }
    lines = figures(
        result, {"kl": "forecast KL", "perplexity": "forecast perplexity", "bytes": "bytes, zeros packed"}
    )
    finish(result, [*lines, f"calibrated by {forecaster.fit.measured} measured recipes"])


def _forecastable(recipe: Recipe, groups: Sequence[Group]) -> Plan:
    """The levels that a map can price: protected layers and bounds taken in, each group for itself."""
    options = recipe.options()
    for name, value in (("structure", options.structure), ("scope", options.scope)):
        if value != getattr(DEFAULT, name):
            raise PruningError(
                f"The recipe's {name} is {value}, and a map prices single weights, chosen in the criterion's "
                "own scope. Measure the recipe instead."
            )
    return effective(recipe.to_plan(groups), groups, options)


@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE")
@click.option("--data", help="Text to score with instead of the recipe's.")
@model_options
@errors_as_sentences
def measure(model: str, recipe_file: str, data: str | None, how: dict[str, Any]) -> None:
    """Prune as a recipe says, in memory, and measure what it costs."""
    result = run_recipe("measure", model, recipe_file, data, how)
    named = {
        "kl": "measured KL",
        "perplexity": "measured perplexity",
        "agreement": "same top token",
        "accuracy": "next-token accuracy",
        "probe_accuracy": "multiple-choice accuracy",
        "bytes": "bytes, zeros packed",
        "file_bytes": "bytes, ordinary file",
        "sparsity": "sparsity",
    }
    finish(result, figures(result, named))


@click.command()
@model_argument
@click.argument("recipe_file", metavar="[RECIPE]", required=False)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="int8 (weights) or int8-dynamic (weights and inputs); may be given twice. Both without it.",
)
@click.option("--data", help="Text to score with; otherwise the recipe's, or demo.")
@model_options
@errors_as_sentences
def quantize(
    model: str, recipe_file: str | None, methods: tuple[str, ...], data: str | None, how: dict[str, Any]
) -> None:
    """Measure quality and size of the model pruned, quantized, and both. Needs prunescope[quantize]."""
    arguments = {"methods": list(methods)} if methods else {}
    result = run_recipe("quantize", model, recipe_file, data, how, **arguments)
    lines = [
        f"{'pruned' if row['pruned'] else 'dense':<6}  {row['method'] or '-':<12}  KL {row['kl']:.4f}  "
        f"perplexity {row['perplexity']:,.2f}  {row['file_bytes'] / 1e6:.1f} MB, "
        f"{row['bytes'] / 1e6:.1f} MB with zeros as bits"
        for row in result["rows"]
    ]
    finish(result, lines)
