"""A session on the Methods page: a model to measure, one with results, and its common moves."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruning.cli.reference.command_line import command_line
from pruning.jobs import runner
from pruning.ui.methods import page as methods_page
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open


@pytest.fixture
def page(open_page: Open, store: Store) -> AppTest:
    synthetic.put_model(store)
    return open_page("methods", model="demo")


@pytest.fixture
def filled(open_page: Open, store: Store) -> AppTest:
    synthetic.put_model(store)
    synthetic.put_baseline(store)
    synthetic.put_methods(store)
    return open_page("methods", model="demo")


def take(app: AppTest, structure: str, how: str | None = None) -> AppTest:
    """Choose what goes, and how it is chosen."""
    app.button_group(key="method_structure").set_value(structure).run()
    if how is not None:
        box = next(box for box in app.selectbox if box.label == "Method")
        box.set_value(how).run()
    assert not app.exception
    return app


def measure(app: AppTest, asked: list[dict]) -> dict[str, Any]:
    app.button(key="method_measure").click().run()
    assert not app.exception
    assert command_line(asked[-1]).startswith("prunescope recipe demo")
    return {"task": asked[-1]["task"], **asked[-1]["arguments"]}


def choose(app: AppTest, part: str) -> AppTest:
    box = app.selectbox(key=methods_page.CHOSEN)
    [option] = [one for one in box.options if one.startswith(part)]
    box.select_index(box.options.index(option)).run()
    assert not app.exception
    return app


def end_jobs(app: AppTest) -> None:
    """The job that stands in the queue is over, so that the next may be asked for."""
    for job in runner().store.jobs(("queued",)):
        runner().store.update_job(job.id, state="done", result={})
    app.run()
