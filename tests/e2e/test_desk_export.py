"""From a fader of heads to a smaller model that anybody can load, with the real engine on a tiny model."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import drag, settle

pytestmark = pytest.mark.browser
JOB = 180_000
LOAD = """
import json, sys
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
assert "pruning" not in sys.modules
print(json.dumps([model.config.num_attention_heads, model.model.layers[0].self_attn.o_proj.in_features]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Path:
    """A workspace in which the tiny model is inspected and its map drawn."""
    folder = tmp_path_factory.mktemp("drawn")
    for command in ("inspect", "map"):
        subprocess.run(
            [sys.executable, "-m", "pruning", command, str(llama_folder)],
            env={**os.environ, "PRUNESCOPE_HOME": str(folder)},
            check=True,
            capture_output=True,
        )
    return folder


def test_heads_go_by_hand_and_the_smaller_model_loads_anywhere(
    page: Page, llama_folder: Path, home: Path
) -> None:
    page.goto(f"/explore?model={llama_folder}")
    settle(page)
    page.wait_for_selector("[data-desk][data-settled]")
    desk = page.locator("[data-desk]")
    expect(desk.locator("[data-tile=decode] .note")).to_have_text("as fast; not timed yet")
    expect(page.get_by_role("button", name="Time this model")).to_be_visible()
    drag(page, desk.locator("[data-fader=heads]"), (0.5, 0.95), (0.5, 0.49))
    expect(desk).to_have_attribute("data-settled", "heads=0.5")
    expect(desk.locator("[data-tile=decode] .badge")).to_have_text("estimate")
    page.get_by_role("button", name="Measure this plan").click()
    expect(page.get_by_text(re.compile("(inside|outside) the band"))).to_be_visible(timeout=JOB)
    expect(desk.locator("[data-tile=perplexity] .badge")).to_have_text("measured")
    promised = desk.locator("[data-tile=size] .value").inner_text()

    page.get_by_role("link", name="Export", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Export")
    settle(page)
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("two-heads")
    name.press("Enter")
    expect(page.get_by_text("name: two-heads").first).to_be_visible()
    expect(page.get_by_text(promised).first).to_be_visible()
    page.get_by_role("button", name="Write the model").click()
    expect(page.get_by_text("loaded again, equal")).to_be_visible(timeout=JOB)

    done = subprocess.run(
        [sys.executable, "-I", "-c", LOAD, str(home / "exports" / "two-heads")],
        check=True,
        capture_output=True,
        text=True,
        cwd=home,
    )
    assert json.loads(done.stdout) == [2, 16]


def test_a_list_of_layers_is_dropped_on_the_desk(page: Page, llama_folder: Path, tmp_path: Path) -> None:
    """Read by the engine at once, and seen although its job ends before anybody looks."""
    page.goto(f"/explore?model={llama_folder}")
    settle(page)
    page.get_by_text("Open a recipe", exact=True).click()
    for name, layers in (("first.txt", "1"), ("second.txt", "0")):
        (tmp_path / name).write_text(layers)
        page.locator("input[type=file]").set_input_files(tmp_path / name)
        expect(page.locator(".st-key-recipe_opened")).to_contain_text(name, timeout=JOB)
        expect(page.locator("[data-desk]")).to_have_attribute("data-settled", f"layers@{layers}=1")
