"""Each page test has a workspace and a dashboard of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pruning.jobs import runner
from pruning.ui.shared.frame.places import TAB, script_of
from pruning.workspace.store import Store

APP = Path(__file__).resolve().parents[2] / "app.py"
Open = Callable[..., AppTest]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty workspace that the pages use; no engine is started unless a test submits a job."""
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    st.cache_data.clear()
    yield runner().store
    runner().shutdown()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, store: Store) -> list[dict]:
    """The requests that pages submit, in place of running them."""
    requests: list[dict] = []

    def take(request: dict) -> int:
        requests.append(request)
        return store.add_job(request, "nobody")

    monkeypatch.setattr(runner(), "submit", take)
    return requests


@pytest.fixture
def open_page(store: Store) -> Open:
    """Open a view with an address, such as open_page("explore", model="demo", plan="up=0.5")."""

    def opened(page: str, **address: str | list[str]) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=30)
        for name, value in address.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return go(app, page)

    return opened


def go(app: AppTest, view: str) -> AppTest:
    """Show another view, as its link does."""
    app.query_params[TAB] = view
    app.switch_page(script_of(view)).run()
    assert not app.exception
    return app


def text_of(app: AppTest) -> str:
    """Everything that the page says."""
    said = [*app.markdown, *app.caption, *app.title, *app.header, *app.subheader, *app.error, *app.warning]
    return "\n".join(str(element.value) for element in said)


def header_of(app: AppTest) -> str:
    """The header's figures, as the browser is sent them."""
    return next(html.proto.body for html in app.get("html") if 'class="figures"' in html.proto.body)


def metric(app: AppTest, label: str) -> str:
    return next(element.value for element in app.metric if element.label == label)
