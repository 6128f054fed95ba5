"""What browser tests and pictures share beside `pruning.benchmarks.browser`: a page's whole height, faders,
the plan."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from pruning.benchmarks.browser import Server, chromium, launched, server, settle
from pruning.ui.shared.frame.places import PLACES, place_of

__all__ = [
    "ROOT",
    "Server",
    "chromium",
    "fader",
    "fit",
    "launched",
    "nudge",
    "open_view",
    "server",
    "settle",
    "wait_for_plan",
]
ROOT = Path(__file__).resolve().parents[2]


def fit(page: Page, width: int = 1280) -> None:
    """Make the window as high as the page, so that a picture holds all of it."""
    height = 720
    for _ in range(6):
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        wanted = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
        if wanted <= height:
            return
        height = wanted


def open_view(page: Page, view: str) -> None:
    """Take the entry of the navigation, and the tab, that lead to a view."""
    place = PLACES[place_of(view)]
    page.get_by_test_id("stTopNav").get_by_role("link", name=place.title, exact=True).click()
    expect(page.locator(f".st-key-tab_{place_of(view)}")).to_be_visible()
    settle(page)
    if not page.locator(f".st-key-view_{view}").count():
        page.locator(".st-key-tabs").get_by_text(place.views[view].tab, exact=True).click()
    expect(page.locator(f".st-key-view_{view}")).to_be_visible()
    settle(page)


def fader(page: Page, label: str) -> Locator:
    """The desk's fader of a whole group."""
    return page.locator("[data-desk]").get_by_role("slider", name=label, exact=True)


def nudge(page: Page, label: str, percent: int) -> None:
    """Move a fader of the desk to a level with the keys, and wait until Python has settled it."""
    handle = fader(page, label)
    handle.press("Home")
    for key, step in (("PageUp", 10), ("ArrowUp", 1)):
        for _ in range(percent // step):
            handle.press(key)
        percent %= step
    page.wait_for_selector("[data-desk][data-settled]")


def drag(page: Page, part: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press at one share of the part's box (x, y from its upper left) and let go at another."""
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    assert box is not None

    def place(share: tuple[float, float]) -> tuple[float, float]:
        return box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]

    page.mouse.move(*place(start))
    page.mouse.down()
    page.mouse.move(*place(end), steps=6)
    page.mouse.up()


def wait_for_plan(page: Page, plan: str) -> None:
    """Wait until the page's address holds the plan: a slider's last step may still be on its way."""
    page.wait_for_function(
        "plan => new URLSearchParams(location.search).get('plan') === plan", arg=plan, timeout=60_000
    )
