"""What every command shares: the model options, errors as sentences, progress, the closing line of JSON."""

import functools
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from pruning.errors import Cancelled, PruningError
from pruning.jobs.eta import TimeLeft
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import DEFAULT, SCOPES, STRUCTURES, MaskOptions, names
from pruning.progress import Progress
from pruning.workspace.store import Store

if TYPE_CHECKING:
    from pruning.engine.models.load import Loaded

INTERRUPTED = 130
SPARSE_SECONDS = 5.0
TTY_SECONDS = 0.1

Command = TypeVar("Command", bound=Callable[..., Any])

data_option = click.option(
    "--data",
    default="demo",
    show_default=True,
    help="Text to score with: demo, wikitext, a text, JSONL or parquet file, or a hub data set.",
)
criterion_option = click.option(
    "--criterion",
    default="fisher",
    show_default=True,
    callback=lambda _context, _option, name: canonical_criterion(name),
    help="How weights are scored: fisher, sparsegpt, corrected, wanda, magnitude, l2, taylor, snip, "
    "gradient, random.",
)
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KIND[@LAYERS]=LEVEL",
    help="Share of weights to remove, like up=0.5 or down@0-3=0.1; later ones win.",
)
_MASK_OPTIONS = (
    click.option(
        "--structure",
        default=DEFAULT.structure,
        show_default=True,
        help=f"The shape of what goes: {', '.join(STRUCTURES)}.",
    ),
    click.option("--pattern", help="For n:m: 2:4 keeps 2 of every 4 inputs, and so on."),
    click.option("--block", help="For block: rows x columns that go together, like 16x16 or 1x64."),
    click.option(
        "--scope",
        help=f"What is compared with what: {', '.join(SCOPES)}; otherwise as the criterion has it.",
    ),
    click.option("--protect", help="Layers that stay as they are, like 0-1,29."),
    click.option("--floor", type=float, help="No pruned group goes under this level (0 to 1)."),
    click.option("--ceiling", type=float, help="No group goes over this level (0 to 1)."),
    click.option(
        "--compensate/--no-compensate",
        default=DEFAULT.compensate,
        show_default=True,
        help="Refit what stays of a layer that loses neurons or heads.",
    ),
    click.option(
        "--round-to", type=int, help="For neurons: so many stay as are a multiple of this, like 64."
    ),
)
model_argument = click.argument("model")


def model_options(command: Command) -> Command:
    """The options that say how the model is loaded, gathered into one keyword `how`."""

    @functools.wraps(command)
    def gathered(dtype: str, device: str, trust_remote_code: bool, allow_pickle: bool, **rest: Any) -> Any:
        how = {
            "dtype": dtype,
            "device": device,
            "trust_remote_code": trust_remote_code,
            "allow_pickle": allow_pickle,
        }
        return command(how=how, **rest)

    options = (
        click.option(
            "--dtype",
            type=click.Choice(["float32", "bfloat16", "float16"]),
            default="float32",
            show_default=True,
            help="Number format to compute in.",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps."),
        click.option("--trust-remote-code", is_flag=True, help="Let the model run Python code it ships."),
        click.option("--allow-pickle", is_flag=True, help="Load pickled weights, which can run code."),
    )
    wrapped: Any = gathered
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def mask_options(command: Command) -> Command:
    """What can be set beside the levels, gathered into one keyword `options`."""

    @errors_as_sentences
    @functools.wraps(command)
    def gathered(**rest: Any) -> Any:
        given = {name: rest.pop(name) for name in names()}
        return command(options=MaskOptions.of(given), **rest)

    wrapped: Any = gathered
    for option in reversed(_MASK_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def errors_as_sentences(command: Command) -> Command:
    """Turn what the user can mend into a line on standard error: exit 1, and 130 after Ctrl-C."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except PruningError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            # The reader of our output (`| head`) left; nothing more can be said to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        except (KeyboardInterrupt, Cancelled):
            click.echo("\nStopped. What was finished before is kept.", err=True)
            raise SystemExit(INTERRUPTED) from None

    return guarded  # type: ignore[return-value]


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
