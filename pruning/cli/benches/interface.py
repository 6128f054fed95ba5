"""The benches of the dashboard, and what it shows before there is anything of one's own."""

from pathlib import Path
from typing import Any

import click

from pruning.benchmarks.result_types import DashboardBench, GalleryBench, JourneyBench
from pruning.cli.benches.group import bench, markdown_option, publish, run
from pruning.cli.options import data_option, errors_as_sentences, model_options, prints
from pruning.cli.run import figures, finish, terminal_progress


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
    publish(markdown, "ui", result)


@prints(JourneyBench)
@bench.command("journey")
@click.option("--pictures", type=click.Path(file_okay=False), help="A folder for a picture of each step.")
@markdown_option
@errors_as_sentences
def bench_journey(pictures: str | None, markdown: str | None) -> None:
    """Click a newcomer's way from Start to written models and a report, in a real browser; time each step."""
    from pruning.benchmarks.interface import journey as benches

    with terminal_progress() as progress:
        result = benches.bench_journey(progress, None if pictures is None else Path(pictures))
    finish(result, figures(result, {key: key for key in result}))
    publish(markdown, "journey", result)


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

    result, _ = run(model, how, lambda session: benches.bench_gallery(session, out), data)
    finish(result, figures(result, {key: key for key in result}))
