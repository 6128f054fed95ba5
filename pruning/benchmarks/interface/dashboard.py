"""The bench of the dashboard in a real browser: how soon the picture follows a hand, and Python its release.

All times are taken in the browser, from an event's own time stamp. A frame counts as painted when a message
that was posted in its animation callback arrives: that comes after the frame's rendering.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pruning.benchmarks.browser import launched, settle
from pruning.benchmarks.interface import pages
from pruning.benchmarks.interface.opening import TIMEOUT, made_up, opened
from pruning.errors import PruningError
from pruning.progress import Progress

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

# A small model's shape, and that of one of 70 billion parameters: layers by kinds of weights. Figures of
# units are named by all kinds.
SHAPES = {"30x5": 30, "80x5": 80}
# As many layers as the demo has, and as a model of 70 billion parameters.
PAGES = {"30x9": 30, "80x9": 80}
WITH_UNITS = {"30x5": "30x9", "80x5": "80x9"}
EVENTS, RELEASES, ROUNDS = 300, 20, 3
MOST_MOVES = 20  # for each event that is wanted: the browser merges moves that come within one frame
EXPLORE = "/prune?model=demo&tab=explore"
DESK = {
    "root": "[data-desk]",
    "settled": "[data-desk][data-settled]",
    "fader": '[data-fader="gate"]',
    "unit": '[data-fader="heads"]',
    "lane": '[data-lane="gate"]',
}

RECORD = """() => {
  window.benchFrames = [];
  document.addEventListener("pointermove", (event) => {
    if (event.buttons === 0) return;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.benchFrames.push(performance.now() - event.timeStamp);
      channel.port2.postMessage(null);
    });
  }, { capture: true });
  const released = (event) => { window.benchReleased = event.timeStamp; };
  document.addEventListener("pointerup", released, { capture: true });
}"""
AWAIT_SETTLED = """(root) => {
  window.benchSettled = new Promise((resolve) => {
    const before = root.dataset.settled;
    const watcher = new MutationObserver(() => {
      const now = root.dataset.settled;
      if (now === undefined || now === before) return;
      watcher.disconnect();
      resolve(performance.now() - window.benchReleased);
    });
    watcher.observe(root, { attributeFilter: ["data-settled"] });
  });
}"""


def bench_ui(
    progress: Progress, events: int = EVENTS, releases: int = RELEASES, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Measure the dashboard on made-up maps of both shapes; milliseconds, and memory in MB (10⁶ bytes).

    So many `events` are drawn of each drag, with so many `releases`, and each page is opened in as many
    `rounds`.
    """
    found: dict[str, Any] = {}
    steps = 1 + len(SHAPES) + len(PAGES)
    with tempfile.TemporaryDirectory() as scratch, launched() as browser:
        progress(0, steps, "An empty page")
        found.update(_named("floor", _floor(browser, events)))
        for step, (shape, layers) in enumerate(SHAPES.items(), 1):
            progress(step, steps, f"The desk, {shape}")
            with made_up(Path(scratch) / shape, layers) as address, opened(browser, address) as page:
                found.update(_desk(page, shape, events, releases))
        for step, (shape, layers) in enumerate(PAGES.items(), 1 + len(SHAPES)):
            progress(step, steps, f"Pages, {shape}")
            seen = pages.bench_pages(browser, Path(scratch) / f"pages{shape}", layers, rounds)
            whole = {name: seen.pop(name) for name in ("rss_mb", "torch_loaded")}
            found.update({f"{name}_{shape}": value for name, value in seen.items()} | whole)
        progress(steps, steps, "Done")
    found["release_median_ms"] = max(found[f"release_median_ms_{shape}"] for shape in SHAPES)
    return found


# ---- dragging ---------------------------------------------------------------------------------------


def _floor(browser: Browser, events: int) -> list[float]:
    """The same drag on a page that does nothing: what browser and machine take by themselves."""
    with opened(browser, None) as page:
        page.set_content('<div id="field" style="height: 600px"></div>')
        page.evaluate(RECORD)
        return _drag(page, page.locator("#field"), events, across=True)


def _desk(page: Page, shape: str, events: int, releases: int) -> dict[str, float]:
    page.goto(EXPLORE)
    settle(page, TIMEOUT)
    page.wait_for_selector(DESK["settled"])
    page.evaluate(RECORD)
    fader, lane, unit = (page.locator(DESK[name]) for name in ("fader", "lane", "unit"))
    result = {}
    for name, part in (("drag", fader), ("paint", lane), ("unit", unit)):
        part.scroll_into_view_if_needed()
        times = _drag(page, part, events, across=name == "paint")
        page.wait_for_selector(DESK["settled"])
        result.update(_named(name, times, WITH_UNITS[shape] if name == "unit" else shape))
    settled = _releases(page, fader, releases)
    return {**result, f"release_median_ms_{shape}": statistics.median(settled)}


def _drag(page: Page, part: Locator, events: int, across: bool) -> list[float]:
    """Press on the part and move inside it until enough moves were painted; milliseconds of each."""
    page.evaluate("() => { window.benchFrames = []; }")
    path = _path(part, across)
    page.mouse.move(*next(path))
    page.mouse.down()
    for count, place in enumerate(path, 1):
        page.mouse.move(*place)
        if count >= events and count % 20 == 0:
            if page.evaluate("window.benchFrames.length") >= events:
                break
            if count > MOST_MOVES * events:
                raise PruningError("The browser paints no moves of the pointer, so nothing can be measured.")
    page.mouse.up()
    return [float(value) for value in page.evaluate("window.benchFrames")]


def _path(part: Locator, across: bool) -> Iterator[tuple[float, float]]:
    """Places inside the part for ever: up and down, and also from side to side when `across`."""
    box = part.bounding_box()
    if box is None:
        raise PruningError("The desk is not where the bench looks for it. Does Prune show it?")
    for step in itertools.count():
        wave = 0.5 - 0.4 * np.cos(step / 17)
        side = 0.5 - 0.45 * np.cos(step / 61) if across else 0.5
        yield box["x"] + side * box["width"], box["y"] + float(wave) * box["height"]


def _releases(page: Page, fader: Locator, releases: int) -> list[float]:
    """Milliseconds from letting go of the fader to Python's answer on the page, each at a new level."""
    root = page.locator(DESK["root"])
    box = fader.bounding_box()
    assert box is not None  # it has just been dragged
    times = []
    for step in range(releases):
        place = 0.2 + 0.6 * ((step * 7) % releases) / releases
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + place * box["height"], steps=3)
        root.evaluate(AWAIT_SETTLED)
        page.mouse.up()
        times.append(float(page.evaluate("window.benchSettled")))
    return times


def _named(name: str, times: Sequence[float], shape: str = "") -> dict[str, float]:
    suffix = f"_{shape}" if shape else ""
    return {
        f"{name}_median_ms{suffix}": float(np.median(times)),
        f"{name}_p95_ms{suffix}": float(np.quantile(times, 0.95)),
    }
