"""The benches."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pruning.benchmarks.result_types import (
    DashboardBench,
    ExportsBench,
    ForecastBench,
    GalleryBench,
    LatencyBench,
    MapBench,
    MasksBench,
    MixedBench,
    SolverBench,
    StructuredBench,
    VerdictBench,
)
from pruning.cli.options import data_option, engine_options, errors_as_sentences, model_options, prints
from pruning.cli.run import figures, finish, load, terminal_progress
from pruning.planning.exports.llamacpp import PYTORCH
from pruning.workspace.store import Store

if TYPE_CHECKING:
    from pruning.engine.models.load import Loaded
    from pruning.tasks import Session


@click.group()
def bench() -> None:
    """Check the forecast against measurements, and time it and the dashboard."""


markdown_option = click.option(
    "--markdown",
    type=click.Path(dir_okay=False),
    help="Also write the figures to this Markdown file, in place of those this bench wrote there before.",
)


def _publish(markdown: str | None, name: str, result: dict[str, Any], loaded: "Loaded | None" = None) -> None:
    """Write the result to the Markdown file, if one was named; without a model it is about made-up maps."""
    if markdown is None:
        return
    from pruning.benchmarks.markdown import Origin, publish

    if loaded is None:
        from pruning.planning.cost.latency_table import processor

        origin = Origin.here("made-up maps", processor())
    else:
        from pruning.engine.evaluation.timing import machine

        model = f"{loaded.reference}, {loaded.fingerprint[:12]}"
        origin = Origin.here(model, f"{loaded.device}, {machine()}")
    publish(markdown, name, result, origin)


def _run(
    model: str, how: dict[str, Any], run: Callable[["Session"], dict[str, Any]], data: str = "demo"
) -> tuple[dict[str, Any], "Loaded"]:
    """What a bench returns of a model, which is loaded for it, and the model."""
    from pruning.tasks import Session

    with terminal_progress() as progress:
        loaded = load(model, how, progress)
        return run(Session(loaded, Store(), data, progress)), loaded


@prints(MapBench)
@bench.command("map")
@click.argument("model", default="demo")
@model_options
@markdown_option
@errors_as_sentences
def bench_map(model: str, how: dict[str, Any], markdown: str | None) -> None:
    """Time a full map in dense forward passes, and compare its order with measured points."""
    from pruning.benchmarks import map as benches

    result, loaded = _run(model, how, benches.bench_map)
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    finish(result, figures(result, numbers))
    _publish(markdown, "map", result, loaded)


@prints(MasksBench)
@bench.command("masks")
@click.argument("model", default="demo")
@click.option(
    "--sparsity", type=float, default=0.5, show_default=True, help="The share of weights to remove."
)
@data_option
@model_options
@markdown_option
@errors_as_sentences
def bench_masks(model: str, sparsity: float, data: str, how: dict[str, Any], markdown: str | None) -> None:
    """Measure what half of the weights cost, by magnitude, Wanda, SparseGPT and our best recipe."""
    from pruning.benchmarks import methods as benches

    result, loaded = _run(model, how, lambda session: benches.bench_masks(session, sparsity), data)
    finish(result, figures(result, {key: key for key, value in result.items() if isinstance(value, float)}))
    _publish(markdown, "masks", result, loaded)


@prints(StructuredBench)
@bench.command("structured")
@click.argument("model", default="demo")
@data_option
@model_options
@markdown_option
@errors_as_sentences
def bench_structured(model: str, data: str, how: dict[str, Any], markdown: str | None) -> None:
    """Measure what a fifth of the neurons, and two of nine heads, cost by method."""
    from pruning.benchmarks import methods as benches

    result, loaded = _run(model, how, benches.bench_structured, data)
    lines = [
        f"{row['structure']:<8} {row['method']:<16} KL {row['kl']:.4f}  perplexity {row['perplexity']:.1f}"
        for row in result["rows"]
    ]
    ratios = {key: key for key, value in result.items() if isinstance(value, float)}
    finish(result, [*lines, *figures(result, ratios)])
    _publish(markdown, "structured", result, loaded)


@prints(VerdictBench)
@bench.command("verdict")
@click.argument("model", default="demo")
@data_option
@model_options
@markdown_option
@errors_as_sentences
def bench_verdict(model: str, data: str, how: dict[str, Any], markdown: str | None) -> None:
    """Measure how plans of many kinds answer, with the verdict on each; what was measured is used again."""
    from pruning.benchmarks import methods as benches

    result, loaded = _run(model, how, benches.bench_verdict, data)
    finish(result, [line for row in result["rows"] for line in _behaving(row)])
    _publish(markdown, "verdict", result, loaded)


def _behaving(row: dict[str, Any]) -> list[str]:
    """One plan's figures in a line, and its answer that shows best what pruning did."""
    name = f"{row['criterion']}, {row['plan']}"
    if not row["prompts"]:
        return [f"{name}: KL {row['kl']:.3f}, {row['verdict']}; the model cannot answer the prompts"]
    line = (
        f"{name:<36} KL {row['kl']:6.3f}  {row['repeating']:>2} repeat  {row['cut_short']:>2} break off  "
        f"{row['early']:>2} part early, of {row['prompts']}  {row['questions_lost']:>3} questions lost of "
        f"{row['questions_right']}  {row['verdict']}"
    )
    answers = [f"    {who}: {' '.join(row['example'][who].split())}" for who in ("prompt", "dense", "pruned")]
    return [line, *answers]


@prints(SolverBench)
@bench.command("solver")
@click.argument("model", default="demo")
@data_option
@model_options
@markdown_option
@errors_as_sentences
def bench_solver(model: str, data: str, how: dict[str, Any], markdown: str | None) -> None:
    """Time the solver, and measure its plans beside uniform levels, OWL and greedy steps."""
    from pruning.benchmarks import solver as benches

    result, loaded = _run(model, how, benches.bench_solver, data)
    lines = [
        f"{row['case']:<14} {row['method']:<8} sparsity {row['sparsity']:.4f}  measured KL {row['kl']:.4f}  "
        f"forecast {row['forecast']:.4f}"
        for row in result["rows"]
    ]
    finish(result, [*lines, *figures(result, {key: key for key in result if key != "rows"})])
    _publish(markdown, "solver", result, loaded)


@prints(ForecastBench)
@bench.command("forecast")
@click.argument("model", default="demo")
@click.option(
    "--mixed", is_flag=True, help="Recipes that prune units and weights together, in place of the others."
)
@data_option
@model_options
@markdown_option
@errors_as_sentences
def bench_forecast(model: str, mixed: bool, data: str, how: dict[str, Any], markdown: str | None) -> None:
    """Compare forecasts of recipes of many kinds with measurements of them."""
    from pruning.benchmarks.forecast import bench as benches

    cases = benches.MIXED_CASES if mixed else benches.CASES
    result, loaded = _run(model, how, lambda session: benches.bench_forecast(session, cases), data)
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    lines = [
        f"{name:<12} {row['recipes']:>3} recipes  median error {row['median_error']:6.1%}  "
        f"90th percentile {row['p90_error']:6.1%}  inside the band {row['coverage_80']:4.0%}"
        for part in ("kinds", "criteria")
        for name, row in result[part].items()
        if row["recipes"]
    ]
    finish(result, [*lines, *figures(result, numbers)])
    _publish(markdown, "forecast-mixed" if mixed else "forecast", result, loaded)


@prints(MixedBench)
@bench.command("mixed")
@click.argument("model", default="demo")
@data_option
@model_options
@markdown_option
@errors_as_sentences
def bench_mixed(model: str, data: str, how: dict[str, Any], markdown: str | None) -> None:
    """Measure what the same saving costs by mixed plans, by one kind of unit alone and by the guide.

    Speed is raced with the really smaller models. What is measured is kept in the workspace: a run that was
    stopped goes on where it was.
    """
    from pruning.benchmarks.mixed import bench as benches

    result, loaded = _run(model, how, benches.bench_mixed, data)
    lines = [
        f"{row['case']:<16} {row['method']:<22} KL {row['kl']:.4f}  reached {row['reached']:.3f}"
        + ("" if row["meets"] else "  falls short")
        for row in result["rows"]
        if row["kl"] is not None
    ]
    finish(result, [*lines, *figures(result, {key: key for key in result if key != "rows"})])
    _publish(markdown, "mixed", result, loaded)


@prints(DashboardBench)
@bench.command("ui")
@markdown_option
@errors_as_sentences
def bench_ui(markdown: str | None) -> None:
    """Time the dashboard in a real browser: dragging, painting, releasing, switching pages."""
    from pruning.benchmarks.interface import dashboard as benches

    with terminal_progress() as progress:
        result = benches.bench_ui(progress)
    finish(result, figures(result, {key: key for key in result}))
    _publish(markdown, "ui", result)


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

    result, loaded = _run(model, how, lambda session: benches.bench_latency(session, engine, quantize))
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    finish(result, figures(result, numbers))
    _publish(markdown, "latency" if engine == PYTORCH else f"latency-{engine}", result, loaded)


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

    result, loaded = _run(model, how, benches.bench_exports, data)
    lines = [
        f"{row['plan']:<42} writes {row['llamacpp_decode']:.2f} times as fast in llama.cpp"
        for row in result["rows"]
        if row["llamacpp_decode"] is not None
    ]
    finish(result, [*lines, *figures(result, {key: key for key in result if key != "rows"})])
    _publish(markdown, "exports", result, loaded)


@prints(GalleryBench)
@bench.command("gallery")
@click.argument("model", default="demo")
@click.option("--out", type=click.Path(dir_okay=False), help="The file; otherwise one in the workspace.")
@data_option
@model_options
@errors_as_sentences
def bench_gallery(model: str, out: str | None, data: str, how: dict[str, Any]) -> None:
    """Measure what pages show of a model before its user has; a run that was stopped goes on where it was."""
    from pruning.benchmarks.gallery import bench as benches

    result, _ = _run(model, how, lambda session: benches.bench_gallery(session, out), data)
    finish(result, figures(result, {key: key for key in result}))
