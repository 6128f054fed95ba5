"""Fixtures of the browser tests: a server for each module, and a page of a browser of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pruning.workspace.store import Store
from tests.e2e.browser import Server, chromium, launched, server
from tests.support import synthetic
from tests.support.latency_rows import put_latency

# Playwright's own five seconds are too few for a page on a busy machine of two cores.
expect.set_options(timeout=60_000)


# Not for the session: while it is open, Playwright keeps an event loop running under all other tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("there is no Chromium or Chrome on the PATH")
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the module's server."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def timed_home(home: Path) -> Path:
    """The same, filled: the demo model with a map of units and weights, measurements and times."""
    store = Store(home)
    synthetic.put_all(store)
    synthetic.put_map(store, units=True)
    put_latency(store)
    return home


@pytest.fixture(scope="module")
def dashboard(browser: Browser, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A fresh server; only asked for together with a browser, so that it is skipped without one."""
    with server(home, tmp_path_factory.mktemp("log") / "server.log") as found:
        yield found


@pytest.fixture
def page(browser: Browser, dashboard: Server) -> Iterator[Page]:
    """A new session of the dashboard, 1280 × 720."""
    context = browser.new_context(base_url=dashboard.address, viewport={"width": 1280, "height": 720})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()
