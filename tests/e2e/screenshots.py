"""Walk the main job on the demo model and take the pages' pictures into assets/screenshots.

Run as `python -m tests.e2e.screenshots`. A part of the walk is a test, in test_demo.py.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from playwright.sync_api import Page, expect

from pruning.ui.shared.frame.places import TAB
from tests.e2e.browser import ROOT, fit, launched, server, settle, wait_for_plan

JOB = 900_000  # milliseconds; minutes on a quiet machine, more on a busy one
PLAN = "attn_out=0.25,gate=0.35,up=0.4,down=0.2,down@28-29=0.1"
OTHER_PLAN = "all=0.4"
VIEWS = (
    "start",
    "model",
    "sensitivity",
    "explore",
    "optimize",
    "export",
    "methods",
    "compare",
    "present",
    "runs",
)
# What the desk shows: units and weights together.
MIXED_PLAN = "kv_groups=0.333333,neurons=0.2,down=0.3,layers@17=1"


def walk(page: Page, address: str) -> None:
    """Load the demo model, measure it, draw its map, sweep, measure a plan, write the pruned model."""
    load_and_map(page, address)
    page.get_by_role("button", name=re.compile(r"Measure \d+ points")).click()
    expect(page.get_by_text(re.compile(r"\d+ measured points"))).to_be_visible(timeout=JOB)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=JOB)

    page.get_by_role("link", name="Model", exact=True).click()
    expect(page.get_by_text("Questions answered right, by capability")).to_be_visible(timeout=JOB)

    for plan in (OTHER_PLAN, PLAN):
        measure_plan(page, plan)
        page.get_by_role("button", name="Pin this plan").click()
        settle(page)
    page.get_by_role("link", name="Compare", exact=True).first.click()
    page.get_by_role("button", name=re.compile("^Ask 2 prompts")).click()
    expect(page.get_by_text(re.compile("(unpruned|same) answer")).first).to_be_visible(timeout=JOB)

    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("button", name="Write the model").click()
    expect(page.get_by_text("loaded again, equal")).to_be_visible(timeout=JOB)


def load_and_map(page: Page, address: str, data: str = "demo") -> None:
    """From an empty workspace to the demo model's map on a text."""
    page.goto(f"{address}/model?{urlencode({'data': data})}")
    settle(page)
    page.get_by_role("button", name="Load the demo model").click()
    expect(page.get_by_role("heading", name="What it is made of")).to_be_visible(timeout=JOB)
    page.get_by_role("link", name="Sensitivity", exact=True).click()
    page.get_by_role("button", name="Draw the map").click()
    expect(page.get_by_text("Forecast cost of removing 50 %")).to_be_visible(timeout=JOB)


def measure_plan(page: Page, plan: str) -> None:
    """Type a plan on Explore, and measure it."""
    page.get_by_role("link", name="Prune", exact=True).click()
    settle(page)
    field = page.get_by_role("textbox", name="Plan as text")
    if not field.is_visible():
        page.get_by_text("The plan as text").click()
    field.fill(plan)
    field.press("Enter")
    wait_for_plan(page, plan)
    page.get_by_role("button", name="Measure this plan").click()
    expect(page.get_by_text(re.compile("(inside|outside) the band"))).to_be_visible(timeout=JOB)


def take(page: Page, address: str, folder: Path) -> None:
    """Take every page, light and dark, from the state that `walk` left."""
    # What began by itself after loading would stand at the bottom of every picture.
    expect(page.get_by_text("Also under way")).to_have_count(0, timeout=JOB)
    asked = dict(parse_qsl(page.url.partition("?")[2]))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for name in VIEWS:
            page.set_viewport_size({"width": 1280, "height": 720})
            wanted = asked | {TAB: name} | ({"plan": MIXED_PLAN} if name == "explore" else {})
            path = "" if name == "start" else name
            page.goto(f"{address}/{path}?{urlencode(wanted)}")
            settle(page)
            fit(page)
            page.screenshot(path=folder / f"{name}-{scheme}.png", animations="disabled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "screenshots")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, launched() as browser:
        home = Path(scratch) / "home"
        with server(home, Path(scratch) / "server.log", threads=2) as found:
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.set_default_timeout(60_000)
            walk(page, found.address)
            take(page, found.address, out)


if __name__ == "__main__":
    main()
