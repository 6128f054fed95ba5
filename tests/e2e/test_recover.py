"""Training in a real browser with the real engine, on a tiny model: its course, stopping and going on."""

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from pruning.engine.models.load import load
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.e2e.browser import settle

pytestmark = pytest.mark.browser
JOB = 120_000


def test_training_is_followed_stopped_and_taken_up_again(
    page: Page, home: Path, llama_folder: Path, tmp_path: Path
) -> None:
    store = Store(home)
    TASKS["inspect"](Session(load(str(llama_folder)), store))
    text = tmp_path / "text.txt"
    text.write_text(
        "\n\n".join(f"The {n} boats knocked against the wall, {n * n} times. " * 6 for n in range(40))
    )
    address = {"model": str(llama_folder), "data": str(text), "criterion": "magnitude", "plan": "all=0.5"}
    page.goto(f"/recover?{urlencode(address)}")
    settle(page)
    steps = page.get_by_role("spinbutton", name="Steps", exact=True).first
    steps.fill("5000")
    steps.press("Enter")
    expect(page.get_by_text("All gone by step")).to_have_count(0)
    page.get_by_role("button", name="Train it").click()

    expect(page.get_by_text("Training now:")).to_be_visible(timeout=JOB)
    expect(page.get_by_text(re.compile(r"KL .* at step [1-9]"))).to_be_visible(timeout=JOB)
    expect(page.locator(".st-key-recover_tabs .js-plotly-plot .scatterlayer")).not_to_have_count(0)
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_text(re.compile("Stopped at step .* It goes on from"))).to_be_visible(timeout=JOB)
    [left] = store.find("recovery_course")
    reached = left["value"]["steps"]
    assert 0 < reached < 5000
    assert left["value"]["best_step"] is not None
    page.get_by_role("button", name=f"Go on from step {left['value']['saved_step']}").first.click()
    expect(page.get_by_text("Training now:")).to_be_visible(timeout=JOB)
    page.wait_for_function(
        "step => [...document.querySelectorAll('[role=progressbar]')].length > 0 && "
        "Number(/Step (\\d+) of/.exec(document.body.innerText)?.[1]) > step",
        arg=reached,
        timeout=JOB,
    )
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("Stopped at step"))).to_be_visible(timeout=JOB)
    losses = store.find("recovery_course")[0]["value"]["losses"]
    assert [row["step"] for row in losses] == list(range(1, len(losses) + 1)), "every step once"
