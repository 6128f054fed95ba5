"""The bench of the dashboard prints what others rely on; the server stays small and holds no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pruning.benchmarks import browser as browsers
from pruning.benchmarks.interface import dashboard as bench_ui
from pruning.benchmarks.interface import pages as bench_pages
from pruning.cli import main
from pruning.errors import PruningError
from pruning.progress import silent
from tests.support.result_keys import check_printed

SHAPED = ("drag_median_ms", "drag_p95_ms", "paint_median_ms", "paint_p95_ms", "release_median_ms")
WHOLE = (
    "floor_median_ms",
    "floor_p95_ms",
    "release_median_ms",
)
VISITS = ("first_page_ms", "first_visit_max_ms", "switch_median_ms", "switch_max_ms")
FEW = 12
# Each test opens a browser of its own: Playwright allows one at a time, and the bench opens one itself.
needs_chromium = pytest.mark.skipif(
    browsers.chromium() is None, reason="there is no Chromium or Chrome on the PATH"
)


@pytest.mark.browser
@needs_chromium
def test_the_bench_measures_and_the_server_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    # A shallower model and fewer windows than the bench has: what is printed is the same.
    monkeypatch.setattr(bench_ui, "PAGES", dict.fromkeys(bench_ui.PAGES, 6))
    monkeypatch.setattr(bench_pages, "SESSIONS", 2)
    found = bench_ui.bench_ui(silent, events=FEW, releases=2, rounds=1)
    for name in (
        *WHOLE,
        *(f"{name}_{shape}" for name in VISITS for shape in bench_ui.PAGES),
        *(f"{name}_{shape}" for name in SHAPED for shape in bench_ui.SHAPES),
        *(f"unit_{name}_ms_{shape}" for name in ("median", "p95") for shape in bench_ui.WITH_UNITS.values()),
    ):
        assert found[name] > 0, name
    check_printed("bench ui", found)
    assert found["torch_loaded"] is not True
    assert found["rss_mb"] < 400
    assert json.loads(json.dumps(found)) == found


@pytest.mark.browser
@needs_chromium
def test_frames_that_take_long_are_seen() -> None:
    """A page that takes 40 ms for every frame, as a slow desk would: no drag may seem quicker than that."""
    with browsers.launched() as browser:
        page = browser.new_page()
        page.set_content('<div id="field" style="height: 400px"></div>')
        page.evaluate(bench_ui.RECORD)
        page.evaluate(
            """() => document.addEventListener("pointermove", () => requestAnimationFrame(() => {
                 const start = performance.now();
                 while (performance.now() - start < 40);
               }))"""
        )
        times = bench_ui._drag(page, page.locator("#field"), FEW, across=True)
    assert len(times) >= FEW
    assert min(times) >= 40


def test_without_a_browser_the_bench_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsers, "NAMES", ("no-such-browser",))
    result = CliRunner().invoke(main, ["bench", "ui"])
    assert result.exit_code == 1
    assert "apt-get install chromium" in result.stderr


def test_without_playwright_the_bench_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    result = CliRunner().invoke(main, ["bench", "ui"])
    assert result.exit_code == 1
    assert "prunescope[dev]" in result.stderr


@pytest.mark.browser
@needs_chromium
def test_a_browser_that_waits_in_vain_says_so() -> None:
    with pytest.raises(PruningError, match="gave up: .*Timeout"), browsers.launched() as browser:
        browser.new_page().wait_for_selector("#never", timeout=50)


def test_libtorch_is_seen_where_it_is_loaded() -> None:
    """The check of the dashboard's process can fail: a process with torch is told from one without."""
    for code, expected in (("", False), ("import torch", True)):
        wait = f"{code}\nprint('ready', flush=True)\ninput()"
        with subprocess.Popen(
            [sys.executable, "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as one:
            assert one.stdout is not None
            one.stdout.readline()
            found = bench_pages.process_figures(one.pid)
            one.kill()
        if not Path("/proc/self/maps").exists():
            pytest.skip("this system does not tell what a process has loaded")
        assert found["torch_loaded"] is expected
        assert found["rss_mb"] > 1
