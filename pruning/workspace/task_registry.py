"""The tasks, one row each: what runs, which command repeats it, and what pages call it.

A row names its function instead of importing it, so that the dashboard and the command line read the
registry without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class TaskRow:
    """One task.

    Parameters
    ----------
    name
        The key in requests. Stored ones are never rewritten, so a name that changed stays as an alias.
    function
        "module:function" under `pruning.tasks`.
    command
        The command that does the same: for several lines, the last of them.
    title
        What is going on while it runs, for people.
    page
        The dashboard's view that asks for it, by its name in addresses.
    seconds_to_stop
        How long it may take to save what it has once it is cancelled.
    aliases
        Names it had before, in requests and as commands.
    shared
        It has pieces that a cluster can do.
    """

    name: str
    function: str
    command: str
    title: str
    page: str
    seconds_to_stop: float = 0.0
    aliases: tuple[str, ...] = ()
    shared: bool = False


# Training finishes its step, which may take long, and writes down where it is.
_TRAINING = 120.0

ROWS = (
    TaskRow("inspect", "inspect:inspect_model", "inspect", "Loading the model", "model"),
    TaskRow("text", "text:text", "text", "Reading the text", "model"),
    TaskRow("baseline", "inspect:baseline", "baseline", "Measuring the baseline", "model"),
    TaskRow("latency", "latency:latency", "latency", "Timing the model on this machine", "speed"),
    TaskRow("outliers", "sensitivity:outliers", "outliers", "Counting outliers for OWL", "optimize"),
    TaskRow("map", "sensitivity:make_map", "map", "Drawing the sensitivity map", "sensitivity", shared=True),
    TaskRow("sweep", "sweep:sweep", "sweep", "Measuring single groups", "sensitivity", shared=True),
    TaskRow(
        "capabilities",
        "capabilities:capabilities",
        "capabilities",
        "Finding what each capability leans on",
        "capabilities",
        shared=True,
    ),
    TaskRow("measure", "measure:measure", "measure", "Measuring this plan", "explore"),
    TaskRow(
        "calibrate",
        "calibrate:calibrate",
        "calibrate",
        "Calibrating the forecast",
        "explore",
        aliases=("teach",),
        shared=True,
    ),
    TaskRow("best", "best:best", "measure", "Finding the best recipe, and measuring it", "methods"),
    TaskRow("solve", "optimize:solve", "solve", "Finding the plan of least damage", "optimize"),
    TaskRow("recipe", "recipe:recipe", "recipe", "Writing the recipe", "explore"),
    TaskRow("first_look", "first_look:first_look", "first-look", "Taking a first look", "start"),
    TaskRow("diff", "diff:diff", "diff", "Comparing two models", "model"),
    TaskRow("import", "import_plan:import_plan", "import", "Reading another tool's file", "explore"),
    TaskRow("export", "export:export_model", "export", "Writing the model", "export"),
    TaskRow("generate", "generate:generate", "generate", "Answering the prompt", "compare"),
    TaskRow(
        "recover",
        "recover:recover",
        "recover",
        "Training the pruned model back",
        "recover",
        seconds_to_stop=_TRAINING,
    ),
    TaskRow(
        "progressive",
        "iterate:progressive",
        "progressive",
        "Climbing a ladder of levels",
        "recover",
        seconds_to_stop=_TRAINING,
    ),
    TaskRow("lottery", "iterate:lottery_ticket", "lottery", "Drawing lottery tickets", "recover"),
    TaskRow("early_exit", "variants:early_exit", "early-exit", "Leaving the model early", "methods"),
    TaskRow("quantize", "variants:quantize", "quantize", "Storing weights in 8 bits", "methods"),
    TaskRow("impact", "impact:impact", "impact", "Holding the guide's claims against this model", "impact"),
)
# By every name that a request may have.
BY_NAME: Mapping[str, TaskRow] = MappingProxyType(
    {name: row for row in ROWS for name in (row.name, *row.aliases)}
)


def title(task: str) -> str:
    """What people read while it runs; the name itself of a task that a newer version has stored."""
    return BY_NAME[task].title if task in BY_NAME else task


def page(task: str) -> str:
    """The view that asks for it; the first one for a task that is not known here."""
    return BY_NAME[task].page if task in BY_NAME else "start"


def seconds_to_stop() -> dict[str, float]:
    """Seconds to save what they have, of the tasks that need any, by every name they may be asked by."""
    return {name: row.seconds_to_stop for name, row in BY_NAME.items() if row.seconds_to_stop}
