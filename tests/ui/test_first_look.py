"""The first look on Start: one press, its figures with where they come from, and what to go on with."""

import pytest

from pruning.benchmarks import synthetic as made_up
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.first_looks import put_look
from tests.ui.conftest import Open, metric, text_of


@pytest.fixture
def mapped(store: Store) -> Store:
    """The made-up model with a map that prices units too."""
    made_up.put_model(store)
    made_up.put_map(store, units=True)
    return store


def test_one_press_asks_for_it(open_page: Open, mapped: Store, asked: list[dict]) -> None:
    app = open_page("start", model="demo")
    app.text_input(key="first_prompt").set_value("Why is grass green?").run()
    app.button(key="first_look").click().run()
    assert not app.exception
    assert [request["task"] for request in asked] == ["first_look"]
    assert asked[0]["arguments"] == {"smaller": 0.2, "prompt": "Why is grass green?", "data": "demo"}
    assert app.button(key="first_look").disabled


def test_before_a_model_is_open_the_press_opens_the_demo(
    open_page: Open, mapped: Store, asked: list[dict]
) -> None:
    app = open_page("start")
    app.button(key="first_look_demo").click().run()
    assert not app.exception
    assert app.query_params["model"] == "demo"
    assert [request["task"] for request in asked] == ["first_look"]


def test_a_map_without_units_offers_none(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    assert not any(button.key == "first_look" for button in open_page("start", model="demo").button)


def test_its_figures_say_where_they_come_from(open_page: Open, mapped: Store) -> None:
    put_look(mapped)
    app = open_page("start", model="demo")
    assert metric(app, "File") == "538 MB → 430 MB"
    assert metric(app, "Perplexity") == "45.0 → 61.0"
    said = text_of(app)
    assert said.count(":green-badge[measured]") >= 3
    assert "fitted to 2,048 tokens" in said
    drawn = "".join(html.proto.body for html in app.get("html"))
    assert "Unpruned" in drawn


def test_the_answer_to_the_prompt_at_hand_is_shown(open_page: Open, mapped: Store) -> None:
    put_look(mapped, "First?")
    put_look(mapped, "Second?")
    app = open_page("start", model="demo")
    assert "**Second?**" in text_of(app).replace("\\", "")
    app.text_input(key="first_prompt").set_value("First?").run()
    assert "**First?**" in text_of(app).replace("\\", "")


@pytest.mark.parametrize(("key", "view"), [("first_take", "explore"), ("first_write", "export")])
def test_its_plan_is_taken_further(open_page: Open, mapped: Store, key: str, view: str) -> None:
    put_look(mapped)
    app = open_page("start", model="demo")
    app.button(key=key).click().run()
    assert not app.exception
    assert app.query_params["tab"] == view
    assert app.query_params["plan"] == "neurons=0.25"
