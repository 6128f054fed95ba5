"""The Runs page in a real browser on a made-up workspace: notes stay, deleting asks, plans are compared."""

from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

from pruning.workspace import runs as library
from pruning.workspace.store import Store
from tests.e2e.browser import settle, wait_for_plan
from tests.e2e.test_accessibility import violations
from tests.support import synthetic

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    store = Store(folder)
    table = synthetic.put_all(store)
    synthetic.put_export(store, table, ["down=0.3"], store.exports() / "light")
    return folder


def card(page: Page, home: Path, kind: str, *settings: str) -> Locator:
    """The card of one run."""
    run = next(
        run
        for run in library.runs(Store(home))
        if run.kind == kind and (not settings or run.settings == settings)
    )
    return page.locator(f".st-key-run_{run.id}")


def test_a_note_is_there_after_a_reload(page: Page, home: Path) -> None:
    page.goto("/runs")
    settle(page)
    card(page, home, "measure", "all=0.4").get_by_role("button", name="More").click()
    field = page.get_by_role("textbox", name="Note")
    field.fill("too much of it")
    field.press("Control+Enter")
    expect(card(page, home, "measure", "all=0.4")).to_contain_text("too much of it")
    page.reload()
    settle(page)
    expect(card(page, home, "measure", "all=0.4")).to_contain_text("too much of it")


def test_deleting_a_written_model_asks_first(page: Page, home: Path) -> None:
    page.goto("/runs")
    settle(page)
    light = card(page, home, "export")
    folder = home / "exports" / "light"

    def ask() -> Locator:
        light.get_by_role("button", name="More").click()
        page.get_by_role("button", name="Delete …").click()
        return page.get_by_role("dialog", name="Delete this run?")

    asked = ask()
    expect(asked).to_contain_text(str(folder))
    asked.get_by_role("button", name="Keep it").click()
    expect(asked).to_have_count(0)
    assert folder.exists()
    asked = ask()
    asked.get_by_role("button", name="Delete", exact=True).click()
    expect(light).to_have_count(0)
    assert not folder.exists()


def test_ticked_plans_meet_on_the_compare_page(page: Page, home: Path) -> None:
    page.goto("/runs")
    settle(page)
    for settings in ("all=0.2", "all=0.4"):
        card(page, home, "measure", settings).get_by_role("checkbox").press("Space")
    page.get_by_role("button", name="Compare 2 plans").click()
    expect(page.locator(".st-key-view_compare")).to_be_visible()
    settle(page)
    pins = parse_qs(urlparse(page.url).query)["pin"]
    assert {pin.rpartition(":")[2] for pin in pins} == {"all=0.2", "all=0.4"}


def test_a_run_of_another_criterion_opens_with_its_figures_and_the_way_back(page: Page, home: Path) -> None:
    synthetic.put_measure(Store(home), synthetic.sensitivity_map(criterion="wanda"), ["all=0.3"])
    page.goto("/runs?model=demo&plan=up%3D0.1")
    settle(page)
    card(page, home, "measure", "all=0.3").get_by_role("button", name="Open").click()
    expect(page.locator(".st-key-view_explore")).to_be_visible()
    shown = page.locator(".st-key-opened_run")
    expect(shown).to_contain_text("Opened: All groups 30 %")
    expect(shown).to_contain_text("nats per token")
    expect(shown).to_contain_text("criterion fisher → wanda; plan “MLP up 10 %” → “All groups 30 %”")
    settle(page)
    assert violations(page) == []
    shown.get_by_role("button", name="Back to what was open").click()
    expect(page.locator(".st-key-view_runs")).to_be_visible()
    wait_for_plan(page, "up=0.1")
    assert "criterion" not in parse_qs(urlparse(page.url).query)
