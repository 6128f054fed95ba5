"""The Methods page in a real browser: a click on a point chooses it, and the table comes as a file."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pruning.workspace.store import Store
from tests.e2e.browser import settle
from tests.support import synthetic

pytestmark = pytest.mark.browser
PLACE = """(chart, name) => {
  const plot = chart.querySelector('.js-plotly-plot'), box = plot.getBoundingClientRect();
  const trace = plot._fullData.find(one => one.name === name);
  const { xaxis, yaxis } = plot._fullLayout;
  return [box.x + xaxis._offset + xaxis.d2p(trace.x[0]), box.y + yaxis._offset + yaxis.d2p(trace.y[0])];
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    store = Store(folder)
    synthetic.put_model(store)
    synthetic.put_methods(store)
    return folder


@pytest.fixture
def opened(page: Page) -> Page:
    page.goto("/methods?model=demo")
    settle(page)
    return page


def test_a_click_on_a_point_chooses_it(opened: Page) -> None:
    chosen = opened.get_by_role("combobox", name="Result")
    expect(chosen).to_have_value("50 % of weights, Wanda, trained for 60 steps · 50.0 % removed · KL 0.35")
    chart = opened.locator(".st-key-methods_chart")
    for name, title in (("Neurons · Fisher", "20 % of neurons"), ("N of every M · Wanda", "2:4, Wanda")):
        chart.scroll_into_view_if_needed()
        opened.mouse.click(*chart.evaluate(PLACE, name))
        opened.wait_for_function(
            "start => document.querySelector('.st-key-methods_chosen input').value.startsWith(start)",
            arg=title,
        )
        settle(opened)


def test_the_table_is_a_file(opened: Page, tmp_path: Path) -> None:
    with opened.expect_download() as waiting:
        opened.get_by_test_id("stDownloadButton").get_by_role("button").click()
    path = tmp_path / "methods.csv"
    waiting.value.save_as(path)
    assert waiting.value.suggested_filename == "methods-demo.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert len(rows) == 8
    assert {row["structure"] for row in rows} == {
        "unstructured",
        "n:m",
        "block",
        "neurons",
        "heads",
        "layers",
    }
