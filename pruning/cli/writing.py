"""Commands that write: a recipe, and the pruned model."""

from datetime import UTC, datetime
from typing import Any

import click

from pruning.cli.shared import (
    criterion_option,
    data_option,
    errors_as_sentences,
    figures,
    finish,
    load,
    mask_options,
    model_argument,
    model_options,
    run_on,
    settings_option,
    terminal_progress,
    write_text,
)
from pruning.options import Options, effective, scoped
from pruning.plan import format_settings, parse_settings, sparsity
from pruning.recipe import Recipe
from pruning.strategies import STRATEGIES, parse_strategy


@click.command()
@model_argument
@criterion_option
@click.option(
    "--strategy",
    metavar="NAME=LEVEL[,NUMBER=VALUE]",
    help=f"Start from a ready plan ({', '.join(STRATEGIES)}), like ramp=0.3,first_times=0; --set changes it.",
)
@settings_option
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
    options: Options,
    data: str,
    name: str | None,
    notes: str | None,
    out: str,
    how: dict[str, Any],
) -> None:
    """Write a recipe, for example with --set up=0.5 --set down@0-3=0.1, or --strategy guide=0.3."""
    from pruning.criteria import CRITERIA, LEARNT
    from pruning.criteria import criterion as named_criterion

    chosen = named_criterion(criterion)
    with terminal_progress() as progress:
        loaded = load(model, how, progress)
    parameters = {(group.layer, group.kind): group.parameters for group in loaded.groups}
    groups = list(parameters)
    ready = parse_strategy(strategy, groups) if strategy else {}
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
    removed = sparsity(effective(plan, groups, scoped(options, chosen.scope)), parameters)
    write_text(out, made.dumps())
    result = {"out": out, "sparsity": removed, "settings": made.settings()}
    finish(result, figures(result, {"out": "recipe", "sparsity": "sparsity"}))


@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE")
@click.option("--out", required=True, help="The folder to write; it must not exist yet.")
@model_options
@errors_as_sentences
def export(model: str, recipe_file: str, out: str, how: dict[str, Any]) -> None:
    """Write the pruned model as a folder that from_pretrained loads, and check it by loading it."""
    from pruning.criteria import CRITERIA, LEARNT

    chosen = Recipe.load(recipe_file, [*CRITERIA, *LEARNT])
    with terminal_progress() as progress:
        loaded = load(model, how, progress)
        chosen.check_model(loaded.fingerprint)
        result = run_on(loaded, "export", progress, recipe=chosen.to_dict(), out=out, name=None)
    named = {
        "out": "model",
        "bytes": "bytes",
        "verified": "loaded again, equal logits",
        "kl": "measured KL",
        "perplexity": "measured perplexity",
    }
    finish(result, figures(result, named))
