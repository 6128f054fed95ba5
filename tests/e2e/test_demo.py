"""The real demo model in a real browser: load, map, a plan, and the truth beside its forecast."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pruning.model_files.checkpoint import demo_folder
from pruning.resources import asset
from pruning.workspace.store import Store
from tests.e2e.browser import Server, server
from tests.e2e.screenshots import load_and_map, measure_plan

pytestmark = [pytest.mark.browser, pytest.mark.demo]


@pytest.fixture(scope="module")
def dashboard(browser: Browser, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose engine may use the machine, unless other tests run beside it."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    shared = "PYTEST_XDIST_WORKER" in os.environ
    with server(home, log, threads=1 if shared else min(os.cpu_count() or 1, 4)) as found:
        yield found


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the bundled text as a user's own file: enough for a map, and read in far less time."""
    documents = [path.read_text() for path in sorted(asset("corpus").glob("*/*.txt"))]
    path = tmp_path_factory.mktemp("text") / "own.txt"
    path.write_text("\n\n".join(document[:160] for document in documents))
    return path


@pytest.mark.skipif(not demo_folder().is_dir(), reason="fetch the demo model first: prunescope demo")
def test_the_demo_model_from_nothing_to_a_measured_plan(
    page: Page, dashboard: Server, home: Path, text: Path
) -> None:
    load_and_map(page, dashboard.address, str(text))
    expect(page.get_by_text("135 M parameters · 30 layers")).to_be_visible()
    measure_plan(page, "gate=0.35,up=0.4,down=0.2")
    expect(page.get_by_text(re.compile("learnt from one measured plan"))).to_be_visible()
    [found] = Store(home).find("measure")
    assert found["key"]["data"] == str(text)
    assert 0.02 < found["value"]["kl"] < 1.0
    tile = page.locator("[data-tile=perplexity] .value")
    note = page.locator("[data-tile=perplexity] .note")
    # Empty for a moment where the desk is made again after the measurement.
    expect(note).to_have_text(re.compile(r"forecast was \d"))
    truth = float(found["value"]["perplexity"])
    assert float(tile.inner_text()) == pytest.approx(truth, abs=0.06), "the measured figure is the large one"
    forecast = float(note.inner_text().removeprefix("forecast was "))
    assert abs(forecast / truth - 1) < 0.25, "after one measurement the forecast of the same plan is near it"
