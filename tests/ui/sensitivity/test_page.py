"""The Sensitivity page without a browser: criteria side by side, measured points in words, the table."""

import json
import re
import time

import pytest
from streamlit.testing.v1 import AppTest

from pruning.ui.data import single_groups
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.latency_rows import put_latency
from tests.ui.conftest import Open, text_of


def figures(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def names(figure: dict) -> list[str]:
    """The names at the lines' right ends."""
    return [note["text"].rpartition("> ")[2] for note in figure["layout"].get("annotations", [])]


def test_one_button_draws_the_missing_maps(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_all(store)
    app = open_page("criteria", model="demo")
    button = app.button(key="missing_maps")
    assert button.label == "Draw the maps of Wanda and Magnitude"
    button.click().run()
    assert not app.exception
    assert [request["task"] for request in asked] == ["map", "map"]
    assert [request["arguments"]["criterion"] for request in asked] == ["wanda", "magnitude"]
    assert app.button(key="missing_maps").disabled, "they are on their way"


def test_criteria_stand_side_by_side_for_the_model_and_for_what_is_chosen(
    open_page: Open, store: Store
) -> None:
    synthetic.put_all(store)
    for criterion in ("wanda", "magnitude"):
        synthetic.put_map(store, criterion=criterion)
    app = open_page("criteria", model="demo")
    assert not any(button.key == "missing_maps" for button in app.button)
    whole, chosen = figures(app)
    assert sorted(names(whole)) == sorted(names(chosen)) == ["Fisher", "Magnitude", "Wanda"]
    measured = {trace["name"]: trace for trace in whole["data"] if trace.get("mode") == "markers"}
    assert list(measured) == ["Fisher, measured"], "all=0.2 and all=0.4 were measured with fisher alone"
    assert measured["Fisher, measured"]["x"] == pytest.approx([20, 40])
    said = text_of(app)
    assert "**Layer 29 · MLP down**" in said
    assert "The bands of Fisher and Wanda overlap" in said
    app.session_state["chosen_groups"] = [(0, "up"), (1, "up")]
    app.run()
    assert not app.exception
    assert "**The 2 chosen groups together**" in text_of(app)


def test_a_measured_point_is_put_beside_its_forecast_in_words(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    said = text_of(open_page("sensitivity", model="demo"))
    assert "Layer 29 · MLP down at 50 %: :green-badge[measured] KL" in said
    assert re.search(r", \d+ % below its forecast, inside the band\]", said)


def test_the_table_holds_every_group_and_level(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("sensitivity", model="demo")
    [table] = app.dataframe
    assert len(table.value) == 1350
    assert table.value["measured_kl_nats_per_token"].notna().sum() == 3
    assert set(table.value.columns) == set(single_groups.COLUMNS) - {"measured_perplexity"}
    assert [button.proto.label for button in app.get("download_button")] == ["Download as CSV"]


def test_points_appear_while_the_sweep_runs(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    request = {"task": "sweep", "model": {"reference": "demo", "device": "auto"}, "arguments": {}}
    store.update_job(store.add_job(request, "somebody"), state="running", started=time.time())
    app = open_page("sensitivity", model="demo")
    app.session_state["chosen_groups"] = [(3, "up")]
    app.run()
    assert "nothing measured yet" in text_of(app)
    synthetic.put_points(store, table, 3, "up")
    app.run()
    assert not app.exception
    assert "3 measured points" in text_of(app)


# ---- units, and damage for what is saved ------------------------------------------------------------


def heat_of(app: AppTest) -> dict:
    return next(figure for figure in figures(app) if figure["data"][0]["type"] == "heatmap")


def test_units_are_rows_of_the_same_map(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    synthetic.put_map(store, units=True)
    app = open_page("sensitivity", model="demo")
    assert len(heat_of(app)["data"][0]["y"]) == 10
    assert "or a whole layer" in text_of(app)
    app.session_state["chosen_groups"] = [(3, "heads"), (4, "layers")]
    app.run()
    assert not app.exception
    assert len(names(figures(app)[1])) == 2, "their curves"


@pytest.mark.parametrize(
    ("shown", "timed", "said"),
    [
        ("Per megabyte saved", False, "Cheapest MB"),
        ("Per time saved", False, "estimate"),
        ("Per time saved", True, "from what was timed here"),
    ],
)
def test_damage_is_shown_for_what_it_saves(
    open_page: Open, store: Store, shown: str, timed: bool, said: str
) -> None:
    synthetic.put_all(store)
    synthetic.put_map(store, units=True)
    if timed:
        put_latency(store)
    app = open_page("sensitivity", model="demo")
    app.session_state["heat_shown"] = shown
    app.run()
    assert not app.exception
    assert said in text_of(app)
    grid = dict(zip(heat_of(app)["data"][0]["y"], heat_of(app)["data"][0]["z"], strict=True))
    assert (grid["MLP up"] == [None] * 30) is (shown == "Per time saved"), "zeros save no time"
    assert all(value is not None for value in grid["MLP neurons"])
