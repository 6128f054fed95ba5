"""What every command does: load the model and run a task, with progress, and end with a line of JSON."""

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

import click

from pruning.cli.options import Ray
from pruning.errors import PruningError
from pruning.jobs.clock import JobClock
from pruning.jobs.courses import course_of
from pruning.jobs.history import History
from pruning.jobs.stages import Course, Stage
from pruning.planning.cost.estimate.loading import way_to_load
from pruning.progress import Place, Progress, StageProgress, stage
from pruning.sharing import ONE_BY_ONE, Each
from pruning.workspace.store import Store

if TYPE_CHECKING:
    from pruning.engine.models.load import Loaded
    from pruning.planning.recipe.recipe import Recipe

# Labels of sizes: first what an ordinary export writes.
SIZES = {"file_bytes": "bytes of the model folder", "bytes": "bytes as a compact file"}
SPARSE_SECONDS = 5.0
TTY_SECONDS = 0.1


def load(
    model: str,
    how: Mapping[str, Any],
    progress: Progress,
    task: str | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> "Loaded":
    """Load a model, in the way in which the task fits on this machine; imported here because torch takes
    seconds to import.

    Raises PruningError before a weight is read where the task fits in no way, or not in the one asked for.
    """
    stage(progress, "start", "Starting the engine")
    from transformers.utils import logging

    from pruning.engine.evaluation.probe import machine_of
    from pruning.engine.models import load as models

    # Its bars would be drawn over ours.
    logging.disable_progress_bar()
    if task is not None:
        machine = machine_of(models.choose_device(how.get("device", "auto")), Store().root)
        how = way_to_load(model, task, how, arguments, machine)
    return models.load(model, **how, progress=progress)


def run_task(
    task: str, model: str, how: Mapping[str, Any], /, ray: Ray | None = None, **arguments: Any
) -> dict[str, Any]:
    """Load the model and run one of `pruning.tasks` on it, with the workspace and progress on stderr.

    `ray`: the cluster that shares the work.
    """
    request = request_of(task, model, how, **arguments)
    with terminal_progress(request) as progress, sharing(ray, how) as each:
        loaded = load(model, how, progress, task, arguments)
        return run_on(loaded, task, progress, each=each, **arguments)


@contextmanager
def sharing(ray: Ray | None, how: Mapping[str, Any]) -> Iterator[Each]:
    """Who does the pieces of a task while open: the workers of a cluster, where one is named."""
    if ray is None:
        yield ONE_BY_ONE
        return
    from pruning.tasks.cluster.ray_cluster import cluster

    with cluster(ray.address, how["device"], ray.workers) as each:
        yield each


def request_of(task: str, model: str, how: Mapping[str, Any], /, **arguments: Any) -> dict[str, Any]:
    """What the dashboard's queue would have of a command: by this its stages and their times are expected."""
    return {"task": task, "model": {"reference": model, **how}, "arguments": arguments}


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
    arguments |= {"data": data or recipe.data.name, **_asked(recipe)}
    with terminal_progress(request_of(task, model, how, **arguments)) as progress:
        loaded = load(model, how, progress, task, arguments)
        recipe.check_model(loaded.fingerprint, loaded.computed)
        return run_on(loaded, task, progress, **arguments)


def run_recipes(
    model: str, recipe_files: Sequence[str], data: str | None, how: Mapping[str, Any], ray: Ray | None
) -> dict[str, Any]:
    """Load the model and measure it pruned as each of several recipes says; see `measure_plans`."""
    from pruning.engine.criteria import CRITERIA, LEARNT
    from pruning.planning.recipe.recipe import Recipe
    from pruning.tasks import Session
    from pruning.tasks.measure_plans import measure_plans

    recipes = [Recipe.load(name, [*CRITERIA, *LEARNT]) for name in recipe_files]
    plans: list[Any] = [None] * len(recipes)
    measured = 0
    with terminal_progress() as progress, sharing(ray, how) as each:
        loaded = load(model, how, progress, "measure")
        for recipe in recipes:
            recipe.check_model(loaded.fingerprint, loaded.computed)
        for text in dict.fromkeys(data or recipe.data.name for recipe in recipes):
            of_text = [n for n, recipe in enumerate(recipes) if (data or recipe.data.name) == text]
            session = Session(loaded, Store(), text, progress, each=each)
            found = measure_plans(session, [_asked(recipes[number]) for number in of_text])
            measured += found["measured"]
            for number, value in zip(of_text, found["plans"], strict=True):
                plans[number] = value
    return {"plans": plans, "measured": measured}


def _asked(recipe: "Recipe") -> dict[str, Any]:
    """What a recipe asks of a task."""
    return {
        "settings": recipe.settings(),
        "criterion": recipe.criterion,
        "recovery": recipe.recovery,
        **recipe.options().changed(),
    }


def run_on(
    loaded: "Loaded",
    task: str,
    progress: Progress,
    /,
    data: str = "demo",
    each: Each = ONE_BY_ONE,
    **arguments: Any,
) -> dict[str, Any]:
    """Run one of `pruning.tasks` on a model that is loaded."""
    from pruning.tasks import TASKS, Session

    result: dict[str, Any] = TASKS[task](Session(loaded, Store(), data, progress, each=each), **arguments)
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
def terminal_progress(
    request: Mapping[str, Any] | None = None,
    course: Course | None = None,
    on_partial: Callable[[dict[str, Any]], None] = lambda partial: None,
) -> Iterator[Progress]:
    """Progress on standard error: one line written over on a terminal, a line now and then elsewhere.

    Parameters
    ----------
    request
        What is done, as the queue would have it: its stages and how long they took before are in the
        workspace, and how long they take now is kept there.
    course
        The stages of work that is no task; without either the work says itself how much of it is done.
    on_partial
        Takes what is ready before the rest.
    """
    history = None if request is None else History(Store(), request["model"])
    if request is not None:
        course = course_of(request, Store())
    begun = time.monotonic()
    clock = JobClock(course or Course((Stage(""),)), history.seconds if history else lambda _: None, begun)
    line, last = _Line(sys.stderr), ""

    def hear(place: Place, share: float | None, note: str, partial: dict[str, Any] | None) -> None:
        nonlocal last
        if partial is not None:
            on_partial(partial)
        now, last = time.monotonic(), note or last
        clock.report(place, share, now)
        done, left = clock.look(now)
        line.show(_sentence(done, last, left), now)

    done = False
    try:
        yield StageProgress(hear)
        done = True
    finally:
        if history is not None:
            with suppress(PruningError):
                history.keep(clock.taken(time.monotonic(), done))
        line.end(_sentence(1.0, last, None) if done and last else None)


class _Line:
    """Where progress is written: on a terminal always the same line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._live = stream, stream.isatty()
        self._shown_at, self._width = -math.inf if self._live else time.monotonic(), 0

    def show(self, text: str, now: float) -> None:
        """Write the text, unless one was written a moment ago."""
        if now - self._shown_at >= (TTY_SECONDS if self._live else SPARSE_SECONDS):
            self._shown_at = now
            self._write(text)

    def end(self, text: str | None) -> None:
        """Write the last text, if there is one, and leave the line."""
        if text is not None:
            self._write(text)
        if self._width:
            self._stream.write("\n")
            self._stream.flush()

    def _write(self, text: str) -> None:
        if self._live:
            columns = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + text[:columns].ljust(self._width))
            self._width = min(len(text), columns)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


def _sentence(done: float, note: str, left: float | None) -> str:
    text = f"{100 * done:3.0f} %  {note}"
    return text if left is None else f"{text}  (about {_clock(left)} left)"


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
