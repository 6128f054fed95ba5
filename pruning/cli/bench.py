"""The benches."""

from typing import Any

import click

from pruning.cli.options import data_option, errors_as_sentences, model_options
from pruning.cli.run import figures, finish, load, terminal_progress
from pruning.workspace.store import Store


@click.group()
def bench() -> None:
    """Check the forecast against measurements, and time it and the dashboard."""


@bench.command("map")
@click.argument("model", default="demo")
@model_options
@errors_as_sentences
def bench_map(model: str, how: dict[str, Any]) -> None:
    """Time a full map in dense forward passes, and compare its order with measured points."""
    from pruning.benchmarks import map as benches
    from pruning.tasks import Session

    with terminal_progress() as progress:
        result = benches.bench_map(Session(load(model, how, progress), Store(), progress=progress))
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    finish(result, figures(result, numbers))


@bench.command("masks")
@click.argument("model", default="demo")
@click.option(
    "--sparsity", type=float, default=0.5, show_default=True, help="The share of weights to remove."
)
@data_option
@model_options
@errors_as_sentences
def bench_masks(model: str, sparsity: float, data: str, how: dict[str, Any]) -> None:
    """Measure what half of the weights cost, by magnitude, Wanda, SparseGPT and our best recipe."""
    from pruning.benchmarks import methods as benches
    from pruning.tasks import Session

    with terminal_progress() as progress:
        session = Session(load(model, how, progress), Store(), data, progress)
        result = benches.bench_masks(session, sparsity)
    finish(result, figures(result, {key: key for key, value in result.items() if isinstance(value, float)}))


@bench.command("structured")
@click.argument("model", default="demo")
@data_option
@model_options
@errors_as_sentences
def bench_structured(model: str, data: str, how: dict[str, Any]) -> None:
    """Measure what a fifth of the neurons, and two of nine heads, cost by method."""
    from pruning.benchmarks import methods as benches
    from pruning.tasks import Session

    with terminal_progress() as progress:
        result = benches.bench_structured(Session(load(model, how, progress), Store(), data, progress))
    lines = [
        f"{row['structure']:<8} {row['method']:<16} KL {row['kl']:.4f}  perplexity {row['perplexity']:.1f}"
        for row in result["rows"]
    ]
    ratios = {key: key for key, value in result.items() if isinstance(value, float)}
    finish(result, [*lines, *figures(result, ratios)])


@bench.command("solver")
@click.argument("model", default="demo")
@data_option
@model_options
@errors_as_sentences
def bench_solver(model: str, data: str, how: dict[str, Any]) -> None:
    """Time the solver, and measure its plans beside uniform levels, OWL and greedy steps."""
    from pruning.benchmarks import solver as benches
    from pruning.tasks import Session

    with terminal_progress() as progress:
        result = benches.bench_solver(Session(load(model, how, progress), Store(), data, progress))
    lines = [
        f"{row['case']:<14} {row['method']:<8} sparsity {row['sparsity']:.4f}  measured KL {row['kl']:.4f}  "
        f"forecast {row['forecast']:.4f}"
        for row in result["rows"]
    ]
    finish(result, [*lines, *figures(result, {key: key for key in result if key != "rows"})])


@bench.command("forecast")
@click.argument("model", default="demo")
@data_option
@model_options
@errors_as_sentences
def bench_forecast(model: str, data: str, how: dict[str, Any]) -> None:
    """Compare forecasts of recipes of many kinds with measurements of them."""
    from pruning.benchmarks import forecast as benches
    from pruning.tasks import Session

    with terminal_progress() as progress:
        result = benches.bench_forecast(Session(load(model, how, progress), Store(), data, progress))
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    lines = [
        f"{name:<12} {row['recipes']:>3} recipes  median error {row['median_error']:6.1%}  "
        f"90th percentile {row['p90_error']:6.1%}  inside the band {row['coverage_80']:4.0%}"
        for part in ("kinds", "criteria")
        for name, row in result[part].items()
        if row["recipes"]
    ]
    finish(result, [*lines, *figures(result, numbers)])


@bench.command("ui")
@errors_as_sentences
def bench_ui() -> None:
    """Time the dashboard in a real browser: dragging, painting, releasing, switching pages."""
    from pruning.benchmarks import dashboard as benches

    with terminal_progress() as progress:
        result = benches.bench_ui(progress)
    finish(result, figures(result, {key: key for key in result}))


@bench.command("latency")
@click.argument("model", default="demo")
@model_options
@errors_as_sentences
def bench_latency(model: str, how: dict[str, Any]) -> None:
    """Race really narrower models against the dense one, and compare with the forecast from the table."""
    from pruning.benchmarks import latency as benches
    from pruning.tasks import Session

    with terminal_progress() as progress:
        result = benches.bench_latency(Session(load(model, how, progress), Store(), progress=progress))
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    finish(result, figures(result, numbers))
