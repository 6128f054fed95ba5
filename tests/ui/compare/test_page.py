"""The Compare page without a browser: pins side by side, what is asked, and the marks in the answers."""

import re

import pytest

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import parse_settings
from pruning.ui.compare import answers, damage_chart
from pruning.ui.data import queries
from pruning.ui.shared import token_html
from pruning.ui.text import format, labels
from pruning.workspace import task_registry
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of

PINS = ["Light:all=0.2", "Heavy:gate=0.4,up=0.5"]


# ---- the page ---------------------------------------------------------------------------------------


def test_without_anything_to_compare_the_page_says_where_to_pin(open_page: Open, store: Store) -> None:
    assert "No model yet" in text_of(open_page("compare"))
    synthetic.put_model(store)
    assert "No map yet" in text_of(open_page("compare", model="demo"))
    synthetic.put_all(store)
    app = open_page("compare", model="demo")
    assert "Set a plan under Prune and pin it there" in text_of(app)
    assert any("Go to Prune" in str(link.value) for link in app.page_link)


def test_the_table_holds_forecast_and_measurement_of_every_plan(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    app = open_page("compare", model="demo", plan="down=0.3", pin=PINS)
    shown = app.table[0].value
    assert list(shown.index) == ["Unpruned", "This plan", "Light", "Heavy"]
    measurements = queries.measurements(
        queries.Info({"fingerprint": table.fingerprint}, dict.fromkeys(table.groups, 1), {}), table
    )
    truth = queries.measured(parse_settings(["all=0.2"], table.groups), measurements)
    assert truth is not None
    measured = format.perplexity(truth["perplexity"])
    assert re.fullmatch(
        rf"{re.escape(measured)} :green-badge\[measured\] :small\[forecast was [\d.]+\]",
        shown["Perplexity"]["Light"],
    )
    assert shown["Model folder"]["Light"] == format.size(truth["file_bytes"]) == "538 MB"
    assert shown["Compact file"]["Light"] == format.size(truth["bytes"])
    assert re.fullmatch(
        r"[\d.]+ :blue-badge\[forecast\] :small\[[\d.]+ – [\d.]+\]", shown["Perplexity"]["This plan"]
    ), "what was not measured is not made up"
    assert "in layer 29" in text_of(app)


def test_a_pinned_plan_is_not_shown_twice_and_one_that_does_not_fit_is_told(
    open_page: Open, store: Store
) -> None:
    synthetic.put_all(store)
    app = open_page("compare", model="demo", plan="all=0.2", pin=[PINS[0], "Other:up@90=0.5"])
    assert list(app.table[0].value.index) == ["Unpruned", "Light"]
    assert "One pinned plan does not fit this model" in text_of(app)


def test_pins_are_taken_up_and_removed(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("compare", model="demo", pin=PINS)
    app.selectbox(key="pin_chosen").set_value("Heavy").run()
    app.button(key="pin_use").click().run()
    assert app.query_params["plan"] == "gate=0.4,up=0.5"
    app.button(key="pin_remove").click().run()
    assert not app.exception
    assert app.query_params["pin"] == PINS[0]
    assert list(app.table[0].value.index) == ["Unpruned", "This plan", "Light"]


def test_all_plans_are_asked_the_chosen_prompts(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_all(store)
    app = open_page("compare", model="demo", plan="down=0.3", pin=PINS)
    assert "Nothing was asked of these plans yet" in text_of(app)
    app.text_area(key="ask_own").set_value("  What is a fjord? ").run()
    app.button(key="ask").click().run()
    assert not app.exception
    assert asked[0]["task"] == "generate"
    assert asked[0]["arguments"] == {
        "prompts": [labels.READY_PROMPTS["Sky"], labels.READY_PROMPTS["Letter"], "What is a fjord?"],
        "plans": [["down=0.3"], ["all=0.2"], ["gate=0.4", "up=0.5"]],
        "criterion": "fisher",
        "data": "demo",
        "max_new_tokens": 40,
    }
    assert task_registry.title("generate") in app.progress[0].text


def test_stored_answers_are_there_without_asking(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    synthetic.put_answer(store, table, ["all=0.2"])
    app = open_page("compare", model="demo", pin=PINS)
    said = text_of(app)
    assert "leaves the unpruned answer at token **7** of 11" in said
    assert "not asked this yet" in said, "the other plan has no answer to this prompt"


def test_what_was_asked_elsewhere_is_found_and_what_is_missing_asked_for(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    """Present asks for 80 tokens, Compare for 40: each is found, and the lack is said plan by plan."""
    table = synthetic.put_all(store)
    for settings, length in ((["all=0.2"], 80), (["gate=0.4", "up=0.5"], 40)):
        value = synthetic.put_answer(store, table, settings, max_new_tokens=length)
        [stored] = store.find("answer", settings=settings)
        store.put("answer", stored["key"], {**value, "dense_ended": False})
    app = open_page("compare", model="demo", plan="down=0.3", pin=PINS)
    said = text_of(app)
    assert said.count("leaves the unpruned answer at token") == 2
    assert "asked for 40 of these 80 tokens" in said
    assert said.count("not asked this yet") == 1, "the plan of Explore"
    [button] = [button for button in app.button if button.label.endswith("for 80 tokens")]
    assert button.label == "Ask This plan, Heavy for 80 tokens"
    button.click().run()
    assert not app.exception
    assert asked[0]["arguments"]["plans"] == [["down=0.3"], ["gate=0.4", "up=0.5"]]
    assert asked[0]["arguments"]["prompts"] == [synthetic.PROMPT]
    assert asked[0]["arguments"]["max_new_tokens"] == 80
    [lengths] = [group for group in app.button_group if group.label == "Tokens of each answer"]
    lengths.set_value(40).run()
    assert not app.exception
    assert "asked for 40 of these" not in text_of(app)


def test_every_prompt_is_there_however_many_were_asked(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    for number in range(8):
        synthetic.put_answer(store, table, ["all=0.2"], prompt=f"Question {number}?")
    app = open_page("compare", model="demo", pin=PINS)
    box = app.selectbox(key="answers_prompt")
    assert box.options == [f"Question {number}?" for number in range(7, -1, -1)]
    box.set_value("Question 0?").run()
    assert not app.exception
    assert "**Question 0?**" in text_of(app)


def test_a_users_words_are_shown_as_they_are(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    name, prompt = "![x](https://example.org/x.png)", "<img src=x onerror=alert(1)> *now* :red[y]"
    synthetic.put_answer(store, table, ["all=0.2"], prompt=prompt)
    app = open_page("compare", model="demo", pin=[f"{name}:all=0.2"])
    assert not app.exception
    said = text_of(app)
    assert name not in said
    assert format.plain(name) in said
    assert format.plain(prompt) in said


# ---- the marks --------------------------------------------------------------------------------------


def row(**changes) -> dict:
    value = {
        "dense_tokens": ["Blue", " li", "ght", "."],
        "pruned_tokens": ["Blue", " sea", "."],
        "dense_ended": False,
        "pruned_ended": True,
        "first_difference": 1,
        "kl": [0.01, 0.3, 2.0, 0.06],
    }
    return {**value, **changes}


def test_the_first_difference_is_marked_in_both_answers() -> None:
    drawn = token_html.answer(row(), "Plan 1")
    marked = re.findall(r"<mark>(.*?)</mark>", drawn)
    assert [re.sub("<.*?>", "", text) for text in marked] == [" li", " sea"]
    assert drawn.count("◆ parts here") == 1, "the table says it as well"
    assert token_html.answer(row(first_difference=None), "Plan 1").count("<mark>") == 0


def test_each_token_is_shaded_by_its_kl_and_its_figure_is_in_the_table() -> None:
    drawn = token_html.answer(row(), "Plan 1")
    shades = re.findall(r'<span(?: class="drift-(\d)")? title="KL (.*?) nats">', drawn)
    assert shades == [("", "0.01"), ("2", "0.3"), ("4", "2"), ("1", "0.06")]
    cells = re.findall(r"<tr><td>(\d+)</td><td>(.*?)</td><td>(.*?)</td></tr>", drawn)
    assert [(number, kl) for number, _, kl in cells] == [
        ("1", "0.01"),
        ("2", "0.3"),
        ("3", "2"),
        ("4", "0.06"),
    ]


@pytest.mark.parametrize(
    ("kl", "step"), [(0, 0), (0.049, 0), (0.05, 1), (0.2, 2), (0.5, 3), (0.99, 3), (1, 4)]
)
def test_shades_rise_with_the_drift(kl: float, step: int) -> None:
    assert token_html.shade(kl) == step


def test_a_token_without_text_goes_with_the_next_and_loses_nothing() -> None:
    tokens = token_html.gather(["a", "", "é", ""], [0.1, 0.9, 0.2, 0.3], 1, ended=True)
    assert [(token.text, token.kl, token.parts, token.end) for token in tokens] == [
        ("a", 0.1, False, False),
        ("é", 0.9, True, False),
        ("", 0.3, False, True),
    ]


def test_answers_are_escaped() -> None:
    drawn = token_html.answer(row(pruned_tokens=["<script>alert(1)</script>"]), "<b>P</b>")
    assert "<script" not in drawn
    assert "<b>P" not in drawn


def test_a_longer_answer_is_cut_to_be_laid_beside_a_shorter_one() -> None:
    long = row(max_new_tokens=80, dense="Blue light.", pruned="Blue sea.")
    short = answers.cut(long, 2)
    assert (short["dense"], short["pruned"]) == ("Blue li", "Blue sea")
    assert (short["dense_tokens"], short["kl"]) == (["Blue", " li"], [0.01, 0.3])
    assert not short["pruned_ended"], "it would have gone on"
    assert short["first_difference"] == 1
    assert answers.cut(long, 1)["first_difference"] is None
    assert answers.cut(long, 3)["pruned_ended"], "it ended by then"
    assert answers.cut(long, 80) is long


def test_the_answer_for_a_length_is_the_nearest_that_has_it_all() -> None:
    rows = [row(max_new_tokens=160, dense="", pruned=""), row(max_new_tokens=80), row(max_new_tokens=2)]
    for length, taken in ((160, 160), (100, 100), (80, 80), (2, 2)):
        assert answers.at_length(rows, length)["max_new_tokens"] == taken
    assert answers.at_length(rows[2:], 80) is rows[2], "shorter than wished for"
    assert not answers.reaches(rows[2], 80)
    assert answers.reaches(row(max_new_tokens=40, dense_ended=True), 80), "both ended before"
    assert answers.at_length([], 80) is None


def test_damage_panels_share_one_scale_and_add_up_to_the_forecast() -> None:
    table = synthetic.sensitivity_map(layers=4)
    costs = [
        (name, Forecaster.prior(table).group_costs(parse_settings([settings], table.groups)))
        for name, settings in (("A", "all=0.2"), ("B", "up=0.6"), ("C", "down=0.1"), ("D", "all=0.5"))
    ]
    figure = damage_chart.panels(table.groups, costs)
    followed = [axis.matches for axis in figure.select_yaxes()]
    assert followed.count(None) == 1, "one panel has the scale, and all others follow it"
    assert len(set(followed)) == 2
    drawn = sum(float(sum(bar.y)) for bar in figure.data)
    assert drawn == pytest.approx(sum(float(cost.sum()) for _, cost in costs))
    assert sum(bool(bar.showlegend) for bar in figure.data) == 5
    worst = int((costs[3][1].reshape(4, 5).sum(1)).argmax())
    assert damage_chart.heaviest(table.groups, costs[3][1]).endswith(f"in layer {worst}")
