"""What every command does: load the model and run a task, with progress, and end with a line of JSON."""

import json
import math
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from pruning.jobs.eta import TimeLeft
from pruning.progress import Progress
from pruning.workspace.store import Store

if TYPE_CHECKING:
    from pruning.engine.models.load import Loaded

# Labels of sizes: first what an ordinary export writes.
SIZES = {"file_bytes": "bytes of the model folder", "bytes": "bytes as a compact file"}
SPARSE_SECONDS = 5.0
TTY_SECONDS = 0.1


def load(model: str, how: Mapping[str, Any], progress: Progress) -> "Loaded":
    """Load a model; imported here because torch takes seconds to import."""
    from transformers.utils import logging

    from pruning.engine.models import load as models

    # Its bars would be drawn over ours.
    logging.disable_progress_bar()
    return models.load(model, **how, progress=progress)


def run_task(task: str, model: str, how: Mapping[str, Any], /, **arguments: Any) -> dict[str, Any]:
    """Load the model and run one of `pruning.tasks` on it, with the workspace and progress on stderr."""
    with terminal_progress() as progress:
        return run_on(load(model, how, progress), task, progress, **arguments)


def run_recipe(
    task: str,
    model: str,
    recipe_file: str | None,
    data: str | None,
    how: Mapping[str, Any],
    /,
    **arguments: Any,
) -> dict[str, Any]:
    """Load the model and run a task on it pruned as a recipe says, or dense where there is none."""
    from pruning.engine.criteria import CRITERIA, LEARNT
    from pruning.planning.recipe.recipe import Recipe

    if recipe_file is None:
        return run_task(task, model, how, data=data or "demo", **arguments)
    recipe = Recipe.load(recipe_file, [*CRITERIA, *LEARNT])
    with terminal_progress() as progress:
        loaded = load(model, how, progress)
        recipe.check_model(loaded.fingerprint)
        return run_on(
            loaded,
            task,
            progress,
            settings=recipe.settings(),
            criterion=recipe.criterion,
            data=data or recipe.data.name,
            recovery=recipe.recovery,
            **recipe.options().changed(),
            **arguments,
        )


def run_on(
    loaded: "Loaded", task: str, progress: Progress, /, data: str = "demo", **arguments: Any
) -> dict[str, Any]:
    """Run one of `pruning.tasks` on a model that is loaded."""
    from pruning.tasks import TASKS, Session

    result: dict[str, Any] = TASKS[task](Session(loaded, Store(), data, progress), **arguments)
    return result


def finish(result: Mapping[str, Any], lines: Iterable[str] = ()) -> None:
    """Print lines for people, then the result as the last line, in JSON."""
    for line in lines:
        click.echo(line)
    click.echo(json.dumps(_finite(result)))


def figures(result: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Lines such as `perplexity  33.8` for people; `names` maps a key to its label."""
    width = max(len(label) for label in names.values())
    return [f"{label:<{width}}  {_short(result[key])}" for key, label in names.items() if key in result]


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Progress on standard error: one line written over on a terminal, a line now and then elsewhere."""
    stream: TextIO = sys.stderr
    clock = TimeLeft()
    live = stream.isatty()
    shown_at, width = -math.inf, 0

    def report(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        nonlocal shown_at, width
        now = time.monotonic()
        left = clock.update(done, total, now)
        if now - shown_at < (TTY_SECONDS if live else SPARSE_SECONDS) and done < total:
            return
        shown_at = now
        text = f"{100 * done / total if total else 0:3.0f} %  {note}"
        text += f"  ({_clock(left)} left)" if left and done < total else ""
        if live:
            columns = shutil.get_terminal_size().columns - 1
            stream.write("\r" + text[:columns].ljust(width))
            width = min(len(text), columns)
        else:
            stream.write(text + "\n")
        stream.flush()

    try:
        yield report
    finally:
        if width:
            stream.write("\n")
            stream.flush()


def _clock(seconds: float) -> str:
    """Seconds as `42 s`, `3:05 min` or `1:02 h`."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def _short(value: Any) -> str:
    """A figure as people read it: four digits, and thousands set apart."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _finite(value: Any) -> Any:
    """The same value in JSON's terms: what is not a finite number has no JSON form and becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
