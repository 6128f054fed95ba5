"""The command that finds the best plan for what is wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pruning.cli.capability_weights import minded_values, stored_for, value_option
from pruning.cli.options import (
    criterion_option,
    data_option,
    errors_as_sentences,
    model_argument,
    model_options,
)
from pruning.cli.run import figures, finish, load, run_on, terminal_progress
from pruning.errors import PruningError
from pruning.files import write_text
from pruning.planning.allocation.choices import (
    Bounds,
    ChoiceTable,
    map_choices,
    with_capability_weights,
    with_latency,
)
from pruning.planning.allocation.solver import SPEED, Solution, Target, parse_target, solve
from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.forecast import predict as forecasts
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import Group, Plan, check_level, named_levels
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace import results
from pruning.workspace.store import Store


@dataclass(frozen=True, eq=False)
class _Found:
    """The solution, and whose it is. `values` by capability: what mattered beside the map's own costs."""

    reference: str
    fingerprint: str
    criterion: str
    data: str
    menu: ChoiceTable
    table: forecasts.SensitivityMap
    calibration: forecasts.ForecastFit
    solved: Solution
    values: Mapping[str, float] = field(default_factory=dict)


@click.command("solve")
@model_argument
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="NAME=NUMBER",
    help="What is wanted: sparsity=0.5, or the most of parameters, bytes, kl or perplexity; of whole units "
    "also the most of memory, or speedup=1.4, decode_speedup=1.4. Several hold together. With kl or "
    "perplexity as much goes as they allow.",
)
@criterion_option
@click.option(
    "--structure",
    default=DEFAULT.structure,
    show_default=True,
    help="unstructured, or whole units: neurons, heads, kv_groups.",
)
@click.option(
    "--lock", "locks", multiple=True, metavar="KIND[@LAYERS]=LEVEL", help="Groups at a fixed level."
)
@click.option("--protect", help="Layers that stay as they are, like 0-1,29.")
@click.option("--floor", "floors", multiple=True, metavar="[KIND[@LAYERS]=]LEVEL", help="The least level.")
@click.option("--ceiling", "ceilings", multiple=True, metavar="[KIND[@LAYERS]=]LEVEL", help="The most level.")
@value_option
@data_option
@click.option("--out", required=True, help="The YAML file to write.")
@model_options
@errors_as_sentences
def solve_(
    model: str,
    targets: tuple[str, ...],
    criterion: str,
    structure: str,
    locks: tuple[str, ...],
    protect: str | None,
    floors: tuple[str, ...],
    ceilings: tuple[str, ...],
    values: tuple[str, ...],
    data: str,
    out: str,
    how: dict[str, Any],
) -> None:
    """Write the recipe of least forecast damage that meets every target; exact to levels of 0.01.

    MODEL may also be a map, a JSON file from `prunescope map`.
    """
    wanted = [parse_target(target) for target in targets]
    held = (locks, protect, floors, ceilings)
    minded = minded_values(values, structure)
    given = click.get_current_context().get_parameter_source
    usual = click.core.ParameterSource.DEFAULT
    if Path(model).suffix == ".json":
        smap = forecasts.SensitivityMap.load(model)
        for name, value, own in (("criterion", criterion, smap.criterion), ("data", data, smap.data)):
            if given(name) is not usual and value != own:
                raise PruningError(f"This map's {name} is {own}, not {value}. Leave --{name} out.")
        if structure != DEFAULT.structure:
            raise PruningError(
                f"A map prices single weights. Give the model itself to solve for {structure}."
            )
        known = stored_for(smap, minded)
        if minded and known is None:
            raise PruningError(
                "What capabilities lean on was not worked out for this map. Run `prunescope capabilities` on "
                "its model, or give the model itself in the place of the map."
            )
        found = _on_map(smap, smap.criterion, wanted, held, minded, known)
    else:
        found = _on_model(model, how, criterion, structure, data, wanted, held, minded)
    _finish(found, structure, out)


def _on_map(
    smap: forecasts.SensitivityMap,
    criterion: str,
    wanted: Sequence[Target],
    held: tuple[Any, ...],
    values: Mapping[str, float],
    known: CapabilityMap | None,
) -> _Found:
    calibration = _calibration(smap, criterion)
    factors = forecasts.weights_of(smap, calibration)
    menu = map_choices(smap, _bounds(smap.groups, *held), factors=factors)
    if known is not None:
        menu = with_capability_weights(menu, smap, known, values, factors)
    solved = solve(menu, wanted, calibration, smap.dense["perplexity"])
    about = smap.model, smap.fingerprint, criterion, smap.data
    return _Found(*about, menu, smap, calibration, solved, values)


def _on_model(
    model: str,
    how: dict[str, Any],
    criterion: str,
    structure: str,
    data: str,
    wanted: Sequence[Target],
    held: tuple[Any, ...],
    values: Mapping[str, float],
) -> _Found:
    from pruning.tasks.context.context import groups_of
    from pruning.tasks.optimize import check_structure, map_for, unit_choices_for
    from pruning.tasks.unit_maps import unit_map_for

    check_structure(structure, criterion)
    with terminal_progress() as progress:
        loaded = load(model, how, progress)
        bounds = _bounds(groups_of(loaded, structure), *held)
        if structure == DEFAULT.structure:
            smap = map_for(loaded, Store(), progress, criterion, data)
            known = stored_for(smap, values)
            if values and known is None:
                asked = {"criterion": smap.criterion, "data": data}
                known = CapabilityMap.from_dict(run_on(loaded, "capabilities", progress, **asked))
            return _on_map(smap, criterion, wanted, held, values, known)
        menu = unit_choices_for(loaded, Store(), progress, structure, data, bounds)
        if any(target.name in SPEED for target in wanted):
            menu = with_latency(menu, LatencyTable.from_dict(run_on(loaded, "latency", progress)))
        smap = unit_map_for(loaded, Store(), progress, structure, data)
    calibration = _calibration(smap, criterion)
    menu = replace(menu, costs=menu.costs * forecasts.weights_of(smap, calibration)[:, None])
    solved = solve(menu, wanted, calibration, smap.dense["perplexity"])
    return _Found(loaded.reference, loaded.fingerprint, criterion, data, menu, smap, calibration, solved)


def _bounds(
    groups: Sequence[Group],
    locks: Sequence[str],
    protect: str | None,
    floors: Sequence[str],
    ceilings: Sequence[str],
) -> Bounds:
    return Bounds(
        locks=named_levels(locks, groups),
        protect=protect,
        floor=_levels(floors, groups, "--floor"),
        ceiling=_levels(ceilings, groups, "--ceiling"),
    )


def _levels(texts: Sequence[str], groups: Sequence[Group], where: str) -> Plan:
    """Bounds in the words of settings; a number alone is for every group."""
    levels: Plan = {}
    for text in texts:
        if "=" in text:
            levels |= named_levels([text], groups)
            continue
        try:
            level = float(text)
        except ValueError:
            raise PruningError(
                f'{where} "{text}" is no level. Write 0.2, or qkv=0.2, or up@0-3=0.2.'
            ) from None
        levels |= dict.fromkeys(groups, check_level(level, where))
    return levels


def _calibration(smap: forecasts.SensitivityMap, criterion: str) -> forecasts.ForecastFit:
    """What was measured of this model with the criterion before, which may lean on another's map, teaches."""
    return forecasts.fit_forecast(smap, results.measured_plans(Store(), smap, criterion))


def _finish(found: _Found, structure: str, out: str) -> None:
    from pruning.engine.criteria import CRITERIA

    solved, menu = found.solved, found.menu
    recipe = Recipe.from_plan(
        solved.plan,
        menu.groups,
        reference=found.reference,
        fingerprint=found.fingerprint,
        criterion=found.criterion,
        data=found.data,
        created=datetime.now(UTC).replace(microsecond=0),
        options=MaskOptions(structure=structure),
        criteria=[*CRITERIA],
    )
    write_text(out, recipe.dumps())
    kl, low, high = _quality(found)
    result = {
        "out": out,
        "sparsity": solved.sparsity,
        "kl": kl,
        "kl_low": low,
        "kl_high": high,
        "parameters": round(menu.dense["parameters"] - menu.total("parameters", solved.columns)),
        "bytes": round(menu.dense["bytes"] - menu.total("bytes", solved.columns)),
        "milliseconds": solved.milliseconds,
        "gap_to_bound": solved.gap,
        **({"values": dict(found.values)} if found.values else {}),
        "settings": recipe.settings(),
    }
    named = {
        "out": "recipe",
        "sparsity": "sparsity",
        "kl": "forecast KL",
        "kl_low": "forecast KL, low",
        "kl_high": "forecast KL, high",
        "parameters": "parameters that stay",
        "bytes": "bytes, zeros packed",
        "milliseconds": "milliseconds to solve",
        "gap_to_bound": "gap to the bound",
    }
    finish(result, figures(result, named))


def _quality(found: _Found) -> tuple[float, float, float]:
    """Forecast KL and its band, nats per token."""
    told = forecasts.forecast(found.table, found.solved.plan, found.calibration)
    return told.kl, told.kl_low, told.kl_high
