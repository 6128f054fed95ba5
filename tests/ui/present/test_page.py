"""The Present page: figures equal to the store's and marked, sums that add up, a file safe to send."""

import base64
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan, parse_settings
from pruning.ui.present import facts as present_facts
from pruning.ui.present import html as present_page
from pruning.ui.present import page as present_view
from pruning.ui.present.facts import Assumptions, Results
from pruning.ui.text import format
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of


def said(html: str) -> str:
    """What a reader sees of some HTML."""
    without = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", without))


def shown(app) -> str:
    return "\n".join(said(element.proto.body) for element in app.get("html"))


def made(truth: dict | None = None, supposed: Assumptions | None = None, **more) -> present_page.Facts:
    table = synthetic.sensitivity_map()
    plan: Plan = parse_settings(["gate=0.4", "up=0.5"], table.groups)
    results = Results(Forecaster.prior(table).forecast(plan), truth, more.get("answer"))
    return present_facts.facts(more.get("model", "demo"), table, plan, results, supposed or Assumptions())


TRUTH = {"kl": 0.02, "bytes": 376_663_285, "agreement": 0.934, "perplexity": 35.2, "tokens": 4096}
ANSWER = {
    "prompt": "Why?",
    "dense": "Air scatters blue light.",
    "pruned": "Air scatters bluish light",
    "dense_tokens": ["Air", " scatters", " blue", " light", "."],
    "pruned_tokens": ["Air", " scatters", " blu", "ish", " light"],
    "dense_ended": True,
    "pruned_ended": False,
    "first_difference": 2,
}


# ---- the page ---------------------------------------------------------------------------------------


def test_without_a_plan_the_page_says_where_to_make_one(open_page: Open, store: Store) -> None:
    assert "No model yet" in text_of(open_page("present"))
    synthetic.put_model(store)
    assert "No map yet" in text_of(open_page("present", model="demo"))
    synthetic.put_all(store)
    assert "Nothing to present yet" in text_of(open_page("present", model="demo"))


def test_a_measured_plan_is_presented_with_the_stores_figures(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    figures = store.find("measure", settings=["gate=0.4", "up=0.5"])[0]["value"]
    page = shown(open_page("present", model="demo", plan="gate=0.4,up=0.5"))
    assert f"{round(100 * (1 - figures['bytes'] / table.dense['bytes']))} %" in page
    assert f"{round(100 * figures['agreement'])} in 100" in page
    assert page.count("● measured") == 5
    assert page.count("◌ forecast") == 2, "speed was not measured, nor were answers"
    synthetic.put_measure(store, table, ["gate=0.4", "up=0.5"], answers=synthetic.behaviour(repeating=6))
    page = shown(open_page("present", model="demo", plan="gate=0.4,up=0.5"))
    assert "✕ Its answers are broken: some run in circles or make no sense." in page
    assert "● measured 6 of 14 answers fall into repetition; 9 of 14 begin unlike" in " ".join(page.split())


def test_an_unmeasured_plan_is_marked_as_forecast_with_its_range(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    page = shown(open_page("present", model="demo", plan="down=0.3"))
    assert page.count("● measured") == 1, "the size before"
    assert re.search(r"Between \d+ in 100 and \d+ in 100, eight times out of ten", page)


def test_assumptions_change_the_sums_stay_and_are_in_the_address(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("present", model="demo", plan="down=0.3")
    app.number_input(key="present_price").set_value(7.5).run()
    app.number_input(key="present_copies").set_value(200).run()
    app.text_input(key="present_title").set_value("Half the memory").run()
    assert not app.exception
    assert "200 copies × 7.50 € a GB" in shown(app)
    app.switch_page("pages/compare.py").run()
    app.switch_page("pages/present.py").run()
    assert "200 copies × 7.50 € a GB" in shown(app)
    assert "Half the memory" in shown(app)
    assert app.query_params["copies"] in ("200", ["200"])
    app.number_input(key="present_copies").set_value(0).run()
    assert "7.50 €" not in shown(app), "what is left out is not reckoned with"


def test_shown_alone_there_is_nothing_to_press_but_the_way_back(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("present", model="demo", plan="down=0.3")
    app.button(key="present_full").click().run()
    assert not app.exception
    assert [button.key for button in app.button] == ["present_leave"]
    assert not [*app.number_input, *app.text_input, *app.text_area, *app.slider]
    assert "A smaller demo model" in shown(app)
    app.button(key="present_leave").click().run()
    assert "view" not in app.query_params
    assert app.button(key="present_full")


def test_an_answer_is_shown_or_asked_for(open_page: Open, store: Store, asked: list[dict]) -> None:
    table = synthetic.put_all(store)
    app = open_page("present", model="demo", plan="down=0.3")
    assert "before and after" not in shown(app)
    app.button(key="present_answer").click().run()
    assert not app.exception
    assert asked[0]["arguments"]["plans"] == [["down=0.3"]]
    synthetic.put_answer(store, table, ["down=0.3"])
    synthetic.put_answer(store, table, ["down=0.3"], prompt="And at night?")
    app.run()
    assert "And at night?" in shown(app)
    app.selectbox(key="present_prompt").set_value(synthetic.PROMPT).run()
    page = shown(app)
    assert synthetic.PROMPT in page
    assert "bends it." in page


@pytest.mark.parametrize("value", ["nan", "-1", "1e300", "many", ""])
def test_an_address_that_makes_no_sense_is_not_believed(value: str) -> None:
    assert present_view.from_address({"price": value, "copies": value, "memory": value}) == Assumptions()


def test_an_address_is_read_back() -> None:
    assumptions = present_view.from_address({"title": "T", "price": "2.5", "copies": "3", "currency": "$"})
    assert assumptions == Assumptions(title="T", price=2.5, copies=3, currency="$")


# ---- facts ------------------------------------------------------------------------------------------


def test_measured_figures_win_and_are_told_as_such() -> None:
    smaller, speed, same = made(TRUTH).figures
    assert (smaller.value, smaller.source) == ("30 %", "measured")
    assert (same.value, same.source) == ("93 in 100", "measured")
    assert "4,096 places" in same.basis
    assert speed.value == "1.0×"


def test_forecast_figures_carry_the_forecasts_range() -> None:
    table = synthetic.sensitivity_map()
    seen = Forecaster.prior(table).forecast(parse_settings(["gate=0.4", "up=0.5"], table.groups))
    smaller, _, same = made().figures
    assert smaller.value == format.percent(1 - seen.bytes / table.dense["bytes"])
    assert same.value == f"{round(100 * seen.agreement)} in 100"
    for bound in (seen.agreement_low, seen.agreement_high):
        assert f"{round(100 * bound)} in 100" in same.basis
    assert {smaller.source, same.source} == {"forecast"}


def test_answers_are_judged_in_a_sentence() -> None:
    safe = synthetic.behaviour(repeating=0, early=2, questions_lost=1)
    judged = made({**TRUTH, "behaviour": safe}).judged
    assert (judged.sign, judged.source) == ("✓", "measured")
    assert judged.says == "Its answers read like those of the model before."
    assert "KL" not in judged.reasons
    assert made(TRUTH).judged.source == made().judged.source == "forecast", "its answers were not tried"


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 in 100"), (0.9996, "over 99 in 100"), (0.934, "93 in 100"), (0.001, "under 1 in 100")],
)
def test_times_in_a_hundred(share: float, text: str) -> None:
    assert made({**TRUTH, "agreement": share}).figures[2].value == text


def test_the_sums_add_up() -> None:
    money, devices = made(TRUTH, Assumptions(price=4.0, copies=1000, memory=2.0, currency="$")).meanings
    saved = (538_090_408 - 376_663_285) / 1e9
    assert money.result == f"{4.0 * 1000 * saved:,.2f} $ less a month for memory"
    assert money.sum == "0.161 GB less a copy × 1,000 copies × 4.00 $ a GB and month = about 645.71 $ a month"
    assert devices.result == "5 copies fit into one device, instead of 3"
    assert devices.sum == "2 GB ÷ 0.538 GB a copy = 3; 2 GB ÷ 0.377 GB a copy = 5"


@pytest.mark.parametrize(
    ("memory", "text"),
    [
        (0.1, "It still does not fit into 0.1 GB"),
        (0.4, "It did not fit into 0.4 GB, and now it does"),
        (0.6, "1 copy fits into one device, as before"),
    ],
)
def test_devices(memory: float, text: str) -> None:
    assert made(TRUTH, Assumptions(memory=memory)).meanings[-1].result == text


def test_every_assumption_that_is_used_is_listed() -> None:
    page = said(present_page.body(made(TRUTH, Assumptions(price=4.0, copies=1000, memory=2.0))))
    for text in (
        "4.00 € a month for one GB",
        "1,000 copies of the model",
        "2 GB of memory are free",
        "538 MB",
    ):
        assert text in page
    nothing = said(present_page.body(made(TRUTH, Assumptions(price=0, memory=0))))
    assert "assumed" not in nothing


def test_answers_part_where_a_word_begins() -> None:
    spoken = present_facts.spoken(ANSWER)
    assert spoken.before[: spoken.shared] == "Air scatters"
    assert spoken.after == "Air scatters bluish light …", "an answer that was cut is shown as such"
    middle = {**ANSWER, "dense_tokens": ["Air", " scat", "ters"], "first_difference": 2}
    assert present_facts.spoken(middle).shared == len("Air ")
    same = {**ANSWER, "pruned": ANSWER["dense"], "pruned_ended": True, "first_difference": None}
    assert "the same, word for word" in present_page.body(made(answer=same))
    assert "<mark>" not in present_page.body(made(answer=same))


# ---- the file ---------------------------------------------------------------------------------------


def test_the_file_stands_alone() -> None:
    file = present_page.document(made(TRUTH, answer=ANSWER))
    assert file.startswith("<!doctype html>")
    assert present_page.POLICY in file
    lower = file.lower()
    for outside in ("<script", "http://", "https://", "@import", "<link", "<iframe", "javascript:", "onload"):
        assert outside not in lower
    assert set(re.findall(r'src="([^,"]+)', file)) == {"data:image/svg+xml;base64"}
    assert "prefers-color-scheme: dark" in file
    assert "@media print" in file
    assert present_page.body(made(TRUTH, answer=ANSWER), rank=1) in file, "the page and the file say the same"


def test_every_text_of_a_user_is_escaped() -> None:
    bad = "</style><script>alert('1')</script>&\"<b>"
    facts = made(
        TRUTH,
        Assumptions(title=bad, currency=bad),
        model=bad.replace("/", ""),
        answer={**ANSWER, "prompt": bad, "dense": f"Air scatters{bad}", "pruned": bad},
    )
    facts = replace(facts, record=bad)
    for html in (present_page.document(facts), present_page.body(facts)):
        assert "<script" not in html
        assert bad not in html
        assert html.count("</style>") == html.count("<style>")
        assert bad in unescape(html)


def test_a_folders_path_stays_at_home() -> None:
    file = present_page.document(made(TRUTH, model="/home/somebody/secret/my-model"))
    assert "my-model" in file
    assert "secret" not in file


def test_the_picture_leaves_out_the_plans_share() -> None:
    facts = made(TRUTH)
    pictures = [
        ElementTree.fromstring(base64.b64decode(data))
        for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", present_page.body(facts))
    ]
    assert len(pictures) == 4, "two bars, and the parts in two groups"
    full, after, reading, working = (
        {
            kind: sum(
                float(box.get("width")) * float(box.get("height"))
                for box in picture
                if (float(box.get("fill-opacity")) == 1) == kept
            )
            for kind, kept in (("kept", True), ("all", False))
        }
        for picture in pictures
    )
    assert full["kept"] == full["all"]
    assert after["kept"] / after["all"] == pytest.approx(TRUTH["bytes"] / 538_090_408, rel=1e-4)
    assert reading["kept"] == reading["all"], "this plan leaves attention alone"
    assert working["kept"] / working["all"] == pytest.approx(1 - (0.4 + 0.5 + 0) / 3, rel=1e-3)
