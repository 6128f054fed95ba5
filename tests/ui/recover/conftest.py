"""A session on the Recover page, and its common moves."""

import pytest
from streamlit.testing.v1 import AppTest

from pruning.workspace.store import WAITING, Store
from tests.support import synthetic
from tests.ui.conftest import Open

PLAN = "all=0.5"


@pytest.fixture
def page(open_page: Open, store: Store) -> AppTest:
    synthetic.put_model(store)
    return open_page("recover", model="demo", plan=PLAN)


def end_jobs(store: Store) -> None:
    """All that was asked for is done, so that more can be."""
    for job in store.jobs(WAITING):
        store.update_job(job.id, state="done")


def label(app: AppTest, key: str) -> str:
    return app.button(key=key).label
