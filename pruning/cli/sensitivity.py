"""Commands that say how much each group matters, and those that make that forecast better."""

from typing import Any

import click

from pruning.cli.options import (
    Ray,
    criterion_option,
    data_option,
    errors_as_sentences,
    levels_option,
    mask_options,
    model_argument,
    model_options,
    prints,
    ray_options,
)
from pruning.cli.reference.result_types import CapabilitiesSummary, MapSummary
from pruning.cli.run import figures, finish, run_task
from pruning.errors import PruningError
from pruning.planning.forecast.capability_map import NORMAL, CapabilityMap
from pruning.planning.recipe.mask_options import MIXED, MaskOptions
from pruning.planning.recipe.plan import KINDS, parse_layers, parse_levels
from pruning.workspace.result_types.results import CalibrateResult, OutliersResult, SweepResult


@prints(MapSummary)
@click.command("map")
@model_argument
@criterion_option
@levels_option
@data_option
@click.option("--out", help="The JSON file to write; otherwise it goes into the workspace.")
@ray_options
@model_options
@errors_as_sentences
def map_(model: str, levels: str, how: dict[str, Any], ray: Ray | None, **request: Any) -> None:
    """Forecast the cost of pruning each layer and group at each level."""
    result = run_task("map", model, how, ray=ray, levels=parse_levels(levels), **request)
    result = {key: value for key, value in result.items() if key != "map"}
    labels = {
        "points": "points",
        "seconds": "seconds",
        "dense_forwards": "dense forward passes",
        "out": "map",
    }
    finish(result, figures(result, labels))


@prints(CapabilitiesSummary)
@click.command()
@model_argument
@criterion_option
@levels_option
@data_option
@click.option("--out", help="The JSON file to write; otherwise it goes into the workspace.")
@ray_options
@model_options
@errors_as_sentences
def capabilities(model: str, levels: str, how: dict[str, Any], ray: Ray | None, **request: Any) -> None:
    """Forecast what each layer and group costs facts, grammar, common sense, arithmetic, reading and code."""
    result = run_task("capabilities", model, how, ray=ray, levels=parse_levels(levels), **request)
    capability_map = CapabilityMap.from_dict(result)
    lines = [
        f"{name.replace('_', ' '):<12}  leans more than the others on  "
        + ", ".join(f"layer {layer} {kind}" for layer, kind in capability_map.particular(name, NORMAL))
        for name in capability_map.costs
    ]
    summary = {
        "capabilities": list(capability_map.costs),
        "groups": len(capability_map.groups),
        "levels": list(capability_map.levels),
        "out": result["out"],
    }
    finish(summary, lines)


@prints(SweepResult)
@click.command()
@model_argument
@criterion_option
@levels_option
@click.option("--layers", help="Only these layers, like 0-3,7.")
@click.option("--kinds", help="Only these groups, like up,down.")
@data_option
@mask_options
@click.option("--out", help="The JSON file to write the points to.")
@ray_options
@model_options
@errors_as_sentences
def sweep(model: str, how: dict[str, Any], options: MaskOptions, ray: Ray | None, **request: Any) -> None:
    """Measure each layer and group at each level, one by one; resumes where it stopped."""
    arguments = {
        **request,
        "levels": parse_levels(request["levels"]),
        "layers": None if request["layers"] is None else parse_layers(request["layers"], "--layers"),
        "kinds": None if request["kinds"] is None else _kinds(request["kinds"]),
    }
    result = run_task("sweep", model, how, ray=ray, **arguments, **options.changed())
    lines = [
        f"layer {point['layer']:>3}  {point['kind']:<8}  level {point['level']:.3g}  KL {point['kl']:.5f}"
        for point in result["points"]
    ]
    finish(result, lines)


def _kinds(text: str) -> list[str]:
    kinds = [name.strip() for name in text.split(",")]
    strange = set(kinds) - set(KINDS)
    if strange:
        raise PruningError(
            f'--kinds: there is no group "{min(strange)}". Use some of {", ".join(KINDS)}, like up,down.'
        )
    return kinds


@prints(OutliersResult)
@click.command()
@model_argument
@data_option
@model_options
@errors_as_sentences
def outliers(model: str, data: str, how: dict[str, Any]) -> None:
    """Count outliers in each layer: weights that meet inputs so large that OWL spares their layer."""
    result = run_task("outliers", model, how, data=data)
    pairs = zip(result["layers"], result["shares"], strict=True)
    finish(result, [f"layer {layer:<4} {share:8.3%}" for layer, share in pairs])


@prints(CalibrateResult)
@click.command()
@model_argument
@criterion_option
@click.option(
    "--structure",
    default=MIXED,
    show_default=True,
    help="mixed, units and weights together; unstructured, or one kind of unit: neurons, heads, kv_groups.",
)
@data_option
@ray_options
@model_options
@errors_as_sentences
def calibrate(model: str, how: dict[str, Any], ray: Ray | None, **request: Any) -> None:
    """Measure up to nine plans from which the forecast learns most; goes on where it stopped."""
    result = run_task("calibrate", model, how, ray=ray, **request)
    lines = [
        f"KL {kl:<8.4g}  {', '.join(settings)}"
        for settings, kl in zip(result["plans"], result["kls"], strict=True)
    ]
    labels = {"measured": "measured now", "kappa": "kappa", "beta": "beta", "spread": "spread of log KL"}
    finish(result, [*lines, *figures(result, labels)])
