"""The main job in a real browser with the real engine, on a tiny model: load, map, slide, measure, export."""

import re
import shutil
from pathlib import Path
from typing import get_type_hints

import pytest
from playwright.sync_api import Browser, Page, expect

from pruning.benchmarks.interface import journey
from pruning.benchmarks.interface.opening import opened
from pruning.benchmarks.result_types import JourneyBench
from pruning.model_files.checkpoint import demo_folder
from tests.e2e.browser import Server, drag, fader, nudge, server, settle, wait_for_plan

pytestmark = pytest.mark.browser
JOB = 120_000


def test_load_map_slide_measure_export_reload(
    page: Page, dashboard: Server, llama_folder: Path, home: Path
) -> None:
    page.goto("/model")
    settle(page)
    page.get_by_role("textbox", name="Hub id, folder or GGUF file").fill(str(llama_folder))
    page.get_by_role("textbox", name="Hub id, folder or GGUF file").press("Enter")
    expect(page.get_by_text("LlamaForCausalLM")).to_be_visible()
    expect(page.get_by_text("Fits into memory")).to_be_visible()
    page.get_by_role("button", name="Load this model").click()
    expect(page.get_by_role("heading", name="What it is made of")).to_be_visible(timeout=JOB)

    # Nobody asks for the baseline.
    expect(page.get_by_text("Questions answered right, by capability")).to_be_visible(timeout=JOB)

    page.get_by_role("link", name="Sensitivity", exact=True).click()
    page.get_by_role("button", name="Draw the map").click()
    expect(page.get_by_text("Forecast cost of removing 50 %")).to_be_visible(timeout=JOB)
    page.get_by_role("button", name=re.compile(r"Measure \d+ points")).click()
    expect(page.get_by_text(re.compile(r"\d+ measured points"))).to_be_visible(timeout=JOB)

    page.get_by_role("link", name="Prune", exact=True).click()
    expect(page.get_by_text("Nothing is removed yet")).to_be_visible()
    desk = page.locator("[data-desk]")
    drag(page, desk.locator("[data-lane=down]"), (0.3, 0.9), (0.95, 0.3))
    expect(desk).to_have_attribute("data-settled", re.compile("down"))
    desk.get_by_role("button", name="Reset").click()
    expect(desk).to_have_attribute("data-settled", "")
    nudge(page, "MLP up", 30)
    expect(page.get_by_text("not measured yet")).to_be_visible()
    wait_for_plan(page, "up=0.3")
    page.get_by_role("button", name="Measure this plan").click()
    expect(page.get_by_text(re.compile("(inside|outside) the band"))).to_be_visible(timeout=JOB)

    page.get_by_role("link", name="Compare", exact=True).first.click()
    page.get_by_role("button", name="Ask 2 prompts of 1 plan").click()
    expect(page.get_by_text(re.compile("(unpruned|same) answer")).first).to_be_visible(timeout=JOB)

    page.get_by_role("link", name="Prune", exact=True).click()
    expect(page.locator(".st-key-view_explore")).to_be_visible()
    page.reload()
    settle(page)
    wait_for_plan(page, "up=0.3")
    expect(fader(page, "MLP up")).to_have_attribute("aria-valuenow", "30")
    expect(page.get_by_text(re.compile("(inside|outside) the band"))).to_be_visible()

    page.get_by_role("link", name="Export", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Export")
    settle(page)
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("tiny-light")
    name.press("Enter")
    expect(page.get_by_text("name: tiny-light").first).to_be_visible()
    page.get_by_role("button", name="Write the model").click()
    expect(page.get_by_text("loaded again, equal")).to_be_visible(timeout=JOB)
    assert (home / "exports" / "tiny-light" / "model.safetensors").exists()
    wait_for_plan(page, "up=0.3")

    maps = Path(f"/proc/{dashboard.pid}/maps")
    if maps.exists():
        assert "libtorch" not in maps.read_text(), "the weights are the engine's, in a process of its own"


def test_a_newcomers_way_from_start_to_written_models_and_a_report(
    browser: Browser, llama_folder: Path, tmp_path: Path
) -> None:
    """The clicks that `prunescope bench journey` times with the demo, which a tiny model stands in for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
        shutil.copytree(llama_folder, demo_folder())
        (demo_folder() / "prunescope.json").write_text('{"origin": "hub"}', encoding="utf-8")
    with server(tmp_path / "home", tmp_path / "log") as found, opened(browser, found) as page:
        seen: list[str] = []
        journey.get_ready(page)
        taken = journey.journey(page, seen.append)
        assert [f"{name}_s" for name in seen] == list(taken)
        assert set(taken) | {"ready_s", "from_map_s", "whole_s"} == set(get_type_hints(JourneyBench))
        written = {path.suffix for path in (tmp_path / "home" / "exports").glob("*/*")}
        assert {".gguf", ".safetensors"} <= written
