"""The command that takes the measurements a forecast learns most from."""

from typing import Any

import click

from pruning.cli.run import (
    criterion_option,
    data_option,
    errors_as_sentences,
    figures,
    finish,
    model_argument,
    model_options,
    run_task,
)
from pruning.planning.recipe.mask_options import DEFAULT


@click.command()
@model_argument
@criterion_option
@click.option(
    "--structure",
    default=DEFAULT.structure,
    show_default=True,
    help="unstructured, or whole units: neurons, heads, kv_groups.",
)
@data_option
@model_options
@errors_as_sentences
def teach(model: str, criterion: str, structure: str, data: str, how: dict[str, Any]) -> None:
    """Measure up to six plans from which the forecast learns most; goes on where it stopped."""
    result = run_task("teach", model, how, criterion=criterion, structure=structure, data=data)
    lines = [
        f"KL {kl:<8.4g}  {', '.join(settings)}"
        for settings, kl in zip(result["plans"], result["kls"], strict=True)
    ]
    named = {"measured": "measured now", "kappa": "kappa", "beta": "beta", "spread": "spread of log KL"}
    finish(result, [*lines, *figures(result, named)])
