"""What begins by itself after a model is loaded, and how it gives way to what is asked for."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pruning.benchmarks.synthetic import put_latency
from pruning.jobs import runner
from pruning.workspace.runs import runs
from pruning.workspace.store import BACKGROUND, Store
from tests.support import synthetic
from tests.support.tiny import tiny_folder
from tests.ui.conftest import Open


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def finish(store: Store, **fields: object) -> None:
    store.update_job(store.jobs()[0].id, **{"state": "done", **fields})


def test_baseline_and_timing_follow_the_loading(
    open_page: Open, store: Store, asked: list[dict], tmp_path: Path
) -> None:
    app = open_page("model")
    press(app, "Load the demo model")
    assert [request["task"] for request in asked] == ["inspect"]
    synthetic.put_model(store)
    finish(store)
    app.run()
    assert [request["task"] for request in asked] == ["inspect", "baseline", "latency"]
    assert all(request[BACKGROUND] for request in asked[1:])
    app.run()
    assert len(asked) == 3, "once"


def test_what_is_known_is_not_measured_again(open_page: Open, store: Store, asked: list[dict]) -> None:
    app = open_page("model")
    press(app, "Load the demo model")
    synthetic.put_all(store)
    put_latency(store)
    finish(store)
    app.run()
    assert [request["task"] for request in asked] == ["inspect"]


def test_a_model_that_cannot_be_loaded_is_not_measured(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    app = open_page("model")
    press(app, "Load the demo model")
    finish(store, state="failed", error="No such file.")
    app.run()
    synthetic.put_model(store)
    app.run()
    assert [request["task"] for request in asked] == ["inspect"]


def test_a_model_of_ones_own_is_measured_after_its_loading_too(
    open_page: Open, store: Store, asked: list[dict], tmp_path: Path
) -> None:
    """Its button asks for the job after the callback has run."""
    tiny_folder(tmp_path / "mine")
    app = open_page("model", model=str(tmp_path / "mine"))
    load = next(b for b in app.button if b.label.startswith("Load ") and "demo" not in b.label)
    load.click().run()
    assert not app.exception
    synthetic.put_model(store, str(tmp_path / "mine"))
    finish(store)
    app.run()
    assert [request["task"] for request in asked] == ["inspect", "baseline", "latency"]


def test_a_link_to_a_model_starts_nothing(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    open_page("model", model="demo")
    assert asked == []


def test_it_gives_way_to_what_is_asked_for_and_is_no_run(
    open_page: Open, store: Store, asked: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner(), "cancel", lambda job_id: store.cancel_queued(job_id))
    synthetic.put_model(store)
    model = {"reference": "demo", "dtype": "float32", "device": "auto"}
    request = {"task": "latency", "model": model, "arguments": {}, BACKGROUND: True}
    waiting = store.add_job(request, "nobody")
    app = open_page("model", model="demo")
    press(app, "Measure the baseline")
    assert store.job(waiting).state == "cancelled"
    assert [request["task"] for request in asked] == ["baseline", "latency"], "it stands behind now"
    assert not app.warning
    assert [run.kind for run in runs(store)] == []
