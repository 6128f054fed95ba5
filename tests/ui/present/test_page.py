"""The Present page: figures equal to the store's and marked, sums that add up, a file safe to send."""

import base64
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan, parse_settings
from pruning.planning.report import presentation as present_page
from pruning.planning.report import words
from pruning.planning.report.shell import POLICY
from pruning.planning.report.sums import Assumptions
from pruning.planning.report.words import Speed
from pruning.ui.present import facts as present_facts
from pruning.ui.present import page as present_view
from pruning.ui.present.facts import Results
from pruning.ui.text import format
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, go, text_of


def said(html: str) -> str:
    """What a reader sees of some HTML."""
    without = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", without))


def shown(app) -> str:
    return "\n".join(said(element.proto.body) for element in app.get("html"))


def made(truth: dict | None = None, supposed: Assumptions | None = None, **more) -> present_page.Facts:
    table = synthetic.sensitivity_map()
    plan: Plan = parse_settings(["gate=0.4", "up=0.5"], table.groups)
    speed, right = more.get("speed"), more.get("questions")
    results = Results(Forecaster.prior(table).forecast(plan), truth, more.get("answer"), speed, right)
    return present_facts.facts(more.get("model", "demo"), table, plan, results, supposed or Assumptions())


TRUTH = {
    "kl": 0.02,
    "bytes": 376_663_285,
    "file_bytes": 538_090_408,
    "agreement": 0.934,
    "perplexity": 35.2,
    "tokens": 4096,
}
# As if whole neurons had been cut out.
CUT = {**TRUTH, "structure": "neurons", "not_smaller": None}
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
    synthetic.put_all(store)
    figures = store.find("measure", settings=["gate=0.4", "up=0.5"])[0]["value"]
    page = shown(open_page("present", model="demo", plan="gate=0.4,up=0.5"))
    said_once = re.sub(r"\s+", " ", page)
    assert f"No smaller {format.size(figures['file_bytes'])} for the model folder, as before" in said_once
    saved = round(100 * (1 - figures["bytes"] / figures["file_bytes"]))
    assert f"{format.size(figures['bytes'])} as a compact file, {saved} % less" in page
    assert f"{round(100 * figures['agreement'])} in 100" in page
    assert page.count("● measured") == 8, "what the mark means is said as well"
    assert page.count("◌ forecast") == 3, "speed was not measured, nor were answers"
    synthetic.put_measure(
        store, synthetic.sensitivity_map(), ["gate=0.4", "up=0.5"], answers=synthetic.behaviour(repeating=6)
    )
    page = shown(open_page("present", model="demo", plan="gate=0.4,up=0.5"))
    words_only = " ".join(page.split())
    assert "✕ broken Its answers are broken: some run in circles or make no sense." in words_only
    assert "● measured 6 of 14 answers fall into repetition; 9 of 14 begin unlike" in words_only


def test_an_unmeasured_plan_is_marked_as_forecast_with_its_range(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    page = shown(open_page("present", model="demo", plan="down=0.3"))
    assert page.count("● measured") == 1, "the size before"
    assert re.search(r"Between \d+ in 100 and \d+ in 100\.", page)
    assert "eight times in ten the true value lies in the range shown" in page


def test_assumptions_change_the_sums_stay_and_are_in_the_address(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("present", model="demo", plan="down=0.3")
    app.number_input(key="present_price").set_value(7.5).run()
    app.number_input(key="present_copies").set_value(200).run()
    app.text_input(key="present_title").set_value("Half the memory").run()
    assert not app.exception
    assert "200 copies × 7.50 € a GB" in shown(app)
    go(app, "compare")
    go(app, "present")
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
    assert "A pruned demo model" in shown(app)
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
    page = shown(app)
    assert synthetic.PROMPT in page, "it was asked here, and not the newer one"
    assert "bends it." in page
    app.selectbox(key="present_prompt").set_value("And at night?").run()
    assert "And at night?" in shown(app)


def test_the_question_just_asked_is_shown_when_it_is_answered(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    table = synthetic.put_all(store)
    letter, sky = "Write a letter.", "Why is the sky blue?"
    synthetic.put_answer(store, table, ["down=0.3"], prompt=sky, max_new_tokens=80)
    synthetic.put_answer(store, table, ["down=0.3"], prompt=letter, max_new_tokens=40)
    app = open_page("present", model="demo", plan="down=0.3")
    assert letter in shown(app), "the one answered last"
    app.text_area(key="present_ask").set_value(sky).run()
    app.button(key="present_answer").click().run()
    assert not app.exception
    assert sky in shown(app)
    assert letter not in shown(app)
    assert asked == [], "it was answered before"
    app.text_area(key="present_ask").set_value("And at night?").run()
    app.button(key="present_answer").click().run()
    assert asked[0]["arguments"]["prompts"] == ["And at night?"]
    assert "is being answered" in text_of(app)
    assert sky in shown(app), "until the new one is there"
    synthetic.put_answer(store, table, ["down=0.3"], prompt="And at night?", max_new_tokens=80)
    [stored] = store.find("answer", prompt=letter)
    store.put("answer", stored["key"], stored["value"])  # by another page, later
    store.update_job(store.jobs()[0].id, state="done")
    app.run()
    assert not app.exception
    assert "And at night?" in shown(app)
    assert "is being answered" not in text_of(app)


def test_what_compare_asked_is_shown_however_the_plan_is_spelled(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    value = synthetic.put_answer(store, table, ["all=0.3"], max_new_tokens=160)
    [stored] = store.find("answer")
    spelled = [f"{kind}=0.3" for kind in ("up", "down", "gate", "attn_out", "qkv")]
    store.remove("answer", stored["key"])
    store.put("answer", {**stored["key"], "settings": spelled}, {**value, "settings": spelled})
    assert "bends it." in shown(open_page("present", model="demo", plan="all=0.3"))
    assert "bends it." not in shown(open_page("present", model="demo", plan="all=0.3,up=0.2"))


@pytest.mark.parametrize("page", ["explore", "export", "optimize", "present"])
def test_what_recover_measured_of_the_plan_counts_on_every_page(
    open_page: Open, store: Store, page: str
) -> None:
    """Before training it is the plan's own figure; after training it is named so, and beside it."""
    synthetic.put_all(store)
    synthetic.put_recovery(store, ["down=0.3"])
    synthetic.put_recovery(store, ["up=0.3"])
    app = open_page(page, model="demo", plan="down=0.3")
    said = text_of(app)
    if page != "optimize":
        assert said.count(":orange-badge[measured after recovery] KL 0.2 ") == 1
    else:  # it is about the plan that it proposes; others are points of its chart
        assert any(option.endswith("(down=0.3)") for option in app.selectbox(key="optimize_point").options)
    if page == "explore":
        assert ":green-badge[measured] KL 0.8" in said
        assert "not measured yet" not in said
    if page == "export":
        assert next(metric.value for metric in app.metric if metric.label == "Perplexity") == "72.0"
    if page == "present":
        assert "60 in 100" in shown(app)


@pytest.mark.parametrize("value", ["nan", "-1", "1e300", "many", ""])
def test_an_address_that_makes_no_sense_is_not_believed(value: str) -> None:
    assert present_view.from_address({"price": value, "copies": value, "memory": value}) == Assumptions()


def test_an_address_is_read_back() -> None:
    assumptions = present_view.from_address({"title": "T", "price": "2.5", "copies": "3", "currency": "$"})
    assert assumptions == Assumptions(title="T", price=2.5, copies=3, currency="$")


# ---- facts ------------------------------------------------------------------------------------------


def test_measured_figures_win_and_are_told_as_such() -> None:
    screen = made(TRUTH).screen
    (size, speed, _), (_, same, _) = screen.saves, screen.costs
    assert (size.value, size.source) == ("No smaller", "measured")
    assert size.says == "538 MB for the model folder, as before; 377 MB as a compact file, 30 % less"
    assert (same.value, same.source) == ("93 in 100", "measured")
    assert "4,096 places" in same.basis
    assert speed.value == "No faster"


def test_forecast_figures_carry_the_forecasts_range() -> None:
    table = synthetic.sensitivity_map()
    seen = Forecaster.prior(table).forecast(parse_settings(["gate=0.4", "up=0.5"], table.groups))
    screen = made().screen
    size, same = screen.saves[0], screen.costs[1]
    assert size.says.startswith(format.size(table.dense["bytes"]))
    assert f"{format.percent(1 - seen.bytes / table.dense['bytes'])} less" in size.says
    assert same.value == f"{round(100 * seen.agreement)} in 100"
    for bound in (seen.agreement_low, seen.agreement_high):
        assert f"{round(100 * bound)} in 100" in same.basis
    assert (size.source, same.source) == ("exact", "forecast")


def test_answers_are_judged_in_a_sentence() -> None:
    safe = synthetic.behaviour(repeating=0, early=2, questions_lost=1)
    judged = made({**TRUTH, "behaviour": safe}).screen.costs[0]
    assert (judged.value, judged.source) == ("✓ as good", "measured")
    assert judged.says == "Its answers read like those of the model before."
    assert "KL" not in judged.basis
    for facts in (made(TRUTH), made()):
        assert facts.screen.costs[0].source == "forecast", "its answers were not tried"


def test_questions_are_beside_those_of_before() -> None:
    tried = {**TRUTH, "probe_accuracy": 0.52, "behaviour": synthetic.behaviour()}
    right = made(tried, questions=0.9).screen.costs[2]
    assert (right.value, right.says) == ("52 in 100", "questions are answered right; before 73 in 100")
    assert made({**TRUTH, "probe_accuracy": 0.52}, questions=0.6).screen.costs[2].says.endswith("60 in 100")
    unknown = made(questions=0.6).screen.costs[2]
    assert (unknown.value, unknown.source) == ("Not tested", "not tried")
    assert unknown.says.endswith("before 60 in 100")


def test_what_is_cut_out_is_faster_and_zeros_are_not() -> None:
    timed, guessed = Speed(1.25, 1.4, timed=True, band=0.03), Speed(1.2, 1.3, timed=False)
    faster = made(CUT, speed=timed).screen.saves[1]
    assert (faster.value, faster.source) == ("25 % faster", "forecast")
    assert "40 % faster when it reads" in faster.says
    assert "Between 21 % faster and 29 % faster" in faster.basis
    assert made(CUT, speed=guessed).screen.saves[1].source == "estimate"
    assert made(CUT).screen.saves[1].source == "not tried"
    assert made(TRUTH, speed=timed).screen.saves[1].value == "No faster"
    assert made(CUT, speed=Speed(0.98, 1.0, timed=False)).screen.saves[1].value == "2 % slower"


def test_what_to_do_with_it_is_said_in_short() -> None:
    good, bad = synthetic.behaviour(repeating=0, early=2, questions_lost=1), synthetic.behaviour(repeating=6)
    short = made({**TRUTH, "behaviour": good}).screen.short
    assert short == "In short: it can stand in for the model before."
    assert made({**TRUTH, "behaviour": bad}).screen.short.startswith("In short: not fit for use as it is.")
    assert made({**TRUTH, "kl": 3.0}).screen.short.startswith("In short, probably: not fit")


def test_what_was_done_is_said_as_it_was() -> None:
    weights, units = {(0, "up"): 0.5}, {(0, "neurons"): 0.2}
    assert "15 % were set to zero" in words.done("it", weights, 0.15, cut=False)
    assert "were cut out." in words.done("it", units, 0.15, cut=True)
    assert "were set to zero." in words.done("it", units, 0.15, cut=False)
    assert "were cut out or set to zero." in words.done("it", weights | units, 0.15, cut=True)


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 in 100"), (0.9996, "over 99 in 100"), (0.934, "93 in 100"), (0.001, "under 1 in 100")],
)
def test_times_in_a_hundred(share: float, text: str) -> None:
    assert made({**TRUTH, "agreement": share}).screen.costs[1].value == text


def test_the_sums_add_up() -> None:
    money, devices = made(CUT, Assumptions(price=4.0, copies=1000, memory=2.0, currency="$")).meanings
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
    assert made(CUT, Assumptions(memory=memory)).meanings[-1].result == text


def test_zeros_save_no_memory_and_no_money() -> None:
    money, devices, compact = made(TRUTH, Assumptions(price=4.0, copies=1000, memory=2.0)).meanings
    assert money.result == "Memory costs as much as before"
    assert devices.result == "3 copies fit into one device, as before"
    assert compact.result == "161 MB less to keep and to send as a compact file"
    assert compact.sum.startswith("538 MB - 377 MB a copy. It is unpacked before it runs")


def test_what_is_cut_out_is_smaller_in_every_form() -> None:
    facts = made(CUT)
    size = facts.screen.saves[0]
    assert (size.value, size.says) == ("30 % smaller", "on disk and in memory: 377 MB, was 538 MB")
    assert [each.label for each in facts.bars] == ["Before", "After"]


def test_every_assumption_that_is_used_is_listed() -> None:
    page = said(present_page.body(made(TRUTH, Assumptions(price=4.0, copies=1000, memory=2.0))))
    for text in (
        "4.00 € a month for one GB",
        "1,000 copies of the model",
        "2 GB of memory are free",
    ):
        assert text in page
    nothing = said(present_page.body(made(TRUTH, Assumptions(price=0, memory=0))))
    assert "assumed" not in nothing


def test_answers_part_where_a_word_begins() -> None:
    spoken = words.spoken(ANSWER)
    assert spoken.before[: spoken.shared] == "Air scatters"
    assert spoken.after == "Air scatters bluish light …", "an answer that was cut is shown as such"
    middle = {**ANSWER, "dense_tokens": ["Air", " scat", "ters"], "first_difference": 2}
    assert words.spoken(middle).shared == len("Air ")
    same = {**ANSWER, "pruned": ANSWER["dense"], "pruned_ended": True, "first_difference": None}
    assert "the same, word for word" in present_page.body(made(answer=same))
    assert "<mark>" not in present_page.body(made(answer=same))


# ---- the file ---------------------------------------------------------------------------------------


def test_the_file_stands_alone() -> None:
    file = present_page.document(made(TRUTH, answer=ANSWER))
    assert file.startswith("<!doctype html>")
    assert POLICY in file
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
    assert len(pictures) == 5, "three bars, and the parts in two groups"
    full, after, compact, reading, working = (
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
    assert after["kept"] == after["all"], "zeros are written like other numbers"
    assert compact["kept"] / compact["all"] == pytest.approx(TRUTH["bytes"] / 538_090_408, rel=1e-4)
    assert reading["kept"] == reading["all"], "this plan leaves attention alone"
    assert working["kept"] / working["all"] == pytest.approx(1 - (0.4 + 0.5 + 0) / 3, rel=1e-3)
