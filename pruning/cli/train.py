"""Commands that train: a pruned model back towards the dense one."""

from typing import Any

import click

from pruning.cli.options import (
    criterion_option,
    data_option,
    errors_as_sentences,
    levels_option,
    mask_options,
    model_argument,
    model_options,
    prints,
    settings_option,
    training_options,
)
from pruning.cli.run import figures, finish, load, request_of, run_on, run_task, terminal_progress
from pruning.files import write_text
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_levels
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.training import Training
from pruning.workspace.result_types.training import LotteryResult, ProgressiveResult, RecoverResult


@prints(RecoverResult)
@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE")
@training_options
@click.option("--out", help="A YAML file to write: the recipe with this recovery, for measure and export.")
@model_options
@errors_as_sentences
def recover(
    model: str, recipe_file: str, training: dict[str, Any], out: str | None, how: dict[str, Any]
) -> None:
    """Prune as a recipe says and train what is left; goes on where it stopped.

    What is not given is as in the recipe's own recovery, if it has one. The dense model is not changed.
    The recovered weights stay in the workspace; a recipe written with --out is measured and exported with
    them.
    """
    from pruning.engine.criteria import CRITERIA, LEARNT

    recipe = Recipe.load(recipe_file, [*CRITERIA, *LEARNT])
    recovery = Training.of({**(recipe.recovery or {}), **training}).changed()
    arguments = {
        "settings": recipe.settings(),
        "criterion": recipe.criterion,
        "data": recipe.data.name,
        "recovery": recovery,
        **recipe.options().changed(),
    }
    with terminal_progress(request_of("recover", model, how, **arguments)) as progress:
        loaded = load(model, how, progress, "recover", arguments)
        recipe.check_model(loaded.fingerprint, loaded.computed)
        result = run_on(loaded, "recover", progress, **arguments)
    if out is not None:
        write_text(out, Recipe.from_dict({**recipe.to_dict(), "recovery": recovery}).dumps())
        result = {**result, "recipe": out}
    finish(result, recovery_lines(result))


@prints(ProgressiveResult)
@click.command()
@model_argument
@criterion_option
@levels_option
@click.option("--max-kl", type=float, help="Stop at the first level with a greater KL, in nats per token.")
@click.option("--max-perplexity", type=float, help="Stop at the first level with a greater perplexity.")
@click.option(
    "--recover", "recovered", is_flag=True, help="Train a level that goes over, as the options below say."
)
@training_options
@data_option
@mask_options
@model_options
@errors_as_sentences
def progressive(
    model: str, how: dict[str, Any], options: MaskOptions, training: dict[str, Any], **request: Any
) -> None:
    """Measure level after level, and stop where quality leaves a budget."""
    recovery = Training.of(training).changed() if request.pop("recovered") else None
    arguments = {**request, "levels": parse_levels(request["levels"]), "recovery": recovery}
    result = run_task("progressive", model, how, **arguments, **options.changed())
    lines = [
        f"level {row['level']:.3g}  KL {row['kl']:.4f}  perplexity {row['perplexity']:.2f}"
        f"{'  (recovered)' if row['recovered'] else ''}"
        for row in result["rows"]
    ]
    finish(result, lines)


@prints(LotteryResult)
@click.command()
@model_argument
@settings_option
@click.option("--rounds", type=int, default=3, show_default=True, help="How often to train and prune.")
@click.option(
    "--rewind", type=int, default=0, show_default=True, help="The step of the first round to go back to."
)
@training_options
@data_option
@model_options
@errors_as_sentences
def lottery(model: str, how: dict[str, Any], training: dict[str, Any], **request: Any) -> None:
    """Find a lottery ticket (train, prune, rewind, repeat), with a random one beside it as the control.

    The loss is the text's (task) unless another is named.
    """
    arguments = {**request, "settings": list(request["settings"]), "recovery": training}
    result = run_task("lottery", model, how, **arguments)
    lines = [
        f"{name:<10} perplexity {result[name]['perplexity']:>10.2f}  accuracy {result[name]['accuracy']:.1%}"
        for name in ("untrained", "dense", "ticket", "random")
    ]
    finish(result, lines)


def recovery_lines(result: dict[str, Any]) -> list[str]:
    """A line for each of dense, pruned and recovered, and how much of the loss was won back."""
    lines = [f"{'':<10} {'KL':>9} {'perplexity':>11} {'same token':>11} {'accuracy':>9}"]
    for name in ("dense", "pruned", "recovered"):
        row = result[name]
        if row is not None:
            lines.append(
                f"{name:<10} {row['kl']:>9.4f} {row['perplexity']:>11.2f} {row['agreement']:>11.1%} "
                f"{row['accuracy']:>9.1%}"
            )
    if result["refitted"]:
        before, after = (look["kl"] for look in result["looks"][:2])
        lines.append(
            f"fitting what stays took KL from {before:.4f} to {after:.4f} before the first step, on text "
            "kept back from training"
        )
    fraction = result["won_back"]
    lines += [] if fraction is None else [f"{fraction:.1%} of the KL that pruning cost was won back"]
    return lines + figures(result, {"steps": "steps", "best_step": "best after step", "out": "weights"})
