"""What can be asked of a loaded model; the command line and the dashboard's worker call the same functions.

Every task is `task(session, **arguments) -> dict` of plain data, on the session's model and text. It leaves
the model as it found it, and stores what it found before it returns. `pruning.workspace.task_registry` has
a row for each.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pruning.workspace.task_registry import BY_NAME, ROWS

if TYPE_CHECKING:
    from pruning.tasks.context.session import Session

__all__ = ["TASKS", "Session"]

Task = Callable[..., dict[str, Any]]


class _Tasks(Mapping[str, Task]):
    """The tasks by name; a module is imported when its task is asked for. Aliases are not listed."""

    def __getitem__(self, name: str) -> Task:
        module, function = BY_NAME[name].function.split(":")
        task: Task = getattr(import_module(f"{__name__}.{module}"), function)
        return task

    def __iter__(self) -> Iterator[str]:
        return (row.name for row in ROWS)

    def __len__(self) -> int:
        return len(ROWS)


TASKS: Mapping[str, Task] = _Tasks()


def __getattr__(name: str) -> Any:
    """`Session`, imported once it is asked for: torch takes seconds."""
    if name == "Session":
        from pruning.tasks.context.session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
