"""Every task has its row, and every row what it names."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import pruning.tasks
from pruning.cli import main
from pruning.cli.reference.markdown import result_of
from pruning.tasks import TASKS, Session
from pruning.ui.shared.frame.places import VIEWS
from pruning.workspace.task_registry import BY_NAME, ROWS, TaskRow, page, seconds_to_stop, title


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_row_has_a_function_a_command_a_title_and_a_page(row: TaskRow) -> None:
    assert callable(TASKS[row.name])
    assert row.command in main.commands
    assert result_of(main.commands[row.command])
    assert row.title[0].isupper()
    assert row.page in VIEWS
    for alias in row.aliases:
        assert TASKS[alias] is TASKS[row.name]
        assert main.commands[alias].callback is main.commands[row.command].callback


# They return plain data to the tasks that call them; of `measure_plans` each plan is a `measure`.
PARTS = {"dense_figures", "export_text", "figures_of", "measure_plans", "stored_figures"}


def test_every_public_task_has_a_row() -> None:
    registered = {inspect.unwrap(task) for task in TASKS.values()}
    for module in pkgutil.iter_modules(pruning.tasks.__path__):
        if module.ispkg:
            continue
        source = importlib.import_module(f"pruning.tasks.{module.name}")
        for name, function in inspect.getmembers(source, inspect.isfunction):
            if function.__module__ == source.__name__ and name not in PARTS and _is_task(name, function):
                assert function in registered, f"{source.__name__}.{name} has no row in the registry"


def _is_task(name: str, function: Callable[..., Any]) -> bool:
    """A task takes a session, and nothing of the engine beside it; it returns plain data."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    others = parameters[1:]
    return (
        not name.startswith("_")
        and bool(parameters)
        and parameters[0].annotation is Session
        and not any("pruning.engine" in str(parameter.annotation) for parameter in others)
        and signature.return_annotation == dict[str, Any]
    )


def test_names_and_aliases_are_each_there_once() -> None:
    assert len(BY_NAME) == sum(1 + len(row.aliases) for row in ROWS)
    assert list(TASKS) == [row.name for row in ROWS]
    assert "nothing" not in TASKS
    assert TASKS.get("nothing") is None


def test_old_requests_and_those_of_newer_versions_have_words() -> None:
    assert title("teach") == title("calibrate") == "Calibrating the forecast"
    assert page("teach") == "explore"
    assert (title("dream"), page("dream")) == ("dream", "start")


def test_what_trains_has_time_to_save() -> None:
    assert seconds_to_stop() == {"recover": 120.0, "progressive": 120.0}


def test_the_registry_loads_no_torch() -> None:
    code = "import sys; from pruning.workspace import task_registry; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
