"""The benches of maps, methods and forecasts."""

from typing import Any

import click

from pruning.benchmarks.result_types import (
    ForecastBench,
    MapBench,
    MasksBench,
    MixedBench,
    SolverBench,
    StructuredBench,
    VerdictBench,
)
from pruning.cli.benches.group import bench, markdown_option, publish, run
from pruning.cli.options import Ray, data_option, errors_as_sentences, model_options, prints, ray_options
from pruning.cli.run import figures, finish


@prints(MapBench)
@bench.command("map")
@click.argument("model", default="demo")
@ray_options
@model_options
@markdown_option
@errors_as_sentences
def bench_map(model: str, how: dict[str, Any], ray: Ray | None, markdown: str | None) -> None:
    """Time a full map in dense forward passes, and compare its order with measured points."""
    from pruning.benchmarks import map as benches

    result, loaded = run(model, how, benches.bench_map, ray=ray)
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    parts = figures(result["parts"], {name: f"  {name}" for name in result["parts"]})
    finish(result, figures(result, numbers) + parts)
    publish(markdown, "map", result, loaded)


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

    result, loaded = run(model, how, lambda session: benches.bench_masks(session, sparsity), data)
    finish(result, figures(result, {key: key for key, value in result.items() if isinstance(value, float)}))
    publish(markdown, "masks", result, loaded)


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

    result, loaded = run(model, how, benches.bench_structured, data)
    lines = [
        f"{row['structure']:<8} {row['method']:<16} KL {row['kl']:.4f}  perplexity {row['perplexity']:.1f}"
        for row in result["rows"]
    ]
    ratios = {key: key for key, value in result.items() if isinstance(value, float)}
    finish(result, [*lines, *figures(result, ratios)])
    publish(markdown, "structured", result, loaded)


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

    result, loaded = run(model, how, benches.bench_verdict, data)
    finish(result, [line for row in result["rows"] for line in _behaving(row)])
    publish(markdown, "verdict", result, loaded)


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

    result, loaded = run(model, how, benches.bench_solver, data)
    lines = [
        f"{row['case']:<14} {row['method']:<8} sparsity {row['sparsity']:.4f}  measured KL {row['kl']:.4f}  "
        f"forecast {row['forecast']:.4f}"
        for row in result["rows"]
    ]
    finish(result, [*lines, *figures(result, {key: key for key in result if key != "rows"})])
    publish(markdown, "solver", result, loaded)


@prints(ForecastBench)
@bench.command("forecast")
@click.argument("model", default="demo")
@click.option(
    "--mixed", is_flag=True, help="Recipes that prune units and weights together, in place of the others."
)
@data_option
@ray_options
@model_options
@markdown_option
@errors_as_sentences
def bench_forecast(
    model: str, mixed: bool, data: str, how: dict[str, Any], ray: Ray | None, markdown: str | None
) -> None:
    """Compare forecasts of recipes of many kinds with measurements of them."""
    from pruning.benchmarks.forecast import bench as benches

    cases = benches.MIXED_CASES if mixed else benches.CASES
    result, loaded = run(model, how, lambda session: benches.bench_forecast(session, cases), data, ray)
    numbers = {key: key for key, value in result.items() if isinstance(value, int | float)}
    lines = [
        f"{name:<12} {row['recipes']:>3} recipes  median error {row['median_error']:6.1%}  "
        f"90th percentile {row['p90_error']:6.1%}  inside the band {row['coverage_80']:4.0%}"
        for part in ("kinds", "criteria")
        for name, row in result[part].items()
        if row["recipes"]
    ]
    finish(result, [*lines, *figures(result, numbers)])
    publish(markdown, "forecast-mixed" if mixed else "forecast", result, loaded)


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

    result, loaded = run(model, how, benches.bench_mixed, data)
    lines = [
        f"{row['case']:<16} {row['method']:<22} KL {row['kl']:.4f}  reached {row['reached']:.3f}"
        + ("" if row["meets"] else "  falls short")
        for row in result["rows"]
        if row["kl"] is not None
    ]
    finish(result, [*lines, *figures(result, {key: key for key in result if key != "rows"})])
    publish(markdown, "mixed", result, loaded)
