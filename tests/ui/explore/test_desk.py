"""What Explore does with a mixed plan in Python: events, presets, an older map, the button that times."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruning.errors import PruningError
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import parse_settings
from pruning.ui.data import requests
from pruning.ui.explore.mixer.component import plan_of
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.latency_rows import put_latency
from tests.ui.conftest import Open, text_of

MIXED = ["heads=0.333333", "neurons=0.2", "layers@17=1", "down=0.3"]


@pytest.fixture
def smap(store: Store) -> SensitivityMap:
    synthetic.put_all(store)
    return synthetic.put_map(store, units=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests that pages would have queued."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(requests, "submit", lambda request: found.append(request) or 1)
    return found


def sent(app: AppTest, levels: list[float]) -> AppTest:
    app.session_state["desk"] = {"events": [{"number": 1, "levels": levels, "locks": []}]}
    app.run()
    assert not app.exception
    return app


def test_a_mixed_plan_comes_back_from_the_desk(open_page: Open, smap: SensitivityMap) -> None:
    plan = parse_settings(MIXED, smap.groups)
    app = sent(open_page("explore", model="demo"), smap.levels_of(plan).tolist())
    assert app.query_params["plan"] == "heads=0.333333,neurons=0.2,down=0.3,layers@17=1"
    app = open_page("explore", model="demo", plan=",".join(MIXED))
    assert "of the prunable weights removed" in text_of(app)


def test_levels_that_contradict_each_other_are_said_and_not_taken(
    open_page: Open, smap: SensitivityMap
) -> None:
    levels = smap.levels_of({(3, "heads"): 0.333333, (3, "kv_groups"): 0.333333}).tolist()
    app = sent(open_page("explore", model="demo", plan="up=0.2"), levels)
    assert any("In layer 3 both heads" in error.value for error in app.error)
    assert app.query_params["plan"] == "up=0.2"
    with pytest.raises(PruningError, match="a layer goes"):
        plan_of([0.5], [(0, "layers")])


def test_a_map_without_units_is_drawn_again_in_one_press(
    store: Store, open_page: Open, asked: list[dict[str, Any]]
) -> None:
    synthetic.put_all(store)
    app = open_page("explore", model="demo", plan="heads=0.333333")
    said = text_of(app)
    assert "**This map prices single weights alone.**" in said
    assert any("Draw the map again" in error.value for error in app.error)
    app.button(key="draw_map_again").click().run()
    assert [request["task"] for request in asked] == ["map"]


def test_the_model_is_timed_in_one_press_until_it_was(
    store: Store, smap: SensitivityMap, open_page: Open, asked: list[dict[str, Any]]
) -> None:
    app = open_page("explore", model="demo")
    app.button(key="time_model").click().run()
    assert [request["task"] for request in asked] == ["latency"]
    put_latency(store)
    app = open_page("explore", model="demo")
    assert not any(button.key == "time_model" for button in app.button)


def test_the_guides_preset_takes_whole_heads(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="all=0.3")
    app.radio(key="preset").set_value("guide_attention").run()
    app.button(key="preset_use").click().run()
    assert not app.exception
    assert app.query_params["plan"] == "heads=0.222222,qkv=0.1"
