"""The Methods page: the chart and the table of everything that was measured."""

import io
import json
import math

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pruning.ui.data import results as method_results
from pruning.ui.data.queries import Info
from pruning.ui.methods import chart
from pruning.ui.methods import page as methods_page
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open
from tests.ui.methods.conftest import choose


def info(store: Store) -> Info:
    facts = store.find("inspect")[0]["value"]
    parameters = {(g["layer"], g["kind"]): int(g["parameters"]) for g in facts["groups"]}
    return Info(facts, parameters, {})


def test_every_measured_method_is_a_row_with_its_name(filled: AppTest) -> None:
    table = filled.dataframe[0].value
    assert set(table["method"]) == {
        "50 % of weights, Magnitude",
        "50 % of weights, Wanda",
        "2:4, Wanda",
        "20 % of 16x16 blocks, L2",
        "20 % of neurons, Fisher",
        "2 of 9 heads, Fisher",
        "Layer 7 dropped",
        "50 % of weights, Wanda, trained for 60 steps",
    }
    heads = table[table["structure"] == "heads"].iloc[0]
    assert heads["bytes_ordinary_file"] == pytest.approx(538.090408), "it cannot be written smaller"
    neurons = table[table["structure"] == "neurons"].iloc[0]
    assert neurons["bytes_ordinary_file"] == neurons["bytes_stored_sparsely_or_cut"] < 538
    assert list(table["removed_percent"]) == sorted(table["removed_percent"])


def test_the_chart_holds_every_point(filled: AppTest) -> None:
    spec = json.loads(filled.get("plotly_chart")[0].proto.spec)
    traces = {trace["name"]: trace for trace in spec["data"] if trace.get("name")}
    assert {"Single weights · Wanda", "N of every M · Wanda", "Heads · Fisher", "Layers"} <= set(traces)
    assert traces["Single weights · Wanda"]["marker"]["symbol"] == "circle"
    assert traces["Single weights · Wanda, trained"]["marker"]["symbol"] == "circle-open"
    assert spec["layout"]["yaxis"]["type"] == "log"


def test_the_frontier_is_what_nothing_beats(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    synthetic.put_methods(store)
    rows = [("a", 0.5, 0.9), ("b", 0.49996, 0.35), ("c", 0.2, 0.4), ("d", 0.1, 0.1), ("e", 0.6, 2.0)]
    results = [
        method_results.Result(name, name, "wanda", ("all=0.5",), {}, None, False, {"sparsity": s, "kl": k}, 0)
        for name, s, k in rows
    ]
    assert [result.id for result in chart.frontier(results)] == ["d", "b", "e"]


def test_figures_of_another_text_and_of_nothing_removed_are_left_out(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    synthetic.put_method(store, ["all=0.3"], 0.3, 0.2, data_fingerprint="older")
    synthetic.put_method(store, ["all=0.4"], 0.4, 0.4)
    synthetic.put_method(store, [], 0.0, 0.0)
    app = open_page("methods", model="demo")
    assert list(app.dataframe[0].value["settings"]) == ["all=0.4"]


def test_the_best_is_named_as_such(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    value = synthetic.put_method(
        store, ["heads@0=0.111111", "heads@5=0.333333"], 0.03, 0.05, structure="heads"
    )
    job = store.add_job({"task": "best", "model": {"reference": "demo"}, "arguments": {}}, "nobody")
    store.update_job(job, state="done", result=value)
    app = open_page("methods", model="demo")
    assert list(app.dataframe[0].value["method"]) == ["Best: Heads, more where they cost less, Fisher"]


def test_the_table_can_be_taken_away(filled: AppTest) -> None:
    [button] = [result for result in filled.get("download_button") if "CSV" in result.proto.label]
    assert button.proto.label == "Download as CSV"
    frame = filled.dataframe[0].value
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert math.isclose(again["measured_kl_nats_per_token"].max(), 2.8)


def test_a_new_measurement_becomes_the_chosen_one(filled: AppTest, store: Store) -> None:
    choose(filled, "2 of 9 heads")
    synthetic.put_method(store, ["all=0.6"], 0.6, 1.7)
    filled.run()
    assert filled.selectbox(key=methods_page.CHOSEN).value == method_results_newest(store)


def method_results_newest(store: Store) -> str:
    rows = store.find("measure", fingerprint=synthetic.FINGERPRINT)
    return method_results._result(rows[0], info(store), set()).id
