"""The mixing desk in a real browser: hands and keys, Python's agreement, locks, undo, what it says."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import parse_settings
from pruning.ui.data.session import split_settings
from pruning.ui.text import format
from pruning.workspace.store import Store
from tests.e2e.browser import Server, drag, settle, wait_for_plan
from tests.support import synthetic

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("timed_home")]


def opened(page: Page, plan: str = "") -> Locator:
    page.goto(f"/explore?model=demo{f'&plan={plan}' if plan else ''}")
    settle(page)
    desk = page.locator("[data-desk]")
    page.wait_for_selector("[data-desk][data-settled]")
    return desk


# ---- both sides agree -------------------------------------------------------------------------------


# ---- what is measured is the large figure -----------------------------------------------------------


def test_a_measured_figure_is_large_until_a_hand_moves(page: Page, home: Path) -> None:
    desk = opened(page, "all=0.2")
    [row] = Store(home).find("measure", settings=["all=0.2"])
    truth = row["value"]
    shown = {
        "perplexity": format.perplexity(truth["perplexity"]),
        "agreement": format.percent(truth["agreement"]),
        "accuracy": format.percent(truth["accuracy"]),
        "questions": format.percent(truth["probe_accuracy"]),
    }
    for name, value in shown.items():
        tile = desk.locator(f"[data-tile={name}]")
        expect(tile.locator(".value")).to_have_text(value)
        expect(tile.locator(".badge")).to_have_text("measured")
        expect(tile.locator(".note")).to_have_text(re.compile(r"^forecast was \d"))
    size = desk.locator("[data-tile=size]")
    expect(size.locator(".value")).to_have_text(format.size(truth["file_bytes"]))
    expect(size.locator(".note")).to_contain_text(f"compact {format.size(truth['bytes'])}")
    fader = desk.locator("[data-fader=gate]")
    fader.scroll_into_view_if_needed()
    box = fader.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.75 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.5 * box["height"], steps=3)
    for name in shown:
        expect(desk.locator(f"[data-tile={name}] .badge")).to_have_text("forecast")
        expect(desk.locator(f"[data-tile={name}] .beside")).to_have_text(re.compile(r"\d.* – \d"))
    assert "all=0.2" in unquote(page.url), "before Python hears of it"
    page.mouse.up()


# ---- hands ------------------------------------------------------------------------------------------


def test_a_dragged_fader_is_drawn_before_python_hears_of_it(page: Page, home: Path) -> None:
    desk = opened(page)
    fader = desk.locator("[data-fader=gate]")
    fader.scroll_into_view_if_needed()
    box = fader.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    expect(fader).to_have_attribute("aria-valuenow", re.compile("4[678]"))
    expect(desk.locator("[data-tile=perplexity] .badge").last).to_have_text("forecast")
    assert "plan=" not in page.url, "Python hears of it when the hand lets go"
    page.mouse.up()
    expect(desk).to_have_attribute("data-settled", re.compile(r"gate=0\.4[678]"))
    plan = desk.get_attribute("data-settled") or ""
    wait_for_plan(page, plan)
    table = synthetic.sensitivity_map()
    known = [value["value"] for value in Store(home).find("measure")]
    learnt = Forecaster.fitted(
        table, [(parse_settings(v["settings"], table.groups), v["kl"]) for v in known]
    ).fit
    true = Forecaster(table, learnt).forecast(parse_settings([plan], table.groups))
    assert float(desk.get_attribute("data-kl") or 0) == pytest.approx(true.kl, rel=1e-6)
    expect(desk.locator(".differs")).to_be_hidden()


def test_painting_over_depth_locks_undo_and_reset(page: Page) -> None:
    desk = opened(page)
    lane = desk.locator("[data-lane=down]")
    drag(page, lane, (0.2, 0.9), (0.95, 0.3))
    expect(desk).to_have_attribute("data-settled", re.compile("down@"))
    painted = desk.get_attribute("data-settled") or ""
    table = synthetic.sensitivity_map()
    plan = parse_settings(split_settings(painted), table.groups)
    levels = [plan.get((layer, "down"), 0.0) for layer in range(30)]
    drawn = [level for level in levels if level > 0]
    assert len(drawn) >= 20, "a fast stroke leaves no gap"
    assert drawn == sorted(drawn)

    desk.get_by_role("button", name="Lock MLP down").click()
    expect(desk.get_by_role("button", name="Lock MLP down")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("new URLSearchParams(location.search).get('lock') === 'down'")
    drag(page, desk.locator("[data-fader=down]"), (0.5, 0.9), (0.5, 0.2))
    drag(page, desk.locator("[data-fader=up]"), (0.5, 0.9), (0.5, 0.5))
    expect(desk).to_have_attribute("data-settled", re.compile("up="))
    after = parse_settings(split_settings(desk.get_attribute("data-settled") or ""), table.groups)
    assert [after.get((layer, "down"), 0.0) for layer in range(30)] == levels, "what is locked stays"

    desk.get_by_role("button", name="Undo").click()
    expect(desk).to_have_attribute("data-settled", painted)
    page.reload()
    settle(page)
    desk = page.locator("[data-desk]")
    desk.get_by_role("button", name="Redo").click()
    expect(desk).to_have_attribute("data-settled", re.compile("up="))
    desk.get_by_role("button", name="Lock MLP down").click()
    desk.get_by_role("button", name="Reset").click()
    expect(desk).to_have_attribute("data-settled", "")


def test_double_click_resets_and_a_locked_layer_stays(page: Page) -> None:
    desk = opened(page, "all=0.4")
    numbers = desk.locator("[data-locks]")
    numbers.scroll_into_view_if_needed()
    box = numbers.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 34 + 0.5 * (box["width"] - 34) / 30, box["y"] + 8)
    page.wait_for_function("new URLSearchParams(location.search).get('lock') === '0'")
    desk.locator("[data-fader=qkv]").dblclick(position={"x": 20, "y": 150})
    expect(desk).to_have_attribute("data-settled", "attn_out=0.4,gate=0.4,up=0.4,down=0.4,qkv@0=0.4")


def test_a_preset_takes_the_present_overall_level(page: Page) -> None:
    desk = opened(page, "all=0.3")
    page.get_by_role("button", name="Presets").click()
    page.get_by_test_id("stRadioGroup").get_by_text("The guide's", exact=True).click()
    page.get_by_role("button", name="Use this preset").click()
    expect(desk).to_have_attribute("data-settled", "heads=0.222222,qkv=0.1,gate=0.45,up=0.45,down=0.15")


def test_the_desk_by_keyboard_alone(page: Page) -> None:
    """Every hand movement has keys: faders, single layers, painting, locks, undo."""
    desk = opened(page)
    fader = desk.get_by_role("slider", name="MLP gate", exact=True)
    while page.evaluate("document.activeElement?.shadowRoot?.activeElement?.dataset?.fader") != "gate":
        page.keyboard.press("Tab")
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowUp")
    expect(fader).to_have_attribute("aria-valuetext", "11 %")
    expect(desk).to_have_attribute("data-settled", "gate=0.11")
    while page.evaluate("document.activeElement?.shadowRoot?.activeElement?.dataset?.lane") != "up":
        page.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "PageUp", "Shift+ArrowRight", "l", "PageUp"):
        page.keyboard.press(key)
    lane = desk.get_by_role("slider", name="MLP up, layer by layer")
    expect(lane).to_have_attribute("aria-valuetext", "layer 3: 10 %, locked")
    expect(desk).to_have_attribute("data-settled", "gate=0.11,up@2-3=0.1")
    page.keyboard.press("Control+z")
    expect(desk).to_have_attribute("data-settled", "gate=0.11")
    expect(desk.locator("[aria-live]")).to_have_text(re.compile("Forecast: perplexity"))


def test_a_finger_drags_a_fader(browser: Browser, dashboard: Server) -> None:
    context = browser.new_context(
        base_url=dashboard.address, has_touch=True, viewport={"width": 1024, "height": 768}
    )
    try:
        page = context.new_page()
        desk = opened(page)
        fader = desk.locator("[data-fader=up]")
        fader.scroll_into_view_if_needed()
        fader.scroll_into_view_if_needed()
        box = fader.bounding_box()
        assert box is not None
        touch = context.new_cdp_session(page)
        x, low, high = box["x"] + box["width"] / 2, box["y"] + box["height"] - 10, box["y"] + 10
        for kind, points in (
            ("touchStart", [{"x": x, "y": low}]),
            ("touchMove", [{"x": x, "y": (low + high) / 2}]),
            ("touchMove", [{"x": x, "y": high}]),
            ("touchEnd", []),
        ):
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        expect(desk).to_have_attribute("data-settled", "up=0.95")
    finally:
        context.close()


def test_hovering_says_in_words_what_a_cell_costs(page: Page) -> None:
    desk = opened(page, "down@29=0.5")
    lane = desk.locator("[data-lane=down]")
    lane.scroll_into_view_if_needed()
    box = lane.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 20)
    expect(desk.locator("[data-words]")).to_have_text(
        re.compile(
            r"Layer 29, MLP down: 50 % costs about .* perplexity, at most .*; the measured point says .* %"
        )
    )
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(desk.locator("[data-words]")).to_have_text(re.compile("nothing removed; 50 % would cost"))


def test_the_plan_as_text_moves_the_desk_and_can_be_undone(page: Page) -> None:
    desk = opened(page, "up=0.2")
    page.get_by_text("The plan as text").click()
    field = page.get_by_role("textbox", name="Plan as text")
    field.fill("up=0.5,down@0-3,7=0.1")
    field.press("Enter")
    expect(desk.locator("[data-fader=up]")).to_have_attribute("aria-valuenow", "50")
    desk.get_by_role("button", name="Undo").click()
    expect(desk).to_have_attribute("data-settled", "up=0.2")


def test_the_verdict_stands_below_the_figures_and_follows_the_hand(page: Page, home: Path) -> None:
    """The last test: what it measures moves the forecasts of all."""
    answers = synthetic.behaviour(repeating=6)
    synthetic.put_measure(Store(home), synthetic.sensitivity_map(), ["all=0.05"], answers=answers)
    desk = opened(page, "all=0.05")
    verdict = desk.locator("[data-verdict]")
    expect(verdict.locator(".pill")).to_have_text("✕ broken")
    expect(verdict.locator(".badge")).to_have_text("measured")
    expect(verdict).to_contain_text("6 of 14 answers fall into repetition")
    desk.get_by_role("slider", name="MLP gate", exact=True).press("ArrowUp")
    expect(verdict.locator(".badge")).to_have_text("forecast")
    expect(verdict).to_contain_text(re.compile(r"KL .* – .* nats per token"))
    expect(verdict).not_to_contain_text("answers fall")
