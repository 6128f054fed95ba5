"""The Present page: figures equal to the store's and marked, answers, assumptions, alone and back."""

import re

import pytest

from pruning.planning.report.sums import Assumptions
from pruning.ui.present import page as present_view
from pruning.ui.text import format
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, go, text_of
from tests.ui.present.test_facts import said


def shown(app) -> str:
    return "\n".join(said(element.proto.body) for element in app.get("html"))


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
