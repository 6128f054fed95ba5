"""The command that counts outliers, for OWL's curve on the Optimize page."""

from typing import Any

import click

from pruning.cli.run import data_option, errors_as_sentences, finish, model_argument, model_options, run_task


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
