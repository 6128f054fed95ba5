"""A workspace with runs of every kind, and what is done with a run's card."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from pruning.workspace import runs as stored_runs
from pruning.workspace.runs import Run
from pruning.workspace.store import Store
from tests.support import synthetic


@pytest.fixture
def filled(store: Store) -> Store:
    table = synthetic.put_all(store)
    synthetic.put_export(store, table, ["down=0.3"], store.exports() / "light")
    request = {
        "task": "map",
        "model": {"reference": "demo", "dtype": "float32", "device": "auto"},
        "arguments": {"criterion": "wanda", "data": "demo"},
    }
    store.update_job(
        store.add_job(request, "somebody"), state="failed", error="The disk is full.", finished=time.time()
    )
    return store


def the_run(store: Store, kind: str, *settings: str) -> Run:
    return next(
        run
        for run in stored_runs.runs(store)
        if run.kind == kind and (not settings or run.settings == settings)
    )


def unfold(app: AppTest, run: Run) -> AppTest:
    """Open a run's menu."""
    app.session_state[f"more_{run.id}"] = True
    return app.run()


def press(app: AppTest, name: str, run: Run) -> AppTest:
    """Press a button of a run's card, or of its menu."""
    if name != "open":
        unfold(app, run)
    app.button(key=f"{name}_{run.id}").click().run()
    assert not app.exception
    return app
