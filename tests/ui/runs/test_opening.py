"""Whatever Runs lists opens on a page that shows it, says what was switched, and leaves a way back."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import pruning
from pruning.ui.data import requests, session
from pruning.ui.runs.actions import PAGE_OF, page_of
from pruning.ui.shared.frame import router
from pruning.ui.text import format, run_figures
from pruning.ui.text import runs as run_words
from pruning.workspace import runs as stored_runs
from pruning.workspace.run_rows import NO_RUNS, RESULTS, TOGETHER
from pruning.workspace.runs import Run
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.first_looks import put_look
from tests.support.impact_rows import put_impact, put_refused
from tests.support.latency_rows import put_latency
from tests.ui.conftest import Open, go, text_of
from tests.ui.runs.conftest import press, the_run

QUALITY = {"kl": 0.7, "perplexity": 60.0, "agreement": 0.6, "accuracy": 0.3}
WANDA = synthetic.sensitivity_map(criterion="wanda")


def put_quantize(store: Store) -> None:
    rows = [
        {**QUALITY, "pruned": pruned, "method": method, "bytes": size, "file_bytes": 2 * size}
        for pruned, method, size in (
            (False, None, 538_000_000),
            (True, None, 300_000_000),
            (True, "int8", 130_000_000),
        )
    ]
    value = {"rows": rows, "tokens": 4096, "settings": ["all=0.5"], "criterion": "wanda"}
    store.put("quantize", {**about("wanda", ["all=0.5"]), "methods": ["int8"]}, {**value, **TEXT})


def put_early_exit(store: Store) -> None:
    value = {
        "layers": 30,
        "dense": QUALITY,
        "depths": [{**QUALITY, "depth": 30}],
        "sure": [{**QUALITY, "threshold": 0.9, "layers": 21.3, "share": 0.71}],
        "tokens": 4096,
        "settings": ["all=0.5"],
        "criterion": "wanda",
    }
    store.put("early_exit", {**about("wanda", ["all=0.5"]), "thresholds": [0.9]}, {**value, **TEXT})


TEXT = {"data_fingerprint": synthetic.sensitivity_map().data_fingerprint}


def about(criterion: str, settings: list[str]) -> dict[str, Any]:
    same = {"fingerprint": synthetic.FINGERPRINT, "data": "demo"}
    return {**same, "criterion": criterion, "settings": settings}


def put_failed(store: Store) -> None:
    request = {
        "task": "sweep",
        "model": {"reference": "demo", "dtype": "float32", "device": "auto"},
        "arguments": {"criterion": "wanda", "data": "demo"},
    }
    store.update_job(store.add_job(request, "somebody"), state="failed", error="The disk is full.")


def put_wanda_answers(store: Store) -> None:
    synthetic.put_answer(store, WANDA, ["all=0.4"])
    synthetic.put_answer(store, WANDA, ["all=0.4"], prompt="And at night?")


@dataclass(frozen=True)
class Case:
    """A kind of run: what puts one, the page it opens on, and figures that must stand there."""

    put: Callable[[Store], Any]
    page: str
    figures: tuple[str, ...]


CASES = {
    "map": Case(
        lambda s: synthetic.put_map(s, criterion="wanda"), "sensitivity", ("150 groups at 9 levels",)
    ),
    "sweep": Case(
        lambda s: synthetic.put_points(s, WANDA, 29, "down"), "sensitivity", ("3 points in 1 group",)
    ),
    "capabilities": Case(
        lambda s: synthetic.put_capabilities(s, WANDA),
        "capabilities",
        ("150 groups at 9 levels", "Arithmetic"),
    ),
    "measure": Case(
        lambda s: synthetic.put_measure(s, WANDA, ["all=0.4"]),
        "explore",
        ("same next word", "right next word", "questions right 52 %", "40 % gone", "as a compact file"),
    ),
    "measure_recovered": Case(
        lambda s: synthetic.put_method(s, ["all=0.5"], 0.5, 0.35, "wanda", recovery={"steps": 60}),
        "methods",
        ("KL 0.35 nats per token", "perplexity 48.0", "50 % gone"),
    ),
    "baseline": Case(synthetic.put_baseline, "model", ("perplexity 33.8", "48 ms for each further word")),
    "recovery": Case(
        lambda s: synthetic.put_recovery(s, ["all=0.5"], criterion="wanda"),
        "recover",
        ("KL 0.2 nats per token (before training 0.8)", "perplexity 41.0"),
    ),
    "ladder": Case(synthetic.put_ladder, "recover", ("50 %, trained, KL 0.25", "perplexity 43.4")),
    "lottery": Case(
        synthetic.put_lottery, "recover", ("perplexity 45.0 of the ticket", "90.0 of a random one")
    ),
    "answer": Case(put_wanda_answers, "compare", ("2 prompts", "leaving the unpruned answer at token 7")),
    "quantize": Case(put_quantize, "methods", ("pruned, in 8 bits: 130 MB", "perplexity 60.0", "KL 0.7")),
    "early_exit": Case(
        put_early_exit, "methods", ("all 30 layers: perplexity 60.0", "21.3 layers on average")
    ),
    "impact": Case(put_impact, "impact", ("techniques", "the gentlest: ", "KL ")),
    "latency": Case(put_latency, "speed", ("reading 256 tokens 300 ms", "40 ms for each further word")),
    "export": Case(
        lambda s: synthetic.put_export(s, WANDA, ["down=0.3"], s.exports() / "light"),
        "export",
        ("5.00 kB on disk · Model folder", "MLP down 30 %"),
    ),
    "first_look": Case(put_look, "start", ("perplexity 61.0", "KL 0.4", "same next word 62 %")),
    "job": Case(put_failed, "sensitivity", ("The disk is full.",)),
}


@pytest.fixture
def demo(store: Store) -> Store:
    """A workspace with a model, and a map for one criterion alone."""
    synthetic.put_model(store)
    synthetic.put_map(store)
    return store


def opened(app: AppTest, run: Run) -> AppTest:
    """The page that a run opens on; what is pressed next is pressed there."""
    press(app, "open", run)
    go(app, page_of(run))
    assert not app.exception
    return app


def test_every_kind_that_is_listed_has_a_case() -> None:
    """A kind added later has to say where it opens and what stands there."""
    kinds = {*RESULTS, *(together.kind for together in TOGETHER.values())}
    assert {*kinds, "job"} == set(CASES)
    assert kinds == set(PAGE_OF)
    assert set(CASES) == set(run_words.KIND) == set(run_words.ICON) == set(run_figures.FIGURES)


def test_every_kind_that_is_stored_is_listed_or_is_no_run() -> None:
    """What tasks put into the workspace, read from their own lines."""
    root = Path(pruning.__file__).parent
    kinds: set[str] = set()
    for source in (path.read_text(encoding="utf-8") for path in root.rglob("*.py")):
        kinds |= set(re.findall(r'store\.put\(\s*"(\w+)"', source))
        if "store.put(KIND," in source:
            kinds |= set(re.findall(r'^KIND = "(\w+)"', source, re.MULTILINE))
    assert kinds >= {"map", "recovery", "quantize", "ladder", "answer", "dense_answers", "recovery_course"}
    assert kinds <= {*RESULTS, *TOGETHER, *NO_RUNS}


@pytest.mark.parametrize("kind", CASES)
def test_a_run_opens_where_its_figures_are(open_page: Open, demo: Store, kind: str) -> None:
    case = CASES[kind]
    case.put(demo)
    run = next(
        run
        for run in stored_runs.runs(demo)
        if run.kind == kind and (kind != "map" or run.criterion == "wanda")
    )
    app = opened(open_page("runs", model="demo", plan="up=0.1", pin="Mine:up=0.1"), run)
    assert app.query_params["tab"] == case.page
    said = text_of(app)
    assert f"**Opened: {run_words.title(run)}**" in said
    assert run_figures.figures(run) in said
    for figure in case.figures:
        assert figure in said
    if run.kind not in run_words.NO_CRITERION and run.criterion == "wanda":
        assert "Switched for it: criterion fisher → wanda" in said
    elif not run.settings:
        assert "Nothing had to be switched for it" in said
    app.button(key="opened_back").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "runs"
    assert app.query_params["plan"] == "up=0.1"
    assert app.query_params["pin"] == "Mine:up=0.1"
    assert "criterion" not in app.query_params
    assert not [button for button in app.button if button.key == "opened_back"]


@pytest.mark.parametrize("kind", ["measure", "sweep", "answer"])
def test_a_map_that_is_missing_is_offered_in_one_press(
    open_page: Open, demo: Store, asked: list[dict], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(
        requests, "expected_seconds", lambda *asked: 200.0 if asked[0]["task"] == "map" else None
    )
    CASES[kind].put(demo)
    app = opened(open_page("runs", model="demo"), next(r for r in stored_runs.runs(demo) if r.kind == kind))
    said = text_of(app)
    assert "no map yet" in said.lower()
    assert "about 3 min on this machine" in said, "by its earlier runs"
    app.button(key="draw_map").click().run()
    assert not app.exception
    assert (asked[0]["task"], asked[0]["arguments"]) == ("map", {"criterion": "wanda", "data": "demo"})
    assert app.button(key="draw_map").disabled
    synthetic.put_map(demo, criterion="wanda")
    demo.update_job(demo.jobs()[0].id, state="done")
    app.run()
    assert "no map yet" not in text_of(app).lower()
    assert "**Opened: " in text_of(app), "the run is still there"


def test_explore_is_no_step_that_is_done_without_a_map(
    open_page: Open, demo: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    CASES["measure"].put(demo)
    steps: list[dict[str, bool]] = []
    read = router.done_steps
    monkeypatch.setattr(router, "done_steps", lambda: steps.append(read()) or steps[-1])
    opened(open_page("runs", model="demo"), the_run(demo, "measure"))
    assert not steps[-1]["prune"], "nothing was explored yet"
    synthetic.put_map(demo, criterion="wanda")
    open_page("explore", model="demo", criterion="wanda", plan="all=0.4")
    assert steps[-1]["prune"]


def test_the_way_back_goes_as_far_as_runs_were_opened(open_page: Open, demo: Store) -> None:
    synthetic.put_measure(demo, WANDA, ["all=0.4"])
    synthetic.put_measure(demo, WANDA, ["all=0.2"])
    app = open_page("runs", model="demo", plan="up=0.1")
    for settings in ("all=0.4", "all=0.2"):
        go(app, "runs")
        opened(app, the_run(demo, "measure", settings))
    go(app, "runs")
    assert "Opened last: All groups 20 %" in text_of(app), "it can be taken back from here as well"
    for plan in ("all=0.4", "up=0.1"):
        app.button(key="opened_back").click().run()
        assert not app.exception
        assert app.query_params["plan"] == plan
    assert "criterion" not in app.query_params


def test_the_plan_of_before_can_be_undone_and_the_run_closed(open_page: Open, demo: Store) -> None:
    synthetic.put_measure(demo, synthetic.sensitivity_map(), ["all=0.4"])
    app = opened(open_page("runs", model="demo", plan="up=0.1"), the_run(demo, "measure"))
    assert "Switched for it: plan “MLP up 10 %” → “All groups 40 %”." in text_of(app)
    assert app.session_state[session.HISTORY].past == (("up=0.1",),)
    app.button(key="opened_close").click().run()
    assert not app.exception
    assert "Opened: " not in text_of(app)
    assert app.query_params["plan"] == "all=0.4"


def test_a_plan_of_units_is_shown_and_the_sessions_own_is_kept(open_page: Open, demo: Store) -> None:
    synthetic.put_method(demo, ["neurons=0.2"], 0.15, 0.34, structure="neurons")
    synthetic.put_method(demo, ["all=0.2"], 0.2, 0.1)
    app = open_page("runs", model="demo", plan="up=0.1")
    go(app, "methods")
    go(app, "runs")
    synthetic.put_method(demo, ["all=0.3"], 0.3, 0.2)
    run = the_run(demo, "measure", "neurons=0.2")
    opened(app, run)
    assert app.query_params["tab"] == "methods"
    assert app.selectbox(key="methods_chosen").value == run.id, "and not the newest"
    assert "so this is none: yours is kept" in text_of(app)
    assert app.query_params["plan"] == "up=0.1"


@pytest.mark.parametrize(
    ("kind", "tabs", "name"),
    [("lottery", "recover_tabs", "Lottery ticket"), ("early_exit", "methods_then", "Early exit")],
)
def test_the_tab_that_shows_a_run_is_in_front(
    open_page: Open, demo: Store, kind: str, tabs: str, name: str
) -> None:
    CASES[kind].put(demo)
    synthetic.put_method(demo, ["all=0.5"], 0.5, 0.9, "wanda")
    app = opened(open_page("runs", model="demo"), next(r for r in stored_runs.runs(demo) if r.kind == kind))
    assert app.session_state[tabs] == name
    if kind == "early_exit":
        assert app.selectbox(key="methods_chosen").value == the_run(demo, "measure").id


def test_figures_of_an_older_text_say_so(open_page: Open, demo: Store) -> None:
    synthetic.put_method(demo, ["all=0.5"], 0.5, 0.9, "wanda", data_fingerprint="older")
    synthetic.put_measure(demo, WANDA, ["all=0.1"])
    app = opened(open_page("runs", model="demo"), the_run(demo, "measure", "all=0.5"))
    said = text_of(app)
    assert "KL 0.9 nats per token" in said
    assert "an earlier state of the text demo" in said


def test_what_was_timed_elsewhere_switches_the_device_and_says_so(open_page: Open, demo: Store) -> None:
    value = put_latency(demo)
    [row] = demo.find("latency")
    demo.remove("latency", row["key"])
    machine = {"device": "cuda:0", "machine": "Another machine"}
    demo.put("latency", {**row["key"], **machine}, {**value, **machine})
    app = opened(open_page("runs", model="demo"), the_run(demo, "latency"))
    said = text_of(app)
    assert f"Switched for it: device auto → {format.plain('cuda:0')}." in said
    assert "timed on another machine" in said
    assert "Another machine" in said


def test_times_of_llama_cpp_switch_what_runs_the_model_and_no_device(open_page: Open, demo: Store) -> None:
    """The engine is kept where a device is; no model could be loaded on a device of that name."""
    value = put_latency(demo)
    [row] = demo.find("latency")
    demo.remove("latency", row["key"])
    there = {"device": "llamacpp"}
    demo.put("latency", {**row["key"], **there, "dtype": "q8_0"}, {**value, **there})
    app = opened(open_page("runs", model="demo"), the_run(demo, "latency"))
    assert "Switched for it: what runs it PyTorch here → llama.cpp here." in text_of(app)
    assert "300 ms" in {metric.value for metric in app.metric}
    assert "device" not in app.query_params


def test_what_a_model_refuses_is_counted_apart(demo: Store) -> None:
    rows = put_impact(demo)
    name = next(iter(rows))
    put_refused(demo, name, "It has none.")
    said = run_figures.figures(the_run(demo, "impact"))
    assert f"{len(rows) - 1} techniques · 1 cannot be done with this model" in said


def test_a_killed_recovery_is_found_and_taken_away_with_its_course(open_page: Open, demo: Store) -> None:
    synthetic.put_recovery(demo, ["all=0.4"], {"steps": 100}, stopped_at=47)
    run = the_run(demo, "recovery")
    app = opened(open_page("runs", model="demo"), run)
    assert app.query_params["tab"] == "recover"
    assert "Stopped after 47 steps." in text_of(app)
    stored_runs.delete(demo, run)
    assert demo.find("recovery_course") == []


def test_answers_are_deleted_all_together(demo: Store) -> None:
    put_wanda_answers(demo)
    synthetic.put_answer(demo, WANDA, ["all=0.2"])
    stored_runs.delete(demo, the_run(demo, "answer", "all=0.4"))
    assert [row["value"]["settings"] for row in demo.find("answer")] == [["all=0.2"]]
