"""The Speed page: what was timed, what goes, sizes with embeddings named, other devices kept apart."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.cost.latency_table import LatencyTable
from pruning.ui.data import queries
from pruning.ui.explore.mixer import component
from pruning.ui.shared.frame import target
from pruning.ui.speed import charts
from pruning.ui.text import speed as speed_words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.latency_rows import WHY, put_latency
from tests.ui.conftest import Open, header_of, text_of


@pytest.fixture
def timed(store: Store) -> dict[str, Any]:
    synthetic.put_model(store)
    return put_latency(store)


def opened(open_page: Open, **more: str) -> AppTest:
    return open_page("speed", model="demo", **more)


def table_with(app: AppTest, column: str) -> list[dict[str, Any]]:
    return next(one.value.to_dict("records") for one in app.table if column in one.value.columns)


def test_without_a_model_it_says_what_to_do(open_page: Open) -> None:
    assert "Load a model first" in text_of(open_page("speed"))


def test_timing_is_asked_for_with_its_command(store: Store, asked: list[dict], open_page: Open) -> None:
    synthetic.put_model(store)
    app = opened(open_page)
    assert "Not timed yet" in text_of(app)
    assert "prunescope latency demo" in app.code[0].value
    app.button(key="speed_time").click().run()
    assert [(one["task"], one["arguments"]) for one in asked] == [("latency", {})]
    assert app.button(key="speed_time").disabled


def test_what_was_timed_says_when_where_and_how(timed: dict, asked: list[dict], open_page: Open) -> None:
    app = opened(open_page)
    text = text_of(app)
    assert "2026-05-01 10:20 UTC" in text
    assert "2 threads" in text
    assert {metric.value for metric in app.metric} >= {"300 ms", "40 ms"}
    assert "256 tokens" in text
    app.button(key="speed_time").click().run()
    assert asked[0]["arguments"] == {"again": True}


def put_llama_cpp(store: Store, timed: dict[str, Any]) -> None:
    """As if the model had been timed in llama.cpp, where it reads in 111 ms."""
    [row] = store.find("latency")
    table = {**timed, "dense": {"prefill": 111.0, "decode": 9.0}, "device": "llamacpp", "sparse": []}
    store.put("latency", {**row["key"], "dtype": "q8_0", "device": "llamacpp"}, table)


def test_llama_cpp_is_timed_and_shown_apart(
    store: Store, timed: dict, asked: list[dict], open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(open_page)
    app.selectbox(key="target").set_value("llamacpp").run()
    assert "q8_0 (8 bits), in llama.cpp, from GGUF files" in text_of(app)
    app.button(key="speed_time").click().run()
    assert asked[0]["arguments"] == {"engine": "llamacpp"}
    put_llama_cpp(store, timed)
    assert "300 ms" in {metric.value for metric in opened(open_page).metric}
    app = opened(open_page, engine="llamacpp")
    assert "111 ms" in {metric.value for metric in app.metric}
    assert app.selectbox(key="target").value == "llamacpp"
    assert "111 ms" in header_of(app), "at the head of every page"
    assert "llamacpp" not in text_of(app), "a name of ours"
    monkeypatch.setattr(queries, "installed", lambda: False)
    monkeypatch.setattr(target, "installed", lambda: False)
    app = opened(open_page, engine="llamacpp")
    assert "300 ms" in {metric.value for metric in app.metric}
    assert "llama.cpp here" not in app.selectbox(key="target").options


def test_what_runs_the_model_is_one_choice_for_all_pages(
    store: Store, timed: dict, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for the desk's table, which is sent outside of the fragment that holds the choice."""
    put_llama_cpp(store, timed)
    synthetic.put_map(store)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(component, "send_table", sent.append)
    app = open_page("explore", model="demo")
    assert sent[-1]["cost"]["latency"]["dense"]["prefill"] == 300
    app.selectbox(key="target").set_value("llamacpp").run()
    assert sent[-1]["cost"]["latency"]["dense"]["prefill"] == 111
    assert app.query_params["engine"] == "llamacpp"


def test_times_of_another_number_format_are_not_shown(store: Store, timed: dict, open_page: Open) -> None:
    [row] = store.find("latency")
    store.remove("latency", row["key"])
    store.put("latency", {**row["key"], "dtype": "bfloat16"}, timed)
    assert "Not timed yet" in text_of(opened(open_page))


def test_zeros_stay_as_fast_and_sparse_formats_are_judged(timed: dict, open_page: Open) -> None:
    app = opened(open_page)
    assert "dense kernels **1.0×**" in text_of(app)
    first, second, third = table_with(app, "Format")
    assert (first["Reading"], first["Writing"]) == ("0.21×, slower", "0.40×, slower")
    assert (second["Reading"], second["Writing"]) == ("0.97×, about the same", "1.90×, faster")
    assert (third["Reading"], third[""]) == ("not timed", WHY)
    assert "Faster than dense here: CSR at 95 % for writing." in text_of(app)


def test_where_nothing_sparse_is_faster_it_says_so() -> None:
    rows = [{"format": "csr", "level": 0.5, "prefill": 0.3, "decode": 1.02}]
    assert "No sparse format makes this machine faster" in speed_words.sparse_verdict(rows)
    assert "could be timed" in speed_words.sparse_verdict([{"format": "2:4", "level": 0.5, "why_not": WHY}])


def test_a_share_of_neurons_is_forecast_from_what_was_timed(timed: dict, open_page: Open) -> None:
    app = opened(open_page)
    app.slider(key="speed_neurons").set_value(50).run()
    assert not app.exception
    # 30 layers save 2 ms of 300.
    assert {"1.25×", "1.18×"} <= {metric.value for metric in app.metric}


def test_a_plan_of_single_weights_is_as_fast_and_smaller_only_as_a_compact_file(
    timed: dict, open_page: Open
) -> None:
    app = opened(open_page, plan="all=0.5")
    assert "**1.0×** reading and writing, as for any zeros" in text_of(app)
    rows = {row["Form"]: row for row in table_with(app, "Form")}
    assert rows["Model folder"]["Smaller"] == "1.00×"
    # 106,168,320 of 134,515,008 weights are in groups: half of them go, and a 32nd is marks.
    whole, prunable = 134_515_008, 106_168_320
    assert rows["Compact file"]["Smaller"] == f"{whole / (whole - prunable * (0.5 - 1 / 32)):.2f}×"
    assert "Embeddings do not shrink" in text_of(app)
    assert "28.3 M parameters, 113 MB, 21 % of the unpruned file" in text_of(app)
    assert not [name for name in table_with(app, "Device")[0] if "pruned" in name.replace("unpruned", "")]


def test_a_mixed_plan_has_its_size_its_times_and_its_estimates(timed: dict, open_page: Open) -> None:
    app = opened(open_page, plan=["neurons=0.5", "layers@3=1", "up=0.5"])
    assert not app.exception
    assert "of the prunable weights are cut out or zero" in text_of(app)
    # 29 layers save 2 ms of 300 each, and one 9 ms.
    assert f"{300 / (300 - 29 * 2 - 9):.2f}×" in {metric.value for metric in app.metric}
    rows = {row["Form"]: row for row in table_with(app, "Form")}
    # Of 134,515,008 weights 29 layers lose 768 neurons of 1,728 each, and one goes altogether.
    left = 134_515_008 - 29 * 768 * 3 * 576 - 3_538_944
    assert rows["Model folder"]["Smaller"] == f"{134_515_008 / left:.2f}×"
    up = 29 * 768 * 576
    assert rows["Compact file"]["Smaller"] == f"{134_515_008 / (left - up * (0.5 - 1 / 32)):.2f}×"
    assert "Memory while it runs" in text_of(app)
    assert table_with(app, "Device")[0]["Reading, pruned"]


def test_other_devices_are_estimates_beside_the_choice(timed: dict, open_page: Open) -> None:
    app = opened(open_page)
    assert ":violet-badge[estimate]" in text_of(app)
    app.button_group(key="speed_format").set_value("float32").run()
    rows = {row["Device"]: row for row in table_with(app, "Device")}
    assert {row["Format"] for row in rows.values()} == {"float32"}
    # 134.5 M weights of 4 bytes at 100 GB/s.
    assert rows["Laptop GPU (Apple M2, 10 cores)"]["Writing, unpruned"] == "5.4 ms"
    assert rows["Laptop GPU (Apple M2, 10 cores)"]["Writing, pruned"].endswith("1.13×")
    app.number_input(key="speed_bandwidth").set_value(53.806).run()
    app.number_input(key="speed_peak").set_value(1000.0).run()
    own = {row["Device"]: row for row in table_with(app, "Device")}["Your own"]
    assert own["Writing, unpruned"] == "10 ms"
    assert own["Set by"] == "arithmetic / memory"


def test_every_figure_says_which_number_format_it_is_for(timed: dict, open_page: Open) -> None:
    """The A100 looked slower than an RTX 4090, because the figures were for float32 without saying so."""
    app = opened(open_page)
    assert "In **float32**, 2026-05-01" in text_of(app)
    assert "With the weights in float32" in text_of(app)
    rows = {row["Device"]: row for row in table_with(app, "Device")}
    formats = {name: row["Format"] for name, row in rows.items()}
    assert formats["NVIDIA A100 80 GB (SXM)"] == formats["NVIDIA GeForce RTX 4090"] == "bfloat16"
    assert formats["NVIDIA T4"] == formats["Raspberry Pi 5"] == "float16"
    reading = {name: float(row["Reading, unpruned"].removesuffix(" ms")) for name, row in rows.items()}
    assert reading["NVIDIA A100 80 GB (SXM)"] < reading["NVIDIA GeForce RTX 4090"]
    # 134.5 M weights of 2 bytes at 100 GB/s.
    assert rows["Laptop GPU (Apple M2, 10 cores)"]["Writing, unpruned"] == "2.7 ms"
    app.button_group(key="speed_format").set_value("bfloat16").run()
    rows = {row["Device"]: row for row in table_with(app, "Device")}
    assert rows["NVIDIA T4"]["Format"] == "bfloat16, computed in float32"


def test_layers_and_heads_go_one_by_one(timed: dict, open_page: Open) -> None:
    app = opened(open_page)
    for kind, gain in (("layers", "2.22×"), ("heads", "1.06×"), ("kv_groups", "1.11×")):
        app.session_state["speed_kind"] = kind
        app.run()
        assert not app.exception
        if kind == "layers":
            app.select_slider[0].set_value(18).run()
            # 18 layers save 9 ms of 300 each.
            gain = f"{300 / (300 - 18 * 9):.2f}×"
        assert gain in {metric.value for metric in app.metric}, kind


def test_a_model_of_before_is_to_be_loaded_again(store: Store, timed: dict, open_page: Open) -> None:
    [row] = store.find("inspect")
    facts = {name: value for name, value in row["value"].items() if name != "embedding_parameters"}
    store.put("inspect", row["key"], facts)
    assert "Load it again on Model" in " ".join(error.value for error in opened(open_page).error)


def test_the_chart_holds_what_was_timed(timed: dict) -> None:
    figure = charts.speedups(LatencyTable.from_dict(timed), "prefill")
    marks = {trace.name: trace for trace in figure.data if trace.mode == "markers"}
    assert list(marks["Neurons"].x) == [25.0, 50.0]
    assert list(marks["Neurons"].y) == pytest.approx([300 / 270, 300 / 240])
    assert list(marks["Layers"].y) == pytest.approx([300 / (300 - 15 * 9)])


def test_methods_say_how_much_faster_a_structure_is(timed: dict, open_page: Open) -> None:
    app = open_page("methods", model="demo")
    app.session_state["method_structure"] = "neurons"
    app.run()
    app.selectbox(key="method_how_True").select("fisher").run()
    app.slider(key="method_level_neurons").set_value(50).run()
    assert "**1.25×** reading, **1.18×** writing on A made-up machine, 2 cores, in float32." in text_of(app)


def test_methods_estimate_and_link_to_the_timing_where_there_is_none(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    app = open_page("methods", model="demo")
    app.session_state["method_structure"] = "neurons"
    app.run()
    app.selectbox(key="method_how_True").select("fisher").run()
    assert any("Time this model here" in link.label for link in app.page_link)
    # A fifth of 1,536 neurons is 307, in gate, up and down of 30 layers.
    whole, gone = 134_515_008, 30 * 307 * 3 * 576
    assert ":violet-badge[estimate] **1.18×** reading" in text_of(app)
    assert f"**{whole / (whole - gone):.2f}×** writing, by bytes and operations alone" in text_of(app)
