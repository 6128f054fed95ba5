"""Optimize in a real browser: the picture follows the slider, points open, and Explore can undo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pruning.workspace.store import Store
from tests.e2e.browser import open_view, settle
from tests.support import synthetic

pytestmark = pytest.mark.browser
SAID = "[data-part=said]"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    synthetic.put_all(Store(folder))
    return folder


def share(page: Page) -> str:
    return page.locator("[data-part=share]").inner_text()


def test_the_slider_leads_to_a_plan_that_explore_can_undo(page: Page) -> None:
    page.goto("/explore?model=demo&plan=up%3D0.2")
    settle(page)
    expect(page.locator("[data-desk]")).to_have_attribute("data-settled", "up=0.2")
    open_view(page, "optimize")
    settle(page)
    slider = page.get_by_role("slider", name="How much may go?")
    slider.press("Home")
    before = page.locator("[data-part=perplexity]").inner_text()
    for _ in range(3):
        slider.press("PageUp")
    # The picture is there before Python answers.
    assert page.locator("[data-part=perplexity]").inner_text() != before
    moved = slider.input_value()
    page.wait_for_selector("[data-budget][data-settled]")
    settle(page)
    page.get_by_text("More constraints").click()
    expect(page.get_by_role("spinbutton", name="Remove at least")).to_have_value(
        re.compile(f"^{moved}(.0+)?$")
    )
    assert share(page) == f"{float(moved):.1f} %"
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile(f"^{moved} % removed, .* MB, forecast perplexity")
    )
    page.get_by_role("button", name="Use this plan").click()
    expect(page.get_by_role("button", name="This is your plan")).to_be_disabled()
    open_view(page, "explore")
    desk = page.locator("[data-desk]")
    expect(desk).to_have_attribute("data-settled", re.compile("qkv"))
    desk.get_by_role("button", name="Undo").click()
    expect(desk).to_have_attribute("data-settled", "up=0.2")
    desk.get_by_role("button", name="Redo").click()
    expect(desk).to_have_attribute("data-settled", re.compile("qkv"))


def test_a_click_on_a_measured_point_opens_it_on_explore(page: Page) -> None:
    page.goto("/optimize?model=demo")
    settle(page)
    page.wait_for_selector("[data-budget][data-settled]")
    marks = page.locator("[data-budget] .chart circle.mark")
    expect(marks).to_have_count(3)
    marks.first.scroll_into_view_if_needed()
    box = marks.first.bounding_box()
    assert box is not None
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*place)
    expect(page.locator(SAID)).to_contain_text(re.compile("^Measured, .*: measured perplexity"))
    page.mouse.click(*place)
    chosen = page.get_by_role("combobox", name="Another point of the chart")
    expect(chosen).to_have_value(re.compile("^Measured, "))
    page.get_by_role("button", name="Open under Prune").click()
    expect(page.locator(".st-key-view_explore")).to_be_visible()
    expect(page.locator("[data-desk]")).to_have_attribute("data-settled", re.compile("gate=0.4|all=0"))
