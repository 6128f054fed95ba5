"""Commands that look at a model: fetch the demo one, say what it is made of, how good it is, what it says."""

import json
from pathlib import Path
from typing import Any

import click

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
    run_recipe,
    run_task,
    settings_option,
    terminal_progress,
)
from pruning.errors import PruningError
from pruning.model_files.checkpoint import demo_folder
from pruning.planning.forecast.predict import SensitivityMap
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.workspace.results import ready_map
from pruning.workspace.store import Store


@click.command()
@click.option("--map", "with_map", is_flag=True, help="Also draw its map once, ready for the dashboard.")
@errors_as_sentences
def demo(with_map: bool) -> None:
    """Fetch the demo model (SmolLM2-135M-Instruct) once and print where it is."""
    path = demo_folder()
    # `make app` asks every time: what is there already should not wait for torch to be imported.
    if not path.is_dir():
        from pruning.engine.models.demo import demo_model

        with terminal_progress() as progress:
            path = demo_model(progress)
    origin = json.loads((path / "prunescope.json").read_text(encoding="utf-8"))["origin"]
    finish({"model": str(path), "origin": origin} | ({"map": str(_demo_map())} if with_map else {}))


def _demo_map() -> Path:
    """The demo model's map in the workspace; where there is none, the model is looked at and it is drawn."""
    store = Store()
    row = ready_map(store, "demo")
    if row is None:
        with terminal_progress() as progress:
            loaded = load("demo", {}, progress)
            run_on(loaded, "inspect", progress)
            return Path(run_on(loaded, "map", progress)["out"])
    path = store.file("map", row["key"], ".json")
    if not path.exists():  # it was drawn into a file elsewhere
        SensitivityMap.from_dict(row["value"]).save(path)
    return path


@click.command()
@model_argument
@model_options
@errors_as_sentences
def inspect(model: str, how: dict[str, Any]) -> None:
    """Say what a model is made of: its layers, and the groups that can be pruned."""
    result = run_task("inspect", model, how)
    finish(
        result,
        figures(
            result,
            {
                "architecture": "architecture",
                "parameters": "parameters",
                "prunable_parameters": "of these prunable",
                "layers": "layers",
                "fingerprint": "fingerprint",
            },
        ),
    )


@click.command()
@model_argument
@data_option
@model_options
@errors_as_sentences
def baseline(model: str, data: str, how: dict[str, Any]) -> None:
    """Measure the dense model: perplexity, accuracy, size and speed."""
    result = run_task("baseline", model, how, data=data)
    finish(
        result,
        figures(
            result,
            {
                "perplexity": "perplexity",
                "accuracy": "next-token accuracy",
                "probe_accuracy": "multiple-choice accuracy",
                "bytes": "bytes",
                "prefill_ms": "prefill, ms",
                "decode_ms": "decode, ms a token",
            },
        ),
    )


@click.command()
@model_argument
@click.option(
    "--prompt",
    "prompts",
    required=True,
    multiple=True,
    help="The text to answer; may be given several times.",
)
@settings_option
@criterion_option
@mask_options
@data_option
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1, 4096),
    default=40,
    show_default=True,
    help="How many tokens to add at most.",
)
@model_options
@errors_as_sentences
def generate(
    model: str,
    prompts: tuple[str, ...],
    settings: tuple[str, ...],
    criterion: str,
    options: MaskOptions,
    data: str,
    max_new_tokens: int,
    how: dict[str, Any],
) -> None:
    """Let the dense and the pruned model answer the same prompts, and say where they part."""
    result = run_task(
        "generate",
        model,
        how,
        prompts=list(prompts),
        plans=[list(settings)],
        criterion=criterion,
        data=data,
        max_new_tokens=max_new_tokens,
        **options.changed(),
    )
    finish(result, [line for row in result["answers"] for line in _told(row)])


def _told(row: dict[str, Any]) -> list[str]:
    place, kl = row["first_difference"], row["kl"]
    return [
        f"prompt  {row['prompt']}",
        f"dense   {row['dense']}",
        f"pruned  {row['pruned']}",
        f"parted  {'nowhere' if place is None else f'at token {place + 1} of {len(kl)}'}",
        f"KL      {sum(kl) / len(kl):.4g} nats per token on average, {max(kl):.4g} at most",
        "",
    ]


@click.command("early-exit")
@model_argument
@click.argument("recipe_file", metavar="[RECIPE]", required=False)
@click.option("--thresholds", help="How sure a token must be to leave, like 0.5,0.9.")
@click.option("--data", help="Text to score with; otherwise the recipe's, or demo.")
@model_options
@errors_as_sentences
def early_exit(
    model: str, recipe_file: str | None, thresholds: str | None, data: str | None, how: dict[str, Any]
) -> None:
    """Say how good the model is when left after each layer, or once it is sure; pruned, with a recipe."""
    arguments = {} if thresholds is None else {"thresholds": _numbers(thresholds)}
    result = run_recipe("early_exit", model, recipe_file, data, how, **arguments)
    lines = [f"after layer {row['depth']:>3}  {_quality(row)}" for row in result["depths"]]
    lines += [
        f"sure to {row['threshold']:<5.4g} {row['layers']:.1f} of {result['layers']} layers  {_quality(row)}"
        for row in result["sure"]
    ]
    finish(result, lines)


def _quality(row: dict[str, Any]) -> str:
    return f"KL {row['kl']:.4f}  perplexity {row['perplexity']:,.2f}  accuracy {row['accuracy']:.1%}"


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise PruningError(f'--thresholds: "{text}" is no list of numbers. Write 0.5,0.9 or so.') from None
