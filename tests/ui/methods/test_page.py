"""The Methods page without a browser: every structure's request, mistakes, the chart and table of results."""

import io
import json
import math
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pruning.benchmarks.synthetic import DATA_FINGERPRINT
from pruning.cli.command_line import command_line
from pruning.planning.recipe.mask_options import STRUCTURES
from pruning.planning.recipe.recipe import Recipe
from pruning.ui.data import results as method_results
from pruning.ui.data.queries import Info
from pruning.ui.methods import chart as method_chart
from pruning.ui.methods import early_exit as exit_view
from pruning.ui.methods import page as methods_view
from pruning.ui.methods import quantize as quantize_view
from pruning.ui.text import methods as method_words
from pruning.workspace import task_registry
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open
from tests.ui.test_pages import text_of


@pytest.fixture
def page(open_page: Open, store: Store) -> AppTest:
    synthetic.put_model(store)
    return open_page("methods", model="demo")


def take(app: AppTest, structure: str, how: str | None = None) -> AppTest:
    """Choose what goes, and how it is chosen."""
    app.button_group(key="method_structure").set_value(structure).run()
    if how is not None:
        box = next(box for box in app.selectbox if box.label == "How it is chosen")
        box.set_value(how).run()
    assert not app.exception
    return app


def measure(app: AppTest, asked: list[dict]) -> dict[str, Any]:
    app.button(key="method_measure").click().run()
    assert not app.exception
    assert command_line(asked[-1]).startswith("prunescope recipe demo")
    return {"task": asked[-1]["task"], **asked[-1]["arguments"]}


# ---- the form ---------------------------------------------------------------------------------------


def test_there_is_a_sentence_for_every_structure() -> None:
    assert tuple(method_words.STRUCTURE) == tuple(method_words.STRUCTURE_HELP) == STRUCTURES
    assert tuple(method_chart.SYMBOL) == STRUCTURES


def test_one_press_measures_half_of_the_weights(page: AppTest, asked: list[dict]) -> None:
    assert "**50 % of the prunable weights** go" in text_of(page)
    assert measure(page, asked) == {
        "task": "measure",
        "settings": ["all=0.5"],
        "criterion": "fisher",
        "data": "demo",
    }
    assert task_registry.title("measure") in page.progress[0].text


def test_the_pattern_says_how_much_goes(page: AppTest, asked: list[dict]) -> None:
    take(page, "n:m", "wanda")
    page.text_input(key="method_pattern").set_value("1:4").run()
    wanted = measure(page, asked)
    assert wanted == {
        "task": "measure",
        "settings": ["all=0.75"],
        "criterion": "wanda",
        "data": "demo",
        "structure": "n:m",
        "pattern": "1:4",
    }


def test_blocks_have_no_criterion_that_changes_weights(page: AppTest, asked: list[dict]) -> None:
    take(page, "block", "l2")
    offered = next(box for box in page.selectbox if box.label == "How it is chosen").options
    assert not any("SparseGPT" in option for option in offered)
    page.text_input(key="method_block").set_value("1x64").run()
    wanted = measure(page, asked)
    assert (wanted["structure"], wanted["block"], wanted["settings"]) == ("block", "1x64", ["all=0.2"])
    assert wanted["criterion"] == "l2"


def test_neurons_are_rounded_and_counted(page: AppTest, asked: list[dict]) -> None:
    take(page, "neurons")
    assert "**1,229 of 1,536 neurons** stay in every layer" in text_of(page)
    page.selectbox(key="method_round").set_value(256).run()
    assert "**1,280 of 1,536 neurons** stay in every layer" in text_of(page)
    assert "Rounded from 1,229" in text_of(page)
    page.toggle(key="method_compensate").set_value(False).run()
    wanted = measure(page, asked)
    assert wanted["settings"] == ["neurons=0.2"]
    assert {"structure": "neurons", "round_to": 256, "compensate": False}.items() <= wanted.items()


def test_heads_are_counted_and_kv_groups_too(page: AppTest, asked: list[dict]) -> None:
    take(page, "heads")
    said = text_of(page)
    assert "**7 of 9 heads** stay in every layer" in said
    assert "2 heads do not come evenly from 3 KV groups" in said
    assert measure(page, asked)["settings"] == ["heads=0.222222"]
    page.number_input(key="method_level_heads_of_9").set_value(3).run()
    assert "do not come evenly" not in text_of(page)
    take(page, "kv_groups")
    assert "**2 of 3 KV groups** stay" in text_of(page)


def test_a_number_of_one_model_is_not_asked_of_another_with_fewer(page: AppTest, store: Store) -> None:
    take(page, "heads")
    page.number_input(key="method_level_heads_of_9").set_value(8).run()
    [row] = store.find("inspect")
    units = {"neurons": [64] * 30, "heads": [4] * 30, "kv_groups": [2] * 30}
    store.put("inspect", row["key"], {**row["value"], "units": units})
    page.run()
    assert not page.exception
    assert "**3 of 4 heads** stay" in text_of(page)


def test_layers_are_found_or_named(page: AppTest, asked: list[dict]) -> None:
    take(page, "layers")
    assert measure(page, asked) == {
        "task": "best",
        "structure": "layers",
        "sparsity": 0.2,
        "data": "demo",
    }
    store_job_ended(page)
    take(page, "layers", "named")
    assert page.button(key="method_measure").disabled
    assert "Name the layers to drop" in page.error[0].value
    page.text_input(key="method_level_layers_named").set_value("7,12-13").run()
    assert "**27 of 30 layers** stay" in text_of(page)
    wanted = measure(page, asked)
    assert (wanted["settings"], wanted["structure"]) == (["layers@7,12-13=1"], "layers")


def store_job_ended(app: AppTest) -> None:
    """The job that stands in the queue is over, so that the next may be asked for."""
    from pruning.jobs import runner

    for job in runner().store.jobs(("queued",)):
        runner().store.update_job(job.id, state="done", result={})
    app.run()


@pytest.mark.parametrize("structure", ["unstructured", "neurons", "heads"])
def test_the_best_is_asked_for_with_a_share_alone(page: AppTest, asked: list[dict], structure: str) -> None:
    take(page, structure, "best")
    wanted = measure(page, asked)
    assert wanted["task"] == "best"
    assert wanted.get("structure", "unstructured") == structure
    assert wanted["sparsity"] == {"unstructured": 0.5, "neurons": 0.2, "heads": 0.222222}[structure]
    assert set(wanted) <= {"task", "structure", "sparsity", "data"}


def test_options_and_the_plan_of_explore(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    app = open_page("methods", model="demo", plan="up=0.5,down@0-3=0.1")
    take(app, "unstructured", "wanda")
    app.button(key="method_from_explore").click().run()
    app.text_input(key="method_protect").set_value("0,29")
    app.selectbox(key="method_scope_False").set_value("layer")
    app.number_input(key="method_ceiling").set_value(70.0).run()
    wanted = measure(app, asked)
    assert wanted["settings"] == ["up=0.5", "down@0-3=0.1"]
    options = {"criterion": "wanda", "protect": "0,29", "scope": "layer", "ceiling": 0.7}
    assert options.items() <= wanted.items()


@pytest.mark.parametrize(
    ("structure", "key", "text", "said"),
    [
        ("n:m", "method_pattern", "4:2", "cannot be read"),
        ("block", "method_block", "16", "cannot be read"),
        ("unstructured", "method_levels_groups", "up=2", "outside 0 to 0.95"),
        ("unstructured", "method_protect", "77", "there is no layer 77"),
        ("neurons", "method_levels_neurons", "up=0.5", "only neurons can go"),
        ("n:m", "method_levels_groups", "up=0.3", "The pattern 2:4 removes 0.5"),
    ],
)
def test_a_mistake_is_told_and_nothing_typed_is_lost(
    page: AppTest, structure: str, key: str, text: str, said: str
) -> None:
    take(page, structure)
    page.text_input(key=key).set_value(text).run()
    assert not page.exception
    assert said in page.error[0].value
    assert page.button(key="method_measure").disabled
    take(page, "layers")
    take(page, structure)
    assert page.text_input(key=key).value == text
    page.switch_page("pages/runs.py").run()
    page.switch_page("pages/methods.py").run()
    assert page.text_input(key=key).value == text


def test_heads_that_do_not_come_apart_are_told(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    [row] = store.find("inspect")
    value = {**row["value"], "units": {"neurons": [1536] * 30}, "no_heads": "The heads do not come apart."}
    store.put("inspect", row["key"], value)
    app = take(open_page("methods", model="demo"), "heads")
    assert "do not come apart" in app.error[0].value
    assert app.button(key="method_measure").disabled


def test_a_model_looked_at_before_units_were_counted(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    [row] = store.find("inspect")
    value = {name: v for name, v in row["value"].items() if name not in ("units", "no_heads")}
    store.put("inspect", row["key"], value)
    app = take(open_page("methods", model="demo"), "heads")
    assert "told once the model has been loaded anew" in text_of(app)
    assert not app.button(key="method_measure").disabled


# ---- the results ------------------------------------------------------------------------------------


def info(store: Store) -> Info:
    facts = store.find("inspect")[0]["value"]
    parameters = {(g["layer"], g["kind"]): int(g["parameters"]) for g in facts["groups"]}
    return Info(facts, list(parameters), parameters)


@pytest.fixture
def filled(open_page: Open, store: Store) -> AppTest:
    synthetic.put_model(store)
    synthetic.put_baseline(store)
    synthetic.put_methods(store)
    return open_page("methods", model="demo")


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
    found = [
        method_results.Result(name, name, "wanda", ("all=0.5",), {}, None, False, {"sparsity": s, "kl": k}, 0)
        for name, s, k in rows
    ]
    assert [one.id for one in method_chart.frontier(found)] == ["d", "b", "e"]


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
    [button] = [one for one in filled.get("download_button") if "CSV" in one.proto.label]
    assert button.proto.label == "Download as CSV"
    frame = filled.dataframe[0].value
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert math.isclose(again["measured_kl_nats_per_token"].max(), 2.8)


# ---- going on ---------------------------------------------------------------------------------------


def choose(app: AppTest, part: str) -> AppTest:
    box = app.selectbox(key=methods_view.CHOSEN)
    [option] = [one for one in box.options if one.startswith(part)]
    box.select_index(box.options.index(option)).run()
    assert not app.exception
    return app


def test_a_plain_plan_opens_on_explore(filled: AppTest) -> None:
    choose(filled, "50 % of weights, Magnitude")
    filled.button(key="method_open").click().run()
    assert not filled.exception
    assert filled.query_params["plan"] == "all=0.5"
    assert filled.query_params["criterion"] == "magnitude"


def test_what_explore_cannot_hold_says_so(filled: AppTest) -> None:
    choose(filled, "20 % of neurons")
    assert filled.button(key="method_open").disabled
    assert "Explore knows levels of single weights" in text_of(filled)
    choose(filled, "50 % of weights, Wanda, trained")
    assert filled.button(key="method_open").disabled


def exported(app: AppTest, asked: list[dict]) -> tuple[Recipe, dict[str, Any]]:
    app.button(key="method_export").click().run()
    assert not app.exception
    arguments = asked[-1]["arguments"]
    return Recipe.from_dict(arguments["recipe"]), arguments


def test_neurons_are_written_smaller_or_with_zeros(filled: AppTest, asked: list[dict]) -> None:
    choose(filled, "20 % of neurons")
    recipe, arguments = exported(filled, asked)
    assert (recipe.structure, recipe.settings()) == ("neurons", ["neurons=0.2"])
    assert "masked" not in arguments
    store_job_ended(filled)
    next(one for one in filled.toggle if one.label == "Full-size, with zeros").set_value(True).run()
    assert exported(filled, asked)[1]["masked"] is True


def test_what_cannot_be_smaller_says_why_and_is_written_with_zeros(
    filled: AppTest, asked: list[dict]
) -> None:
    choose(filled, "2 of 9 heads")
    assert "2 heads do not come evenly from the KV groups" in text_of(filled)
    assert exported(filled, asked)[1]["masked"] is True


def test_a_recovered_model_is_written_with_its_recovery(filled: AppTest, asked: list[dict]) -> None:
    choose(filled, "50 % of weights, Wanda, trained")
    recipe, _ = exported(filled, asked)
    assert recipe.recovery == {"steps": 60}


def test_a_new_measurement_becomes_the_chosen_one(filled: AppTest, store: Store) -> None:
    choose(filled, "2 of 9 heads")
    synthetic.put_method(store, ["all=0.6"], 0.6, 1.7)
    filled.run()
    assert filled.selectbox(key=methods_view.CHOSEN).value == method_results_newest(store)


def method_results_newest(store: Store) -> str:
    rows = store.find("measure", fingerprint=synthetic.FINGERPRINT)
    return method_results._result(rows[0], info(store), set()).id


# ---- quantize and early exit ------------------------------------------------------------------------


def test_without_torchao_the_section_says_how_to_get_it(
    filled: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize_view, "find_spec", lambda name: None)
    filled.run()
    assert filled.button(key="quantize_start").disabled
    assert any("torchao, which is not installed" in one.value for one in filled.info)


def test_the_chosen_result_is_quantized(
    filled: AppTest, asked: list[dict], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize_view, "find_spec", lambda name: object())
    choose(filled, "20 % of neurons")
    filled.button(key="quantize_start").click().run()
    assert not filled.exception
    about = {"settings": ["neurons=0.2"], "criterion": "fisher", "structure": "neurons", "data": "demo"}
    assert (asked[-1]["task"], asked[-1]["arguments"]) == ("quantize", about)
    steps = [(False, None, 538.0), (False, "int8", 219.0), (True, None, 460.0), (True, "int8", 180.0)]
    rows = [
        {
            "pruned": p,
            "method": m,
            "file_bytes": b * 1e6,
            "bytes": b * 1e6,
            "kl": 0.1,
            "perplexity": 40.0,
            "agreement": 0.9,
        }
        for p, m, b in steps
    ]
    store.put(
        "quantize",
        {"fingerprint": synthetic.FINGERPRINT, **about, "methods": ["int8"]},
        {"rows": rows, **TEXT},
    )
    filled.run()
    table = filled.table[0].value
    assert list(table.index) == ["Unpruned", "Unpruned, 8-bit weights", "Pruned", "Pruned, 8-bit weights"]
    assert "33 % of the unpruned size" in text_of(filled)
    choose(filled, "2:4")
    assert not filled.table, "it is about another result"


TEXT = {"data_fingerprint": DATA_FINGERPRINT}


def exits() -> dict[str, Any]:
    depths = [
        {"depth": d, "kl": 9.0 / d**2, "perplexity": 40.0, "agreement": d / 30, "accuracy": 0.3}
        for d in range(1, 31)
    ]
    sure = [
        {"threshold": t, "layers": 30 * t, "share": t, "kl": 1 - t + 0.01, "perplexity": 40.0, "agreement": t}
        for t in (0.5, 0.9, 0.99)
    ]
    return {"layers": 30, "depths": depths, "sure": sure, "settings": []}


def test_leaving_early_is_looked_at_dense_or_pruned(filled: AppTest, asked: list[dict], store: Store) -> None:
    filled.button(key="exit_start").click().run()
    assert (asked[-1]["task"], asked[-1]["arguments"]) == ("early_exit", {"data": "demo"})
    store.put(
        "early_exit",
        {"fingerprint": synthetic.FINGERPRINT, "data": "demo", "settings": []},
        {**exits(), **TEXT},
    )
    store_job_ended(filled)
    assert len(filled.get("plotly_chart")) == 3
    said = text_of(filled)
    assert "from layer 27 of 30 on" in said
    assert (
        "Leaving at 90.0 % sure keeps as many, with 27.0 layers on average, at KL 0.11 nats per token" in said
    )
    choose(filled, "2:4")
    filled.button_group(key="exit_of").set_value("The chosen result").run()
    assert len(filled.get("plotly_chart")) == 1, "nothing is known of leaving the pruned model"
    filled.button(key="exit_start").click().run()
    assert asked[-1]["arguments"]["pattern"] == "2:4"


def test_a_kl_of_nothing_is_not_drawn_on_a_logarithmic_axis() -> None:
    depths = exits()["depths"]
    depths[-1]["kl"] = 0.0
    assert list(exit_view.by_depth(depths).data[0].x) == list(range(1, 30))
    assert exit_view.by_depth(depths).layout.xaxis.range == (0, 31)


def test_a_verdict_where_even_all_layers_are_not_enough() -> None:
    value = exits()
    for row in value["depths"]:
        row["agreement"] = 0.6
    assert exit_view.verdict(value).startswith("Even all 30 layers of the pruned model keep fewer")


def test_a_verdict_where_only_the_last_layer_will_do() -> None:
    value = exits()
    for row in value["depths"][:-1]:
        row["agreement"] = 0.1
    value["sure"] = []
    assert exit_view.verdict(value) == "No layer but the last (30) keeps nine of ten next words the same."
