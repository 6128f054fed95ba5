"""The Start page in a real browser with the real engine; a tiny model stands in for the demo."""

import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from pruning.model_files.checkpoint import demo_folder
from pruning.ui.shared.frame.places import PLACES
from tests.e2e.browser import open_view, settle

pytestmark = pytest.mark.browser
JOB = 240_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Path:
    """An empty workspace in which the demo model has been fetched already."""
    folder = tmp_path_factory.mktemp("start")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNESCOPE_HOME", str(folder))
        shutil.copytree(llama_folder, demo_folder())
        (demo_folder() / "prunescope.json").write_text('{"origin": "hub"}', encoding="utf-8")
    return folder


def test_one_press_makes_the_demo_ready_and_another_opens_its_map(page: Page) -> None:
    page.goto("/")
    settle(page)
    expect(page.get_by_role("button", name="Open the demo's map")).to_have_count(0)
    page.get_by_role("button", name="Get the demo model ready").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("button", name="Open the demo's map").click(timeout=JOB)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sensitivity")
    expect(page.get_by_role("figure", name=re.compile("Heat map"))).to_be_visible()
    assert parse_qs(urlparse(page.url).query) == {"model": ["demo"], "tab": ["sensitivity"]}

    open_view(page, "start")
    expect(page.get_by_role("heading", level=1)).to_have_text("How much of a transformer can go?")
    settle(page)
    expect(page.get_by_text("Prune next")).to_be_visible()
    page.goto("/")
    settle(page)
    expect(page.get_by_role("button", name="Open the demo's map")).to_be_visible()


def test_a_first_look_ends_with_two_answers_and_a_plan_to_go_on_with(page: Page) -> None:
    """From a ready map: one press, and what it showed is there again after a reload."""
    page.goto("/?tab=start")
    settle(page)
    page.get_by_role("button", name="Open the demo's map").click(timeout=JOB)
    expect(page.locator(".st-key-view_sensitivity")).to_be_visible()
    open_view(page, "start")
    page.get_by_role("button", name=re.compile("smaller$")).click()
    expect(page.get_by_text("Same next word").first).to_be_visible(timeout=JOB)
    expect(page.locator(".answers h3")).to_have_count(2)
    page.reload()
    settle(page)
    expect(page.locator(".answers h3")).to_have_count(2)
    page.get_by_role("button", name="Take this plan to Prune").click()
    expect(page.locator("[data-desk]")).to_have_attribute("data-settled", re.compile("=0"))
    open_view(page, "present")
    expect(page.get_by_role("button", name="Download as one file")).to_be_visible()


def test_every_page_stands_in_the_navigation_and_the_words_are_at_hand(page: Page) -> None:
    page.goto("/model")
    settle(page)
    frame = page.get_by_test_id("stHeader")
    for place in PLACES.values():
        entry = frame.get_by_role("link", name=place.title, exact=True)
        expect(entry).to_be_visible()
        box = entry.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1280, place.title
    page.get_by_role("button", name="Glossary").click()
    expect(page.get_by_text("The lowest scores are set to zero first.")).to_be_visible()
