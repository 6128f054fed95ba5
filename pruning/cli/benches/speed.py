"""The benches of speed: times and what was written."""

from typing import Any

import click

from pruning.benchmarks.result_types import ExportsBench, LatencyBench, StreamingBench
from pruning.cli.benches.group import bench, markdown_option, publish, run
from pruning.cli.options import data_option, engine_options, errors_as_sentences, model_options, prints
from pruning.cli.run import figures, finish
from pruning.planning.exports.llamacpp import PYTORCH


@prints(LatencyBench)
@bench.command("latency")
@click.argument("model", default="demo")
@engine_options
@model_options
@markdown_option
@errors_as_sentences
def bench_latency(model: str, engine: str, quantize: str, how: dict[str, Any], markdown: str | None) -> None:
    """Race really narrower models against the dense one, and compare with the forecast from the table."""
    from pruning.benchmarks import latency as benches

    result, loaded = run(model, how, lambda session: benches.bench_latency(session, engine, quantize))
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    finish(result, figures(result, numbers))
    publish(markdown, "latency" if engine == PYTORCH else f"latency-{engine}", result, loaded)


@prints(ExportsBench)
@bench.command("exports")
@click.argument("model", default="demo")
@data_option
@model_options
@markdown_option
@errors_as_sentences
def bench_exports(model: str, data: str, how: dict[str, Any], markdown: str | None) -> None:
    """Write plans of every kind, and race what was written in PyTorch and in llama.cpp."""
    from pruning.benchmarks import exports as benches

    result, loaded = run(model, how, benches.bench_exports, data)
    lines = [
        f"{row['plan']:<42} writes {row['llamacpp_decode']:.2f} times as fast in llama.cpp"
        for row in result["rows"]
        if row["llamacpp_decode"] is not None
    ]
    finish(result, [*lines, *figures(result, {key: key for key in result if key != "rows"})])
    publish(markdown, "exports", result, loaded)


@prints(StreamingBench)
@bench.command("streaming")
@click.argument("folder", required=False, type=click.Path(file_okay=False))
@click.option("--tokens", default=2048, show_default=True, help="Read at most so many tokens of the text.")
@markdown_option
@errors_as_sentences
def bench_streaming(folder: str | None, tokens: int, markdown: str | None) -> None:
    """Take the peak memory of commands on a made-up model of 3 billion weights (6.4 GB), or on one's own."""
    from pruning.benchmarks.streaming import bench as benches

    result = benches.bench_streaming(folder, tokens, lambda line: click.echo(line, err=True))
    finish(result, [f"{row['command']:<30} {row['peak'] / 1e9:.2f} GB" for row in result["rows"]])
    model = folder or "made up, of the shape of Llama-3.2-3B"
    publish(markdown, "streaming", result, model=model)
