"""Compare and Present in a real browser: marks and shades that can be read, a file that stands alone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pruning.workspace.store import Store
from tests.e2e.browser import Server, settle
from tests.support import synthetic

pytestmark = pytest.mark.browser
PLAN = "model=demo&plan=down%3D0.3"
# Contrast of an element's text against what lies behind it, with see-through layers laid over each other.
CONTRAST = """element => {
  const numbers = text => (text.match(/[\\d.]+/g) || []).map(Number)
  const layers = []
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, a = 1] = numbers(getComputedStyle(at).backgroundColor)
    layers.push([r, g, b, a])
    if (a === 1) break
  }
  let back = layers.pop()
  for (const [r, g, b, a] of layers.reverse())
    back = [r, g, b].map((value, i) => a * value + (1 - a) * back[i])
  const light = colour => colour.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const [one, other] = [light(numbers(getComputedStyle(element).color)), light(back)].sort((a, b) => b - a)
  return (one + 0.05) / (other + 0.05)
}"""
BACKGROUND = "element => getComputedStyle(element).backgroundColor"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answered")
    store = Store(folder)
    table = synthetic.put_all(store)
    synthetic.put_answer(store, table, ["all=0.2"])
    synthetic.put_answer(store, table, ["down=0.3"], pruned=tuple(synthetic.DENSE_TOKENS))
    return folder


def card(page: Page, plan: str) -> Locator:
    """The answers of one plan."""
    return page.locator(".answers").filter(has=page.get_by_role("heading", name=plan, exact=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_where_answers_part_is_marked_and_drift_is_shaded(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"/compare?{PLAN}&pin=Light:all%3D0.2")
    settle(page)
    expect(page.get_by_text("leaves the unpruned answer at token 7 of 11")).to_be_visible()
    light = card(page, "Light")
    expect(light.locator("mark")).to_have_text([" scatters", " bends"])
    expect(card(page, "This plan").locator("mark")).to_have_count(0)
    tokens = light.locator("section").first.locator("p span[title]")
    titles = [str(token.get_attribute("title")) for token in tokens.all()]
    drifts = [float(title.removeprefix("KL ").removesuffix(" nats")) for title in titles]
    assert drifts == synthetic.DRIFTS
    alphas = [_alpha(token.evaluate(BACKGROUND)) for token in tokens.all()]
    by_drift = sorted(zip(drifts, alphas, strict=True))
    assert [alpha for _, alpha in by_drift] == sorted(alphas), "more drift is never paler"
    assert alphas[0] == 0
    assert len(set(alphas)) == 5, "all five steps are told apart"
    legend = page.locator(".drift-legend i")
    assert [_alpha(one.evaluate(BACKGROUND)) for one in legend.all()] == sorted(set(alphas))
    assert min(token.evaluate(CONTRAST) for token in tokens.all()) >= 4.5


def _alpha(colour: str) -> float:
    parts = re.findall(r"[\d.]+", colour)
    return float(parts[3]) if len(parts) == 4 else 1.0


def test_the_shading_can_be_read_as_a_table(page: Page) -> None:
    page.goto(f"/compare?{PLAN}&pin=Light:all%3D0.2")
    settle(page)
    light = card(page, "Light")
    light.get_by_text("Every token in numbers").press("Enter")
    row = light.get_by_role("row", name=re.compile("parts here"))
    expect(row).to_have_text("7scatters ◆ parts here1.7")


def test_a_plan_is_pinned_on_explore_and_found_on_compare(page: Page) -> None:
    page.goto(f"/explore?{PLAN}")
    settle(page)
    page.get_by_role("textbox", name="Name of this plan").fill("Mine")
    page.get_by_role("button", name="Pin this plan").click()
    page.get_by_role("link", name="Compare (1 pinned)").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare")
    expect(page.get_by_role("table").first).to_contain_text("Mine")


def test_the_presentation_is_one_file_that_needs_nothing_else(
    page: Page, browser: Browser, tmp_path: Path
) -> None:
    page.goto(f"/present?{PLAN}")
    settle(page)
    page.get_by_role("textbox", name="Title").fill("Ten <of> us")
    page.get_by_role("textbox", name="Title").press("Enter")
    expect(page.get_by_role("heading", name="Ten <of> us")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as one file").click()
    assert waiting.value.suggested_filename == "ten-of-us.html"
    waiting.value.save_as(tmp_path / "sent.html")
    asked: list[str] = []
    for scheme in ("light", "dark"):
        reader = browser.new_context(offline=True, color_scheme=scheme).new_page()  # type: ignore[arg-type]
        reader.on("request", lambda request: asked.append(request.url))
        reader.goto((tmp_path / "sent.html").as_uri())
        expect(reader.get_by_role("heading", level=1)).to_have_text("Ten <of> us")
        for text in page.locator(".present .value").all_inner_texts():
            expect(reader.get_by_text(text, exact=True)).to_be_visible()
        drawn = "images => images.every(image => image.complete && image.naturalWidth > 0)"
        assert reader.locator("img").evaluate_all(drawn)
        assert (
            min(one.evaluate(CONTRAST) for one in reader.locator(".present p, .present .mark").all()) >= 4.5
        )
        reader.context.close()
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}


def test_shown_alone_the_presentation_fills_the_window(page: Page, dashboard: Server) -> None:
    page.goto(f"/present?{PLAN}")
    settle(page)
    expect(page.get_by_role("link", name="Prune", exact=True)).to_be_visible()
    page.get_by_role("button", name="Show it alone").click()
    expect(page.get_by_role("link", name="Prune", exact=True)).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("A pruned demo model")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    settle(page)
    sure = page.locator(".present section", has_text="How sure we are").bounding_box()
    assert sure is not None
    assert sure["y"] + sure["height"] <= 720, "all that matters stands on one screen"
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("A pruned demo model")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    page.get_by_role("button", name="Leave this view").click()
    expect(page.get_by_role("link", name="Prune", exact=True)).to_be_visible()


def test_escape_leaves_the_presentation_and_focus_returns(page: Page) -> None:
    page.goto(f"/present?{PLAN}")
    settle(page)
    there = page.get_by_role("button", name="Show it alone")
    there.press("Enter")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    settle(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stHeader")).to_be_visible()
    expect(there).to_be_focused()
