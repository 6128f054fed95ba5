"""The Sensitivity page in a real browser: picking by click and by box, the table as a file."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from pruning.ui.data import single_groups
from pruning.workspace.store import Store
from tests.e2e.browser import open_view, settle
from tests.support import synthetic

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    synthetic.put_all(Store(folder))
    return folder


@pytest.fixture
def opened(page: Page) -> Page:
    page.goto("/sensitivity?model=demo")
    settle(page)
    return page


def cells(page: Page) -> Locator:
    found = page.get_by_role("figure", name=re.compile("Heat map")).locator(".scatterlayer .point")
    expect(found).to_have_count(150)
    return found


def corner(cell: Locator, side: int) -> tuple[float, float]:
    """A place in a cell of about 31 × 40: near its upper left corner with -1, near its lower right with 1."""
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2 + 12 * side, box["y"] + box["height"] / 2 + 16 * side


def pick_by(page: Page, label: str, mode: str) -> None:
    """Choose how groups are picked, and wait until the map in the browser has followed."""
    page.get_by_text(label).click()
    page.wait_for_function(
        "mode => document.querySelector('.js-plotly-plot')?._fullLayout?.dragmode === mode", arg=mode
    )
    settle(page)


def test_a_click_beside_the_middle_of_a_cell_picks_it(opened: Page) -> None:
    opened.mouse.click(*corner(cells(opened).nth(12), 1))
    expect(opened.get_by_role("figure", name=re.compile("with measured points"))).to_contain_text(
        "Layer 2 · MLP gate"
    )
    expect(opened.get_by_text("Layer 2 · MLP gate", exact=True).first).to_be_visible()


def test_a_box_picks_all_groups_in_it(opened: Page) -> None:
    pick_by(opened, "Draw a box", "select")
    grid = cells(opened)
    # Attention output of layer 1 to MLP up of layer 3.
    opened.mouse.move(*corner(grid.nth(6), -1))
    opened.mouse.down()
    opened.mouse.move(*corner(grid.nth(18), 1), steps=8)
    opened.mouse.up()
    expect(opened.get_by_role("textbox", name="Layers")).to_have_value("1-3")
    expect(opened.get_by_text("9 groups are selected; the first 6 are drawn.")).to_be_visible()
    open_view(opened, "criteria")
    expect(opened.get_by_text("The 9 chosen groups together")).to_be_visible()
    open_view(opened, "sensitivity")

    pick_by(opened, "Click a cell", "pan")
    opened.mouse.click(*corner(cells(opened).nth(149), 1))
    expect(opened.get_by_role("textbox", name="Layers")).to_have_value("29")


def test_a_drag_in_click_mode_leaves_the_map_where_it_is(opened: Page) -> None:
    cell = cells(opened).nth(40)
    cell.scroll_into_view_if_needed()
    before = cell.bounding_box()
    opened.mouse.move(*corner(cell, 0))
    opened.mouse.down()
    opened.mouse.move(*corner(cells(opened).nth(80), 0), steps=5)
    opened.mouse.up()
    settle(opened)
    assert cell.bounding_box() == before


def test_the_table_downloads_as_csv_with_units(opened: Page) -> None:
    with opened.expect_download() as download:
        opened.get_by_test_id("stDownloadButton").get_by_role("button").click()
    assert download.value.suggested_filename == "sensitivity-demo-fisher.csv"
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == single_groups.COLUMNS
    assert len(rows) == 1350
    measured = [row for row in rows if row["measured_kl_nats_per_token"]]
    assert [(row["layer"], row["group"], row["level_percent"]) for row in measured] == [
        ("29", "down", "30"),
        ("29", "down", "50"),
        ("29", "down", "70"),
    ]
