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
        The dashboard's page that asks for it.
    seconds_to_stop
        How long it may take to save what it has once it is cancelled.
    aliases
        Names it had before, in requests and as commands.
    """

    name: str
    function: str
    command: str
    title: str
    page: str
    seconds_to_stop: float = 0.0
    aliases: tuple[str, ...] = ()


# Training finishes its step, which may take long, and writes down where it is.
_TRAINING = 120.0

ROWS = (
    TaskRow("inspect", "inspect:inspect_model", "inspect", "Loading the model", "Model"),
    TaskRow("text", "text:text", "text", "Reading the text", "Model"),
    TaskRow("baseline", "inspect:baseline", "baseline", "Measuring the baseline", "Model"),
    TaskRow("latency", "latency:latency", "latency", "Timing the model on this machine", "Speed"),
    TaskRow("outliers", "sensitivity:outliers", "outliers", "Counting outliers for OWL", "Optimize"),
    TaskRow("map", "sensitivity:make_map", "map", "Drawing the sensitivity map", "Sensitivity"),
    TaskRow("sweep", "sweep:sweep", "sweep", "Measuring single groups", "Sensitivity"),
    TaskRow(
        "capabilities",
        "capabilities:capabilities",
        "capabilities",
        "Finding what each capability leans on",
        "Sensitivity",
    ),
    TaskRow("measure", "measure:measure", "measure", "Measuring this plan", "Explore"),
    TaskRow(
        "calibrate",
        "calibrate:calibrate",
        "calibrate",
        "Teaching the forecast",
        "Explore",
        aliases=("teach",),
    ),
    TaskRow("best", "best:best", "measure", "Finding the best recipe, and measuring it", "Methods"),
    TaskRow("solve", "optimize:solve", "solve", "Finding the plan of least damage", "Optimize"),
    TaskRow("recipe", "recipe:recipe", "recipe", "Writing the recipe", "Explore"),
    TaskRow("diff", "diff:diff", "diff", "Comparing two models", "Model"),
    TaskRow("import", "import_plan:import_plan", "import", "Reading another tool's file", "Explore"),
    TaskRow("export", "export:export_model", "export", "Writing the model", "Export"),
    TaskRow("generate", "generate:generate", "generate", "Answering the prompt", "Compare"),
    TaskRow(
        "recover",
        "recover:recover",
        "recover",
        "Training the pruned model back",
        "Recover",
        seconds_to_stop=_TRAINING,
    ),
    TaskRow(
        "progressive",
        "iterate:progressive",
        "progressive",
        "Climbing a ladder of levels",
        "Recover",
        seconds_to_stop=_TRAINING,
    ),
    TaskRow("lottery", "iterate:lottery_ticket", "lottery", "Drawing lottery tickets", "Recover"),
    TaskRow("early_exit", "variants:early_exit", "early-exit", "Leaving the model early", "Methods"),
    TaskRow("quantize", "variants:quantize", "quantize", "Storing weights in 8 bits", "Methods"),
    TaskRow("impact", "impact:impact", "impact", "Holding the guide's claims against this model", "Impact"),
)
# By every name that a request may have.
BY_NAME: Mapping[str, TaskRow] = MappingProxyType(
    {name: row for row in ROWS for name in (row.name, *row.aliases)}
)


def title(task: str) -> str:
    """What people read while it runs; the name itself of a task that a newer version has stored."""
    return BY_NAME[task].title if task in BY_NAME else task


def page(task: str) -> str:
    """The title of the page that asks for it; the first page for a task that is not known here."""
    return BY_NAME[task].page if task in BY_NAME else "Start"


def seconds_to_stop() -> dict[str, float]:
    """Seconds to save what they have, of the tasks that need any, by every name they may be asked by."""
    return {name: row.seconds_to_stop for name, row in BY_NAME.items() if row.seconds_to_stop}
