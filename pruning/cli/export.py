"""Commands that write: a recipe, and the pruned model."""

from datetime import UTC, datetime
from typing import Any

import click

from pruning.cli.options import (
    criterion_option,
    data_option,
    errors_as_sentences,
    mask_options,
    model_argument,
    model_options,
    settings_option,
)
from pruning.cli.run import figures, finish, load, run_on, terminal_progress
from pruning.errors import PruningError
from pruning.files import write_text
from pruning.planning.recipe.mask_options import MaskOptions, effective, scoped
from pruning.planning.recipe.plan import format_settings, parse_settings, sparsity
from pruning.planning.recipe.presets import PRESETS, parse_preset
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace.store import Store


@click.command()
@model_argument
@criterion_option
@click.option(
    "--strategy",
    metavar="NAME=LEVEL[,NUMBER=VALUE]",
    help=f"Start from a ready plan ({', '.join(PRESETS)}), like ramp=0.3,first_times=0; --set changes it.",
)
@settings_option
@click.option("--best", is_flag=True, help="Make the best recipe we know how to, for a --sparsity.")
@click.option(
    "--sparsity",
    "wanted",
    type=float,
    help="With --best: the share of weights (or of neurons, heads, ...) to remove.",
)
@mask_options
@data_option
@click.option("--name", help="A name for the recipe.")
@click.option("--notes", help="Anything to remember with it.")
@click.option("--out", required=True, help="The YAML file to write.")
@model_options
@errors_as_sentences
def recipe(
    model: str,
    criterion: str,
    strategy: str | None,
    settings: tuple[str, ...],
    best: bool,
    wanted: float | None,
    options: MaskOptions,
    data: str,
    name: str | None,
    notes: str | None,
    out: str,
    how: dict[str, Any],
) -> None:
    """Write a recipe, for example with --set up=0.5 --set down@0-3=0.1, or --best --sparsity 0.5."""
    from pruning.engine.criteria import CRITERIA, LEARNT
    from pruning.engine.criteria import criterion as named_criterion
    from pruning.engine.masking.change import PruningSpec
    from pruning.tasks.context.context import groups_of
    from pruning.tasks.context.units import kept_units, share_gone

    _check_best(best, wanted, bool(settings or strategy))
    with terminal_progress() as progress:
        loaded = load(model, how, progress)
        if best and wanted is not None:
            from pruning.tasks.best import best_spec

            found = best_spec(loaded, Store(), progress, options, wanted, data)
            criterion, settings, options = found.criterion, found.settings, found.options
    groups = groups_of(loaded, options.structure)
    if strategy and options.whole:
        raise PruningError(f"Strategies are for weights. Say how many {options.structure} go with --set.")
    ready = parse_preset(strategy, groups) if strategy else {}
    plan = parse_settings([*format_settings(ready, groups), *settings], groups)
    made = Recipe.from_plan(
        plan,
        groups,
        reference=model,
        fingerprint=loaded.fingerprint,
        criterion=criterion,
        data=data,
        name=name,
        notes=notes,
        created=datetime.now(UTC).replace(microsecond=0),
        options=options,
        criteria=[*CRITERIA, *LEARNT],
    )
    kept: list[int] = []
    if options.whole:
        spec = PruningSpec(tuple(made.settings()), criterion, data, options)
        removed, kept = share_gone(loaded, spec), kept_units(loaded, spec)
    else:
        parameters = {(group.layer, group.kind): group.parameters for group in loaded.groups}
        levels = effective(plan, groups, scoped(options, named_criterion(criterion).scope))
        removed = sparsity(levels, parameters)
    write_text(out, made.dumps())
    result = {"out": out, "sparsity": removed, "settings": made.settings()}
    lines = figures(result, {"out": "recipe", "sparsity": "sparsity"})
    if kept:
        lines.append(f"{options.structure} that stay, by layer: {' '.join(map(str, kept))}")
    finish({**result, "kept": kept} if kept else result, lines)


def _check_best(best: bool, wanted: float | None, levels: bool) -> None:
    if best and wanted is None:
        raise PruningError("--best needs the share to remove: add --sparsity 0.5, for example.")
    if best and levels:
        raise PruningError("--best finds the levels itself. Leave --set and --strategy out.")
    if wanted is not None and not best:
        raise PruningError("--sparsity goes with --best. Set levels with --set, such as --set all=0.5.")


@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE")
@click.option("--out", required=True, help="The folder to write; it must not exist yet.")
@click.option("--masked", is_flag=True, help="Write the full-size model with zeros, whatever goes.")
@model_options
@errors_as_sentences
def export(model: str, recipe_file: str, out: str, masked: bool, how: dict[str, Any]) -> None:
    """Write the pruned model as a folder that from_pretrained loads, and check it by loading it.

    Without neurons, heads, KV groups or layers it is really smaller.
    """
    from pruning.engine.criteria import CRITERIA, LEARNT

    chosen = Recipe.load(recipe_file, [*CRITERIA, *LEARNT])
    with terminal_progress() as progress:
        loaded = load(model, how, progress)
        chosen.check_model(loaded.fingerprint)
        result = run_on(loaded, "export", progress, recipe=chosen.to_dict(), out=out, masked=masked)
    named = {
        "out": "model",
        "bytes": "bytes",
        "verified": "loaded again, equal logits",
        "kl": "measured KL",
        "perplexity": "measured perplexity",
    }
    finish(result, figures(result, named))
