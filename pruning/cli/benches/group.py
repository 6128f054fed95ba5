"""The group of the benches, and what they share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pruning.cli.options import Ray
from pruning.cli.run import load, sharing, terminal_progress
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


def publish(
    markdown: str | None,
    name: str,
    result: dict[str, Any],
    loaded: "Loaded | None" = None,
    model: str = "made-up maps",
) -> None:
    """Write the result to the Markdown file, if one was named.

    `model`: what it is about where none is `loaded`.
    """
    if markdown is None:
        return
    from pruning.benchmarks.markdown import Origin, publish

    if loaded is None:
        from pruning.planning.cost.latency_table import processor

        origin = Origin.here(model, processor())
    else:
        from pruning.engine.evaluation.timing import machine

        model = f"{loaded.reference}, {loaded.fingerprint[:12]}"
        origin = Origin.here(model, f"{loaded.device}, {machine()}")
    publish(markdown, name, result, origin)


def run(
    model: str,
    how: dict[str, Any],
    measure: Callable[["Session"], dict[str, Any]],
    data: str = "demo",
    ray: Ray | None = None,
) -> tuple[dict[str, Any], "Loaded"]:
    """What a bench returns of a model, which is loaded for it, and the model. `ray` shares the measuring."""
    from pruning.tasks import Session

    with terminal_progress() as progress, sharing(ray, how) as each:
        loaded = load(model, how, progress)
        return measure(Session(loaded, Store(), data, progress, each=each)), loaded
