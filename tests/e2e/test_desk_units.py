"""The desk with whole units in a real browser: what follows the hand in one frame, what rules out what."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import drag, settle

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("timed_home")]
AXIS = 34  # the width of the lanes' scale, see draw.js
# Presses on a fader, and reads the cards when the next frame is drawn.
SAME_FRAME = """([fader, x, y]) => new Promise((resolve) => {
  const desk = fader.getRootNode().querySelector("[data-desk]") ?? fader.closest("[data-desk]");
  const names = ["perplexity", "agreement", "size", "prefill", "decode", "memory"];
  const read = () => Object.fromEntries(names.map(
    (name) => [name, desk.querySelector(`[data-tile=${name}] .value`).textContent]));
  const before = read();
  const move = (kind, options) => fader.dispatchEvent(
    new PointerEvent(kind, { pointerId: 1, clientX: x, clientY: y, bubbles: true, ...options }));
  fader.setPointerCapture = () => {};
  fader.hasPointerCapture = () => true;
  move("pointerdown", { button: 0 });
  requestAnimationFrame(() => {
    const after = read();
    move("pointerup", {});
    resolve([before, after]);
  });
})"""


def opened(page: Page, plan: str = "") -> Locator:
    page.goto(f"/explore?model=demo{f'&plan={plan}' if plan else ''}")
    settle(page)
    page.wait_for_selector("[data-desk][data-settled]")
    return page.locator("[data-desk]")


def click_layer(page: Page, row: Locator, layer: int, layers: int = 30) -> None:
    row.scroll_into_view_if_needed()
    box = row.bounding_box()
    assert box is not None
    cell = (box["width"] - AXIS) / layers
    page.mouse.click(box["x"] + AXIS + (layer + 0.5) * cell, box["y"] + box["height"] / 2)


def test_a_fader_of_heads_moves_every_card_in_the_same_frame(page: Page) -> None:
    desk = opened(page)
    fader = desk.locator("[data-fader=heads]")
    fader.scroll_into_view_if_needed()
    box = fader.bounding_box()
    assert box is not None
    place = (box["x"] + box["width"] / 2, box["y"] + 0.65 * box["height"])
    before, after = page.evaluate(SAME_FRAME, [fader.element_handle(), *place])
    assert {name for name in before if before[name] == after[name]} == set()
    expect(desk).to_have_attribute("data-settled", "heads=0.333333")
    expect(desk.locator("[data-reading=heads]")).to_have_text("3/9")
    for name in ("prefill", "decode"):
        tile = desk.locator(f"[data-tile={name}]")
        expect(tile.locator(".badge")).to_have_text("forecast")
        expect(tile.locator(".beside")).to_have_text(re.compile(r"1\.\d\d×, ± 7 %"))
    expect(desk.locator("[data-tile=size] .badge")).to_have_text("exact")


def test_a_click_on_its_number_lets_a_layer_go_and_its_padlock_keeps_it(page: Page) -> None:
    desk = opened(page, "heads=0.333333,down=0.3")
    click_layer(page, desk.locator("[data-layers]"), 17)
    expect(desk).to_have_attribute("data-settled", "heads=0.333333,down=0.3,layers@17=1")
    expect(desk.locator("[data-reading=layers]")).to_have_text("1/30")
    lane = desk.locator("[data-lane=down]")
    drag(page, lane, (0.45, 0.5), (0.85, 0.5))
    expect(desk).to_have_attribute("data-settled", re.compile(r"layers@17=1.*down@"))
    assert "down@17" not in (desk.get_attribute("data-settled") or ""), "nothing can be painted there"
    click_layer(page, desk.locator("[data-locks]"), 17)
    page.wait_for_function("new URLSearchParams(location.search).get('lock') === '17'")
    click_layer(page, desk.locator("[data-layers]"), 17)
    desk.get_by_role("button", name="Reset").click()
    expect(desk).to_have_attribute("data-settled", "layers@17=1")


def test_kv_groups_take_the_place_of_heads(page: Page) -> None:
    desk = opened(page, "heads=0.333333")
    desk.get_by_role("button", name="KV groups", exact=True).click()
    expect(desk.locator("[data-fader=heads]")).to_be_hidden()
    drag(page, desk.locator("[data-fader=kv_groups]"), (0.5, 0.9), (0.5, 0.65))
    expect(desk).to_have_attribute("data-settled", "kv_groups=0.333333")
    desk.get_by_role("button", name="Undo").click()
    expect(desk).to_have_attribute("data-settled", "heads=0.333333")


def test_the_banks_show_what_is_chosen_and_keep_the_choice(page: Page) -> None:
    desk = opened(page, "up=0.3,heads=0.333333")
    desk.get_by_role("button", name="Whole units").click()
    expect(desk.locator("[data-fader=up]")).to_be_hidden()
    expect(desk.locator("[data-lane=up]")).to_be_hidden()
    expect(desk.locator("[data-fader=neurons]")).to_be_visible()
    page.reload()
    settle(page)
    expect(desk.get_by_role("button", name="Whole units")).to_have_attribute("aria-pressed", "true")
    desk.get_by_role("button", name="Single weights").click()
    expect(desk.locator("[data-fader=neurons]")).to_be_hidden()
    desk.get_by_role("button", name="Both").click()
    expect(desk.locator("[data-fader=neurons]")).to_be_visible()
    expect(desk).to_have_attribute("data-settled", "heads=0.333333,up=0.3")


def test_the_layers_fader_lets_those_go_that_hurt_least(page: Page) -> None:
    desk = opened(page)
    fader = desk.get_by_role("slider", name="Whole layers", exact=True)
    fader.press("ArrowUp")
    fader.press("ArrowUp")
    expect(desk).to_have_attribute("data-settled", re.compile(r"^layers@[\d,-]+=1$"))
    expect(fader).to_have_attribute("aria-valuetext", re.compile(r"^2 of 30, "))
    assert not re.search(r"@0|,0|29", desk.get_attribute("data-settled") or ""), "the ends cost most here"


def test_layers_may_keep_different_numbers_and_what_no_file_holds_is_said(page: Page) -> None:
    desk = opened(page, "heads@3-8=0.333333")
    expect(desk.locator("[data-tile=size] .beside")).to_have_text(re.compile(r"^-\d|^−\d"))
    expect(desk.locator("[data-bank-words]")).to_contain_text("Units are cut out first")
    expect(page.get_by_text("loads with bundled code").first).to_be_visible()
    desk = opened(page, "heads@3-8=0.111111")
    expect(desk.locator("[data-bank-words]")).to_contain_text("No file holds a layer without 1 head.")
    expect(desk.locator("[data-tile=size] .value")).to_have_text("538 MB")


def test_a_contradicting_plan_in_the_address_is_said_and_taken_as_empty(page: Page) -> None:
    page.goto("/explore?model=demo&plan=heads@3=0.333333,kv_groups@3=0.333333")
    settle(page)
    expect(page.get_by_text("In layer 3 both heads=0.333333 and kv_groups=0.333333")).to_be_visible()
    expect(page.locator("[data-desk]")).to_have_attribute("data-settled", "")
