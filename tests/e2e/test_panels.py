"""The three linked panels in a real browser: pointing marks a plan in all, a click takes it."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import settle, wait_for_plan

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("timed_home")]


PLACE = """id => {
    const paths = [...document.querySelectorAll('.st-key-panels_frame .scatterlayer .point')];
    const own = path => path.closest('.trace').__data__[0].trace.customdata[path.__data__.i];
    const box = paths.find(path => own(path) === id).getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}"""


def test_a_plan_is_marked_in_all_panels_and_taken_by_a_click(page: Page) -> None:
    page.goto("/explore?model=demo&plan=up=0.4&pin=Mine:neurons=0.25,down=0.3")
    settle(page)
    frame = page.locator(".st-key-panels_frame")
    frame.scroll_into_view_if_needed()
    place = page.evaluate(PLACE, "pin:Mine")
    page.mouse.move(place[0] - 4, place[1] - 4)
    page.mouse.move(*place, steps=4)
    expect(frame.locator(".plan-pointed-at")).to_have_count(3)
    expect(frame.locator(".hoverlayer")).to_contain_text("Model folder")
    page.mouse.click(*place)
    wait_for_plan(page, "neurons=0.25,down=0.3")
