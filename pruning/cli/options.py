"""What commands are decorated with: the model, the options they share, and errors as sentences."""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

import click

from pruning.errors import Cancelled, PruningError
from pruning.model_files.streaming import STREAMS
from pruning.planning.exports.llamacpp import LLAMA_CPP, NUMBERS, PYTORCH, TIMED
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import DEFAULT, SCOPES, WEIGHT_STRUCTURES, MaskOptions, names
from pruning.planning.recipe.schedules import SCHEDULES
from pruning.planning.recipe.training import DECAYS, LOSSES, Training

INTERRUPTED = 130


class Ray(NamedTuple):
    """The cluster that is to share the work, and how many workers there are to be."""

    address: str
    workers: int | None


Command = TypeVar("Command", bound=Callable[..., Any])

model_argument = click.argument("model")
data_option = click.option(
    "--data",
    default="demo",
    show_default=True,
    help="Text to score with: demo, wikitext, a file, a folder or a hub data set; several with shares.",
)
_ENGINE = click.option(
    "--engine",
    type=click.Choice([PYTORCH, LLAMA_CPP]),
    default=PYTORCH,
    show_default=True,
    help="What runs the model: pytorch, or llamacpp, for which GGUF files are written (the extra llamacpp).",
)
_QUANTIZE = click.option(
    "--quantize",
    type=click.Choice(NUMBERS),
    default=TIMED,
    show_default=True,
    help="The number format of the files for --engine llamacpp.",
)


def engine_options(command: Command) -> Command:
    """What runs the model that is timed, and in which numbers."""
    return _ENGINE(_QUANTIZE(command))


criterion_option = click.option(
    "--criterion",
    default="fisher",
    show_default=True,
    callback=lambda _context, _option, name: canonical_criterion(name),
    help="How weights are scored: fisher, sparsegpt, corrected, wanda, magnitude, l2, taylor, snip, "
    "gradient, random.",
)
levels_option = click.option(
    "--levels",
    default="0.1:0.9:0.1",
    show_default=True,
    help="Shares of weights to remove: start:stop:step, or a list like 0.3,0.5.",
)
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KIND[@LAYERS]=LEVEL",
    help="Share of weights to remove, like up=0.5 or down@0-3=0.1; later ones win.",
)
# What the model options are called, as `pruning.engine.models.load.load` has them.
HOW = ("dtype", "device", "trust_remote_code", "allow_pickle", "stream", "tokens")
_MODEL_OPTIONS = (
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
    click.option(
        "--stream",
        type=click.Choice(STREAMS),
        default=STREAMS[0],
        show_default=True,
        help="Whether layers stay on disk and come one at a time; auto: where memory does not hold all.",
    ),
    click.option(
        "--tokens",
        type=click.IntRange(min=1),
        help="Read at most so many tokens of the text, to calibrate, to fit and to evaluate.",
    ),
)
RAY_HELP = (
    "Share the work with a Ray cluster (the extra ray): HOST:PORT of its head, or auto, the cluster that "
    "this machine has joined, or else workers on this machine alone."
)
_RAY_OPTIONS = (
    click.option("--ray", "address", metavar="auto|HOST:PORT", help=RAY_HELP),
    click.option(
        "--ray-workers",
        "workers",
        type=click.IntRange(1),
        help="How many workers; otherwise one for each GPU, or for every four processors.",
    ),
)
_MASK_OPTIONS = (
    click.option(
        "--structure",
        default=DEFAULT.structure,
        show_default=True,
        help=f"The shape in which weights go: {', '.join(WEIGHT_STRUCTURES)}; units follow from the plan.",
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
_TRAINING_HELP = {
    "steps": "Steps of the optimizer.",
    "loss": f"What to learn from: {', '.join(LOSSES)} (the dense model, the text, both).",
    "learning_rate": "The highest learning rate.",
    "warmup": "Steps until the learning rate is reached.",
    "decay": f"What the learning rate does then: {', '.join(DECAYS)}.",
    "batch": "Windows of 256 tokens that are trained on together.",
    "accumulate": "Batches in a step.",
    "clip": "The longest gradient.",
    "temperature": "How much the dense model's predictions are softened.",
    "hidden": "Weight of following the dense model's states between layers too (0: not).",
    "lora": "Rank of low-rank updates, instead of training whole weights (0: whole weights).",
    "evaluate_every": "Steps between looks at quality.",
    "patience": "Looks without a better one before training stops (0: never).",
    "refit": "First fit the weights that stay to what the dense model computes, where all goes at once.",
    "schedule": f"When weights go: {', '.join(SCHEDULES)}.",
    "prune_steps": "Steps until all of the recipe is gone; otherwise half of them.",
    "prune_every": "Steps between prunings on the way.",
    "written": "Windows that the dense model writes, to learn from too; else what is lacking, up to 1,024.",
    "seed": "Draws the order of the text.",
}


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


def prints(result: type, several: type | None = None) -> Callable[[click.Command], click.Command]:
    """Say which TypedDict the command's last line is; docs/cli.md and the tests read it as `result`.

    `several`: what it is where several things were asked for at once.
    """

    def marked(command: click.Command) -> click.Command:
        command.result = result  # type: ignore[attr-defined]
        command.several = several  # type: ignore[attr-defined]
        return command

    return marked


def model_options(command: Command) -> Command:
    """The options that say how the model is loaded, gathered into one keyword `how`."""

    @functools.wraps(command)
    def gathered(**rest: Any) -> Any:
        return command(how={name: rest.pop(name) for name in HOW}, **rest)

    return _with_options(gathered, _MODEL_OPTIONS)


def ray_options(command: Command) -> Command:
    """Who shares the work, gathered into one keyword `ray`: None for this process alone."""

    @functools.wraps(command)
    def gathered(address: str | None, workers: int | None, **rest: Any) -> Any:
        return command(ray=None if address is None else Ray(address, workers), **rest)

    return _with_options(gathered, _RAY_OPTIONS)


def mask_options(command: Command) -> Command:
    """What can be set beside the levels, gathered into one keyword `options`."""

    @errors_as_sentences
    @functools.wraps(command)
    def gathered(**rest: Any) -> Any:
        given = {name: rest.pop(name) for name in names()}
        return command(options=MaskOptions.of(given), **rest)

    return _with_options(gathered, _MASK_OPTIONS)


def training_options(command: Command) -> Command:
    """An option for each setting of training; those that were given are gathered into one keyword
    `training`."""

    @functools.wraps(command)
    def gathered(**rest: Any) -> Any:
        given = {field.name: rest.pop(field.name) for field in fields(Training)}
        return command(training={name: value for name, value in given.items() if value is not None}, **rest)

    return _with_options(gathered, [_training_option(name, default) for name, default in _defaults().items()])


def _defaults() -> dict[str, Any]:
    return {field.name: field.default for field in fields(Training)}


def _training_option(name: str, default: Any) -> Callable[[Any], Any]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", default=None, help=_TRAINING_HELP[name])
    kind = type(default) if isinstance(default, float | str) else int
    shown = "" if default is None else f" [default: {default}]"
    return click.option(flag, type=kind, help=_TRAINING_HELP[name] + shown)


def _with_options(command: Any, options: Any) -> Any:
    """The command with the options in their order."""
    for option in reversed(options):
        command = option(command)
    return command
