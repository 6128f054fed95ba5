"""Pages in a real browser on a made-up workspace: deep links, what a slider sets going, a picked cell."""

import os
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame.places import PLACES, place_of
from pruning.workspace.store import Store
from tests.e2e.browser import Server, fader, nudge, server, settle, wait_for_plan
from tests.support import synthetic

pytestmark = pytest.mark.browser
OPACITY = "cell => getComputedStyle(cell).opacity"
# The first address that a server is asked for is routed by the page itself, by `page.begin`. Every page calls
# it alike, so that some pages do here.
FIRST = ("/", "/explore", "/runs")
# Each with the view that it opens: places, and of the addresses of before, which all lead on alike, some.
PAGES = {
    "/": "model",
    "/sensitivity": "sensitivity",
    "/prune": "explore",
    "/export": "export",
    **{f"/{view}": view for view in ("model", "explore", "optimize", "runs", "present")},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    synthetic.put_all(Store(folder))
    return folder


@pytest.mark.parametrize("address", FIRST)
def test_deep_link_on_a_fresh_server(browser: Browser, home: Path, tmp_path: Path, address: str) -> None:
    with server(home, tmp_path / "log") as fresh:
        page = browser.new_page()
        check_deep_link(page, fresh.address + address, PAGES[address])
        page.close()


@pytest.mark.parametrize("address", [address for address in PAGES if address not in FIRST])
def test_deep_link(page: Page, address: str) -> None:
    check_deep_link(page, address, PAGES[address])


def check_deep_link(page: Page, address: str, view: str) -> None:
    """The address opens its page with the model and the plan, and nothing in front of it."""
    page.goto(f"{address}?model=demo&plan=up%3D0.4")
    settle(page)
    expect(page.locator(f".st-key-view_{view}")).to_be_visible()
    expect(page.get_by_role("link", name="Prune", exact=True)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    address = urlparse(page.url)
    assert parse_qs(address.query) == {"model": ["demo"], "plan": ["up=0.4"], "tab": [view]}
    assert address.path.strip("/") in (place_of(view), "")


@pytest.fixture
def runs(page: Page) -> dict[str, int]:
    """Counts the script runs whose end the server tells the browser: whole pages, and fragments alone."""
    counted = {"page": 0, "fragment": 0, "table": 0}

    def read(payload: str | bytes) -> None:
        counted["table"] += b'"logCosts"' in payload if isinstance(payload, bytes) else 0
        message = ForwardMsg.FromString(payload) if isinstance(payload, bytes) else ForwardMsg()
        if message.WhichOneof("type") == "script_finished":
            # A run that the next step of the slider cuts short is neither.
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                counted["page"] += 1
            elif message.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
                counted["fragment"] += 1

    page.on("websocket", lambda socket: socket.on("framereceived", read))
    return counted


def test_letting_go_of_a_fader_runs_its_fragment_alone(page: Page, runs: dict[str, int]) -> None:
    page.goto("/explore?model=demo&plan=up%3D0.4")
    settle(page)
    assert runs["page"] > 0, "the counter sees the first run"
    assert runs["table"] == 1, "the table came with the page"
    before = dict(runs)
    nudge(page, "MLP up", 43)
    wait_for_plan(page, "up=0.43")
    expect(page.get_by_text("not measured yet")).to_be_visible()
    assert runs["fragment"] > before["fragment"]
    assert runs["page"] == before["page"]
    assert runs["table"] == 1, "and is sent once"


def test_the_plan_survives_moving_between_pages_and_a_reload(page: Page) -> None:
    page.goto("/explore?model=demo")
    settle(page)
    nudge(page, "MLP gate", 5)
    page.get_by_role("link", name="Export", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Export")
    settle(page)
    page.reload()
    settle(page)
    page.get_by_role("link", name="Prune", exact=True).click()
    expect(fader(page, "MLP gate")).to_have_attribute("aria-valuenow", "5")
    wait_for_plan(page, "gate=0.05")


def test_a_click_on_the_map_shows_that_groups_curve(page: Page) -> None:
    page.goto("/sensitivity?model=demo")
    settle(page)
    drawn = page.get_by_role("figure", name=re.compile("with measured points"))
    expect(drawn).to_contain_text("Layer 29 · MLP down")
    cells = page.get_by_role("figure", name=re.compile("Heat map")).locator(".scatterlayer .point")
    expect(cells).to_have_count(150)
    box = cells.nth(12).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(drawn).to_contain_text("Layer 2 · MLP gate")
    outlined = [index for index, cell in enumerate(cells.all()) if float(cell.evaluate(OPACITY)) > 0.5]
    assert outlined == [12], "the outline has moved to the clicked cell"
    expect(page.get_by_role("textbox", name="Layers")).to_have_value("2")


def test_a_plan_as_text_that_cannot_be_is_explained_and_changes_nothing(page: Page) -> None:
    page.goto("/explore?model=demo&plan=up%3D0.5")
    settle(page)
    page.get_by_text("The plan as text").click()
    field = page.get_by_role("textbox", name="Plan as text")
    field.fill("up=1.2")
    field.press("Enter")
    expect(page.get_by_text(re.compile("level 1.2 is outside 0 to 0.95"))).to_be_visible()
    expect(fader(page, "MLP up")).to_have_attribute("aria-valuenow", "50")


def test_every_page_stands_in_the_navigation(page: Page) -> None:
    page.goto("/explore?model=demo&plan=up%3D0.4")
    settle(page)
    for width in (1440, 1280, 1100, 1000):
        page.set_viewport_size({"width": width, "height": 720})
        settle(page)
        for place in PLACES.values():
            link = page.get_by_test_id("stTopNav").get_by_role("link", name=place.title, exact=True)
            expect(link).to_be_in_viewport(ratio=1)
        expect(page.get_by_test_id("stTopNavSection")).to_be_hidden()


def test_a_command_is_shown_beside_its_button_by_keyboard(page: Page) -> None:
    page.goto("/explore?model=demo&plan=up%3D0.4")
    settle(page)
    measure = page.get_by_role("button", name="Measure this plan")
    # Other buttons on the page have commands of their own: this one's stands in its line.
    height = measure.bounding_box()["y"]  # type: ignore[index]
    copies = page.get_by_role("button", name=page_frame.COPY_COMMAND).all()
    beside = [copy for copy in copies if abs(copy.bounding_box()["y"] - height) < 20]  # type: ignore[index]
    assert len(beside) == 1
    beside[0].press("Enter")
    expect(page.get_by_test_id("stPopoverBody").get_by_text("prunescope measure demo")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)


def test_the_frame_is_right_for_a_narrow_window(page: Page, dashboard: Server) -> None:
    page.goto("/explore?model=demo&plan=up%3D0.4")
    settle(page)
    wide = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollWidth")
    assert wide <= 1280, "nothing sticks out of a window of 1280 × 720"
    page.get_by_text("The plan as text").scroll_into_view_if_needed()
    expect(page.get_by_role("heading", level=1)).not_to_be_in_viewport()
    expect(page.get_by_role("group", name="Model and plan")).to_be_in_viewport()
    # In the narrowest window it would hide half of the page, and nothing is wider than that.
    page.set_viewport_size({"width": 390, "height": 844})
    settle(page)
    wide = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollWidth")
    assert wide <= 390


def test_a_reload_in_the_middle_of_a_job_finds_it_again(page: Page, home: Path) -> None:
    store = Store(home)
    # A dashboard that is alive, as this process is: its job is not taken for an interrupted one.
    store.add_runner("elsewhere", os.getpid(), psutil.Process().create_time())
    request = {"task": "sweep", "model": {"reference": "demo", "device": "auto"}, "arguments": {}}
    job = store.add_job(request, "elsewhere")
    store.update_job(job, state="running", done=44, total=100, note="Layer 13", started=time.time())
    try:
        page.goto("/sensitivity?model=demo")
        settle(page)
        expect(page.get_by_text("Measuring single groups")).to_be_visible()
        page.reload()
        settle(page)
        expect(page.get_by_text(re.compile("44 %.*Layer 13"))).to_be_visible()
        expect(page).to_have_title(re.compile("^44 % "))
    finally:
        store.update_job(job, state="done", done=100, finished=time.time(), result={})
    expect(page.get_by_text("Measuring single groups")).to_have_count(0)
    expect(page).to_have_title(re.compile("Prunescope$"))
    expect(page).not_to_have_title(re.compile("%"))


def test_two_sessions_keep_their_own_plans(browser: Browser, page: Page, dashboard: Server) -> None:
    other = browser.new_context(base_url=dashboard.address).new_page()
    try:
        for session in (page, other):
            session.goto("/explore?model=demo")
            settle(session)
        nudge(page, "MLP down", 20)
        nudge(other, "MLP gate", 50)
        wait_for_plan(page, "down=0.2")
        wait_for_plan(other, "gate=0.5")
        expect(fader(page, "MLP gate")).to_have_attribute("aria-valuenow", "0")
        expect(fader(other, "MLP down")).to_have_attribute("aria-valuenow", "0")
    finally:
        other.context.close()
