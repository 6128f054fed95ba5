"""Commands that train: a pruned model back towards the dense one."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from pruning.cli.evaluate import levels_option
from pruning.cli.run import (
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
    run_task,
    settings_option,
    terminal_progress,
)
from pruning.files import write_text
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_levels
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.schedules import SCHEDULES
from pruning.planning.recipe.training import DECAYS, LOSSES, Training

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
    "refit": "First fit the weights that stay to what the dense model computes, where all goes at once.",
    "schedule": f"When weights go: {', '.join(SCHEDULES)}.",
    "prune_steps": "Steps until all of the recipe is gone; otherwise half of them.",
    "prune_every": "Steps between prunings on the way.",
    "written": "Windows that the dense model writes, to learn from too; else what is lacking, up to 1,024.",
    "seed": "Draws the order of the text.",
}


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each setting of training; what was not given is None."""
    for field in reversed(fields(Training)):
        name = f"--{field.name.replace('_', '-')}"
        if type(field.default) is bool:
            both = f"{name}/--no-{field.name.replace('_', '-')}"
            command = click.option(both, default=None, help=_HELP[field.name])(command)
            continue
        kind = float if type(field.default) is float else str if type(field.default) is str else int
        told = "" if field.default is None else f" [default: {field.default}]"
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
    from pruning.engine.criteria import CRITERIA, LEARNT

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
    finish(result, told(result))


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
@mask_options
@data_option
@model_options
@errors_as_sentences
def progressive(
    model: str,
    criterion: str,
    levels: str,
    max_kl: float | None,
    max_perplexity: float | None,
    recovered: bool,
    options: MaskOptions,
    data: str,
    how: dict[str, Any],
    **given: Any,
) -> None:
    """Measure level after level, and stop where quality leaves a budget."""
    chosen = {name: value for name, value in given.items() if value is not None}
    result = run_task(
        "progressive",
        model,
        how,
        levels=parse_levels(levels),
        max_kl=max_kl,
        max_perplexity=max_perplexity,
        criterion=criterion,
        data=data,
        recovery=Training.of(chosen).changed() if recovered else None,
        **options.changed(),
    )
    lines = [
        f"level {row['level']:.3g}  KL {row['kl']:.4f}  perplexity {row['perplexity']:.2f}"
        f"{'  (recovered)' if row['recovered'] else ''}"
        for row in result["rows"]
    ]
    finish(result, lines)


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
def lottery(
    model: str,
    settings: tuple[str, ...],
    rounds: int,
    rewind: int,
    data: str,
    how: dict[str, Any],
    **given: Any,
) -> None:
    """Find a lottery ticket (train, prune, rewind, repeat), with a random one beside it as the control.

    The loss is the text's (task) unless another is named.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    result = run_task(
        "lottery",
        model,
        how,
        settings=list(settings),
        rounds=rounds,
        rewind=rewind,
        data=data,
        recovery=chosen,
    )
    lines = [
        f"{name:<10} perplexity {result[name]['perplexity']:>10.2f}  accuracy {result[name]['accuracy']:.1%}"
        for name in ("untrained", "dense", "ticket", "random")
    ]
    finish(result, lines)


def told(result: dict[str, Any]) -> list[str]:
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
    won = result["won_back"]
    lines += [] if won is None else [f"{won:.1%} of the KL that pruning cost was won back"]
    return lines + figures(result, {"steps": "steps", "best_step": "best after step", "out": "weights"})
