"""The command that says what jobs will take, before anything is loaded."""

from collections.abc import Mapping
from typing import Any

import click

from pruning.cli.options import errors_as_sentences, model_argument, prints
from pruning.cli.run import finish
from pruning.planning.cost.estimate.result import table_lines
from pruning.planning.cost.latency_table import processor
from pruning.wording import size
from pruning.workspace.result_types.estimate import EstimateResult
from pruning.workspace.store import Store


@prints(EstimateResult)
@click.command()
@model_argument
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Number format to compute in.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--tokens", type=click.IntRange(min=1), help="The most tokens of text; otherwise the usual.")
@click.option(
    "--markdown", help="Also put estimates of well-known models into this Markdown file, at the same speeds."
)
@errors_as_sentences
def estimate(model: str, dtype: str, device: str, tokens: int | None, markdown: str | None) -> None:
    """Say what maps, recipes, recovery and exports of a model will take here, before it is loaded.

    From the model's headers and a probe of five seconds: memory, disk and time of every job, in memory and
    streamed. MODEL may be a configuration as well: a file such as config.json.
    """
    from pruning.tasks.estimate import estimate as make

    result = make(model, Store(), dtype, device, tokens)
    finish(result, [*_about(result), "", *table_lines(result), "", result["summary"], *_sentences(result)])
    if markdown is not None:
        from pruning.benchmarks.markdown import Origin, publish

        place = f"{result['machine']['device']}, {processor()}"
        publish(markdown, "estimate", result, Origin.here(model, place))


def _about(result: Mapping[str, Any]) -> list[str]:
    machine, speeds = result["machine"], result["speeds"]
    cached = ", from memory" if speeds["cached"] else ""
    lines = [
        f"{result['parameters']:,} parameters in {result['layers']} layers, {size(result['file_bytes'])}",
        f"free: {size(machine['available'])} of {size(machine['memory'])} of memory, "
        f"{size(machine['disk'])} of disk",
        f"{speeds['operations'] / 1e9:,.0f} billion operations a second in {result['dtype']} on "
        f"{machine['device']}; reads {size(speeds['read'])} a second{cached}, writes {size(speeds['write'])}",
    ]
    if machine["device_available"] is not None:
        lines.append(
            f"{size(machine['device_available'])} of {size(machine['device_memory'])} free on the GPU"
        )
    if result["to_write"]:
        lines.append(f"Fetching or converting it writes {size(result['to_write'])} first")
    return lines


def _sentences(result: Mapping[str, Any]) -> list[str]:
    return [f"{row['job']}: {row['sentence']}" for row in result["jobs"] if row["sentence"]]
