"""A newcomer's way through the dashboard, clicked in a real browser: from Start to models and a report."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pruning.benchmarks.browser import launched, server, settle
from pruning.benchmarks.interface.opening import opened
from pruning.errors import PruningError
from pruning.model_files.checkpoint import demo_folder
from pruning.progress import Progress

if TYPE_CHECKING:
    from playwright.sync_api import Page

JOB = 900_000  # milliseconds; no step takes as long on a machine that has nothing else to do
INSIDE = re.compile("(inside|outside) the band")
ANSWERED = re.compile("(unpruned|same) answer")
Seen = Callable[[str], object]
# What a picture of each step shows, in its middle.
LOOKED_AT = {
    "first_look": ".answers",
    "measure": "[data-desk]",
    "compare": ".answers",
    "write_gguf": ".st-key-export_form",
    "write_folder": "text=Written models",
    "report": "[data-testid=stMain] h1",
}


def bench_journey(progress: Progress, pictures: Path | None = None) -> dict[str, Any]:
    """Seconds of every step with the demo model: the map on one server, all that follows on a fresh one.

    With a folder for `pictures` each step leaves one there. Raises PruningError where the demo model is not
    on this machine.
    """
    if not demo_folder().is_dir():
        raise PruningError("The demo model is not here yet. Fetch it first: prunescope demo.")
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch, launched() as browser:
        home, log = Path(scratch) / "home", Path(scratch) / "log"
        # A workspace of its own has a cache of its own; the model need not be fetched for it again.
        (home / "cache").mkdir(parents=True)
        (home / "cache" / "demo").symlink_to(demo_folder().parent)
        progress(0, 2, "From nothing to the map")
        with server(home, log, threads) as found, opened(browser, found) as page:
            drawn = timed(page, {"ready": get_ready})
        progress(1, 2, "From the map to written models and a report")
        with server(home, log, threads) as found, opened(browser, found) as page:
            page.goto("/")
            settle(page)
            way = journey(page, lambda name: _picture(page, pictures, name))
        progress(2, 2, "Done")
    from_map = sum(way.values())
    return {**drawn, **way, "from_map_s": from_map, "whole_s": from_map + sum(drawn.values())}


def journey(page: Page, seen: Seen = lambda _: None) -> dict[str, float]:
    """Seconds of every step, from Start with a ready map: a plan for a file 20 % smaller is measured,
    compared, written as GGUF and as a folder, and reported. `seen` hears of each step that is done."""
    steps: dict[str, Callable[[Page], object]] = {
        "first_look": _first_look,
        "measure": _measure,
        "compare": _compare,
        "write_gguf": partial(_write, form="GGUF", number=1),
        "write_folder": partial(_write, form="Model folder", number=2),
        "report": _report,
    }
    return timed(page, steps, seen)


def timed(
    page: Page, steps: dict[str, Callable[[Page], object]], seen: Seen = lambda _: None
) -> dict[str, float]:
    """Seconds of each step, from its first click until its result stands there."""
    taken = {}
    for name, step in steps.items():
        start = time.perf_counter()
        step(page)
        taken[f"{name}_s"] = time.perf_counter() - start
        seen(name)
    return taken


def get_ready(page: Page) -> None:
    """From an empty workspace to the demo's map."""
    page.goto("/")
    settle(page)
    page.get_by_role("button", name="Get the demo model ready").click()
    page.get_by_role("button", name="Open the demo's map").wait_for(timeout=JOB)


def _first_look(page: Page) -> None:
    page.get_by_role("button", name=re.compile("smaller$")).first.click()
    page.locator(".answers h3").nth(1).wait_for(timeout=JOB)


def _measure(page: Page) -> None:
    page.get_by_role("button", name="Take this plan to Prune").click()
    page.get_by_role("button", name="Measure this plan").click()
    page.get_by_text(INSIDE).first.wait_for(timeout=JOB)


def _compare(page: Page) -> None:
    page.get_by_role("button", name="Pin this plan").click()
    page.get_by_role("link", name="Compare (1 pinned)").click()
    page.get_by_role("button", name=re.compile("^Ask 2 prompts")).click()
    page.get_by_text(ANSWERED).first.wait_for(timeout=JOB)


def _write(page: Page, form: str, number: int) -> None:
    if number == 1:
        page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_text(form, exact=True).first.click()
    settle(page)
    page.get_by_role("button", name="Write the model").click()
    page.get_by_text("loaded again, equal").nth(number - 1).wait_for(timeout=JOB)


def _report(page: Page) -> None:
    page.get_by_text("Report for everybody", exact=True).click()
    page.get_by_role("heading", name="How sure we are").wait_for(timeout=JOB)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as one file").click()
    waiting.value.path()


def _picture(page: Page, folder: Path | None, name: str) -> None:
    if folder is not None:
        settle(page)
        page.locator(LOOKED_AT[name]).first.evaluate("part => part.scrollIntoView({block: 'center'})")
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"journey-{name.replace('_', '-')}.png", animations="disabled")
