"""A criterion without a map: one press draws it, and another criterion's stays in view, named as such."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from pruning.jobs import runner
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of

PAGES = ["sensitivity", "explore", "optimize", "compare", "present"]


@pytest.fixture
def filled(store: Store) -> Store:
    """A model with the map of Fisher, and plans measured with it."""
    synthetic.put_all(store)
    return store


def charts(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


@pytest.mark.parametrize("page", PAGES)
def test_one_press_draws_the_map_of_the_sessions_criterion(
    filled: Store, open_page: Open, asked: list[dict], page: str
) -> None:
    app = open_page(page, model="demo", criterion="wanda", plan="up=0.4")
    app.button(key="draw_map").click().run()
    assert not app.exception
    [request] = asked
    assert (request["task"], request["arguments"]) == ("map", {"criterion": "wanda", "data": "demo"})
    assert app.button(key="draw_map").disabled, "it is on its way"


@pytest.mark.parametrize("page", PAGES)
def test_a_criterion_that_has_a_map_is_offered_none(filled: Store, open_page: Open, page: str) -> None:
    app = open_page(page, model="demo", plan="up=0.4")
    assert not any(button.key == "draw_map" for button in app.button)
    assert "has no map yet" not in text_of(app)


def test_the_press_says_how_long_it_takes(
    filled: Store, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: dict[str, float | None] = {"map": None}
    monkeypatch.setattr(runner(), "expected_seconds", lambda request: expected.get(request["task"]))
    said = text_of(open_page("explore", model="demo", criterion="wanda"))
    assert "as long as ten readings of the text" in said
    expected["map"] = 150.0
    said = text_of(open_page("explore", model="demo", criterion="wanda"))
    assert "about 2 min on this machine" in said
    assert "ten readings" not in said


def test_sensitivity_keeps_the_map_of_the_criterion_before(filled: Store, open_page: Open) -> None:
    app = open_page("sensitivity", model="demo")
    before = charts(app)
    app.selectbox(key="criterion").set_value("wanda").run()
    assert not app.exception
    said = text_of(app)
    assert "**Wanda has no map yet.**" in said
    assert "is the map of **Fisher**" in said
    assert ":orange-badge[of Fisher]" in said
    assert app.selectbox(key="criterion").value == "wanda"
    assert charts(app)[0]["data"][0]["z"] == before[0]["data"][0]["z"]
    # What would measure Wanda, or judge it by Fisher's map, is not offered.
    assert not any(button.key in ("sweep_start", "find_leanings") for button in app.button)
    synthetic.put_map(filled, criterion="wanda")
    app.run()
    assert "has no map yet" not in text_of(app)
    assert ":orange-badge[of Fisher]" not in text_of(app)
    assert any(button.key == "sweep_start" for button in app.button)


def test_of_several_maps_the_one_before_is_kept(filled: Store, open_page: Open) -> None:
    synthetic.put_map(filled, criterion="magnitude")
    app = open_page("sensitivity", model="demo", criterion="magnitude")
    app.selectbox(key="criterion").set_value("wanda").run()
    assert ":orange-badge[of Magnitude]" in text_of(app)
    # After a reload nobody knows the one before.
    assert ":orange-badge[of Fisher]" in text_of(open_page("sensitivity", model="demo", criterion="wanda"))


def test_explore_keeps_the_faders_and_names_whose_forecast_it_is(filled: Store, open_page: Open) -> None:
    app = open_page("explore", model="demo", criterion="wanda", plan="all=0.4")
    said = text_of(app)
    assert "**Wanda has no map yet.** Your sliders stay." in said
    assert ":blue-badge[forecast] :orange-badge[of Fisher] KL" in said
    # It was measured with Fisher; of Wanda nothing is known.
    assert ":gray-badge[not measured yet]" in said
    assert ":green-badge[measured] KL" not in said
    assert not any(button.key == "teach" for button in app.button)
    assert "Does the damage add up?" not in said
    assert app.query_params["plan"] == "all=0.4"


def test_explore_measures_the_criterion_that_was_chosen(
    filled: Store, open_page: Open, asked: list[dict]
) -> None:
    app = open_page("explore", model="demo", criterion="wanda", plan="all=0.4")
    app.button(key="measure").click().run()
    assert asked[0]["arguments"] == {"settings": ["all=0.4"], "criterion": "wanda", "data": "demo"}


def test_without_any_map_pages_are_empty_but_for_the_press(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    for page in ("explore", "optimize"):
        app = open_page(page, model="demo")
        assert "No map yet" in text_of(app)
        assert app.button(key="draw_map").label == "Draw the map of Fisher"
