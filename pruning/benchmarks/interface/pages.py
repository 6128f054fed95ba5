"""How long every view takes to show, at its first visit and later, and what the server's process holds."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from pruning.benchmarks.browser import QUIET, settle
from pruning.benchmarks.interface.opening import TIMEOUT, made_up, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SESSIONS = 8
LINKS, TABS = '[data-testid="stTopNavLink"]', ".st-key-tabs [role=radio]"
# The class of what is drawn of a view, with its name.
SHOWN = """() => [...document.querySelectorAll('[class*="st-key-view_"]')]
  .map((part) => part.className.match(/st-key-view_(\\w+)/)[1]).at(-1)"""
SWITCH = """([target, quiet]) => new Promise((resolve) => {
  const shown = SHOWN;
  const before = shown();
  const start = performance.now();
  target.click();
  const look = () => {
    const now = shown();
    if (now && now !== before && document.querySelector(quiet)) resolve(performance.now() - start);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})""".replace("SHOWN", SHOWN)


def bench_pages(browser: Browser, folder: Path, layers: int, rounds: int) -> dict[str, Any]:
    """A fresh server's first page (Start), every view of a model of so many layers at its first visit and in
    so many later `rounds`, and what the process holds with eight sessions; milliseconds and MB."""
    with made_up(folder, layers) as found, ExitStack() as windows:
        page = windows.enter_context(opened(browser, found))
        start = time.perf_counter()
        page.goto("/?model=demo&tab=start")
        settle(page, TIMEOUT)
        first_page = 1000 * (time.perf_counter() - start)
        first, *later = (_every_view(page) for _ in range(rounds + 1))
        again = [visit for visits in later for visit in visits]
        for _ in range(SESSIONS - 1):
            other = windows.enter_context(opened(browser, found))
            other.goto("/prune?model=demo&plan=up%3D0.3")
            settle(other, TIMEOUT)
        return {
            "first_page_ms": first_page,
            "first_visit_max_ms": max(first)[0],
            "first_visit_slowest": max(first)[1],
            "switch_median_ms": statistics.median(taken for taken, _ in again),
            "switch_max_ms": max(again)[0],
            "switch_slowest": max(again)[1],
            **process_figures(found.pid),
        }


def _every_view(page: Page) -> list[tuple[float, str]]:
    """Milliseconds to each view, by its place's link or its tab, with its name."""
    visits = []
    links = page.locator(LINKS)
    # The page that is open comes last, so that every link leads somewhere else.
    for index in [*range(1, links.count()), 0]:
        visits.append(_switch(page, links.nth(index)))
        tabs = page.locator(TABS)
        closed = [n for n in range(tabs.count()) if tabs.nth(n).get_attribute("aria-checked") != "true"]
        visits += [_switch(page, page.locator(TABS).nth(number)) for number in closed]
    return visits


def _switch(page: Page, target: Locator) -> tuple[float, str]:
    """From the click until another view is there and its script has run."""
    taken = float(page.evaluate(SWITCH, [target.element_handle(), QUIET]))
    settle(page, TIMEOUT)
    return taken, str(page.evaluate(SHOWN))


def process_figures(pid: int) -> dict[str, Any]:
    """Resident memory of a process in MB, and whether torch's library is loaded (None: cannot be seen)."""
    process = psutil.Process(pid)
    loaded: bool | None = None
    if hasattr(process, "memory_maps"):
        loaded = any("libtorch" in region.path for region in process.memory_maps())
    return {"rss_mb": process.memory_info().rss / 1e6, "torch_loaded": loaded}
