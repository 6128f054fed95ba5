"""Commands that train: a pruned model back towards the dense one."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from pruning.cli.shared import (
    errors_as_sentences,
    figures,
    finish,
    load,
    model_argument,
    model_options,
    run_on,
    terminal_progress,
    write_text,
)
from pruning.recipe import Recipe
from pruning.schedules import SCHEDULES
from pruning.training import DECAYS, LOSSES, Training

_HELP = {
    "steps": "Steps of the optimizer.",
    "loss": f"What to learn from: {', '.join(LOSSES)} (the dense model, the text, both).",
    "learning_rate": "The highest learning rate.",
    "warmup": "Steps until the learning rate is reached.",
    "decay": f"What the learning rate does then: {', '.join(DECAYS)}.",
    "batch": "Windows of 256 tokens that are trained on together.",
    "accumulate": "Batches in a step.",
    "clip": "The longest gradient.",
    "temperature": "How much the dense model's predictions are softened.",
    "hidden": "Weight of following the dense model's states between layers too (0: not).",
    "lora": "Rank of low-rank updates, instead of training whole weights (0: whole weights).",
    "evaluate_every": "Steps between looks at quality.",
    "patience": "Looks without a better one before training stops (0: never).",
    "schedule": f"When weights go: {', '.join(SCHEDULES)}.",
    "prune_steps": "Steps until all of the recipe is gone; otherwise half of them.",
    "prune_every": "Steps between prunings on the way.",
    "seed": "Draws the order of the text.",
}


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each setting of training; what was not given is None."""
    for field in reversed(fields(Training)):
        kind = float if type(field.default) is float else str if type(field.default) is str else int
        told = "" if field.default is None else f" [default: {field.default}]"
        name = f"--{field.name.replace('_', '-')}"
        command = click.option(name, type=kind, help=_HELP[field.name] + told)(command)
    return command


@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE")
@training_options
@click.option("--out", help="A YAML file to write: the recipe with this recovery, for measure and export.")
@model_options
@errors_as_sentences
def recover(model: str, recipe_file: str, out: str | None, how: dict[str, Any], **given: Any) -> None:
    """Prune as a recipe says and train what is left; goes on where it stopped.

    What is not given is as in the recipe's own recovery, if it has one. The dense model is not changed.
    The recovered weights stay in the workspace; a recipe written with --out is measured and exported with
    them.
    """
    from pruning.criteria import CRITERIA, LEARNT

    recipe = Recipe.load(recipe_file, [*CRITERIA, *LEARNT])
    chosen = {name: value for name, value in given.items() if value is not None}
    training = Training.of({**(recipe.recovery or {}), **chosen}).changed()
    with terminal_progress() as progress:
        loaded = load(model, how, progress)
        recipe.check_model(loaded.fingerprint)
        result = run_on(
            loaded,
            "recover",
            progress,
            settings=recipe.settings(),
            criterion=recipe.criterion,
            data=recipe.data.name,
            recovery=training,
            **recipe.options().changed(),
        )
    if out is not None:
        write_text(out, Recipe.from_dict({**recipe.to_dict(), "recovery": training}).dumps())
        result = {**result, "recipe": out}
    finish(result, _told(result))


def _told(result: dict[str, Any]) -> list[str]:
    """A line for each of dense, pruned and recovered, and how much of the loss was won back."""
    lines = [f"{'':<10} {'KL':>9} {'perplexity':>11} {'same token':>11} {'accuracy':>9}"]
    for name in ("dense", "pruned", "recovered"):
        row = result[name]
        if row is not None:
            lines.append(
                f"{name:<10} {row['kl']:>9.4f} {row['perplexity']:>11.2f} {row['agreement']:>11.1%} "
                f"{row['accuracy']:>9.1%}"
            )
    won = result["won_back"]
    lines += [] if won is None else [f"{won:.1%} of the KL that pruning cost was won back"]
    return lines + figures(result, {"steps": "steps", "best_step": "best after step", "out": "weights"})
