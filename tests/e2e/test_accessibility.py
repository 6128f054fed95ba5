"""axe-core finds nothing serious on any page: with results and without, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pruning.ui.shared.frame.places import VIEWS
from pruning.workspace.store import Store
from tests.e2e.browser import Server, open_view, server, settle
from tests.support import synthetic
from tests.support.impact_rows import put_impact

pytestmark = pytest.mark.browser
SERIOUS = ("serious", "critical")
FILLED = "model=demo&plan=up%3D0.4&pin=First%3Aup%3D0.4&pin=Second%3Aall%3D0.2"
BACKGROUND = "() => getComputedStyle(document.querySelector('[data-testid=\"stApp\"]')).backgroundColor"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    store = Store(folder)
    table = synthetic.put_all(store)
    synthetic.put_map(store, criterion="wanda")
    synthetic.put_methods(store)
    for settings in (["up=0.4"], ["all=0.2"]):
        synthetic.put_answer(store, table, settings)
    synthetic.put_recovery(store, ["all=0.5"])
    synthetic.put_recovery(store, ["all=0.4"], {"steps": 100}, stopped_at=47)
    synthetic.put_ladder(store)
    synthetic.put_lottery(store)
    synthetic.put_export(store, table, ["up=0.4"], folder / "exports" / "light")
    put_impact(store)
    return folder


@pytest.fixture(scope="module")
def filled(browser: Browser, dashboard: Server) -> Iterator[Page]:
    """One session that goes from page to page, with results everywhere."""
    yield from opened(browser, f"{dashboard.address}/?{FILLED}")


@pytest.fixture(scope="module")
def empty(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One session that goes from page to page of an empty workspace."""
    folder = tmp_path_factory.mktemp("empty")
    with server(folder / "home", folder / "log") as found:
        yield from opened(browser, found.address)


def opened(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme="light")
    page.goto(address)
    settle(page)
    yield page
    page.close()


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds of impact serious or critical, one line for each element; of these rules, or of all."""
    options: dict[str, Any] = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [
        f"{violation['id']} at {node['target']}: {node['html'][:160]}"
        for violation in found
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", VIEWS)
def test_a_page_with_results(filled: Page, name: str) -> None:
    open_view(filled, name)
    check(filled)


@pytest.mark.parametrize("name", VIEWS)
def test_a_page_without_anything(empty: Page, name: str) -> None:
    open_view(empty, name)
    check(empty)


@pytest.mark.parametrize("name", ["sensitivity", "explore"])
def test_a_criterion_without_a_map(filled: Page, dashboard: Server, name: str) -> None:
    filled.goto(f"{dashboard.address}/{name}?{FILLED}&criterion=magnitude")
    settle(filled)
    check(filled)


@pytest.mark.parametrize("tab", ["Progressive", "Lottery ticket"])
def test_a_tab_of_recover(filled: Page, dashboard: Server, tab: str) -> None:
    filled.goto(f"{dashboard.address}/recover?{FILLED}")
    settle(filled)
    filled.get_by_role("tab", name=tab).click()
    check(filled)


def check(page: Page) -> None:
    """The page has no violation in either scheme; the scheme of the system changes meanwhile.

    Of what axe looks for only contrast can differ from scheme to scheme.
    """
    settle(page)
    found: dict[str, list[str]] = {"light": violations(page)}
    light = background(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => ({BACKGROUND})() !== light", arg=light)
    settle(page)
    found["dark"] = violations(page, "color-contrast")
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"light => ({BACKGROUND})() === light", arg=light)
    assert found == {"light": [], "dark": []}


def background(page: Page) -> str:
    color: str = page.evaluate(BACKGROUND)
    return color


def test_axe_sees_a_fault(browser: Browser) -> None:
    """A page with a picture without words and pale text is found, so that the tests above can fail."""
    page = browser.new_page()
    page.set_content('<img src="data:,"><p style="color: #ccc; background: #fff">pale</p>')
    found = violations(page)
    page.close()
    assert {line.split()[0] for line in found} >= {"image-alt", "color-contrast"}
