"""What all tasks have in common."""

import inspect
import json

import pytest

from pruning.tasks import TASKS, Session

pytestmark = pytest.mark.usefixtures("dense_again")
LEVELS = [0.3, 0.6]


def test_results_are_plain_json(session: Session) -> None:
    for task, arguments in {
        "inspect": {},
        "map": {"levels": LEVELS},
        "sweep": {"levels": [0.5], "kinds": ["up"]},
        "measure": {"settings": ["up=0.5"]},
        "generate": {"prompts": ["The river"], "plans": [["up=0.5"]]},
    }.items():
        value = TASKS[task](session, **arguments)
        assert json.loads(json.dumps(value)) == value


def test_every_task_takes_a_session_and_few_arguments() -> None:
    for task in TASKS.values():
        parameters = list(inspect.signature(task).parameters.values())
        assert parameters[0].name == "session"
        assert len([p for p in parameters if p.kind is not p.VAR_KEYWORD]) <= 6
        assert not {"data", "progress", "store"} & {p.name for p in parameters}
