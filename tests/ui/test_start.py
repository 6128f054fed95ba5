"""The Start page: the demo in one press, its progress, what to go on with, the road, the words."""

import re
import shutil
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pruning.jobs import runner
from pruning.ui.shared.frame.places import PLACES, VIEWS
from pruning.ui.text import labels
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of


def request(task: str, reference: str = "demo") -> dict:
    return {"task": task, "model": {"reference": reference, "device": "auto"}, "arguments": {}}


def primary(app: AppTest) -> list[str]:
    return [button.label for button in app.button if button.proto.type == "primary"]


def test_an_empty_workspace_offers_the_demo_and_the_first_step(open_page: Open) -> None:
    app = open_page("start")
    assert primary(app) == ["Get the demo model ready"]
    said = text_of(app)
    assert "**Model** :blue-badge[next]" in said
    assert "done]" not in said
    assert "Go on with" not in said
    assert "Ten words that matter" in [header.value for header in app.header]
    times = [said.count(f"**{word}**  \n{meaning}") for word, meaning in labels.GLOSSARY.items()]
    assert set(times) == {1, 2}, "all are behind the button"
    assert times.count(2) == 10, "and ten on the page as well"


def test_one_press_asks_for_everything_the_demo_needs(open_page: Open, asked: list[dict]) -> None:
    app = open_page("start", criterion="wanda", data="mine.txt", dtype="bfloat16")
    app.button(key="demo_start").click().run()
    assert not app.exception
    assert [job["task"] for job in asked] == ["inspect", "map", "baseline"]
    assert all(job["model"]["reference"] == "demo" for job in asked)
    assert all(job["model"]["dtype"] == "float32" for job in asked)
    assert asked[1]["arguments"] == {"criterion": "fisher", "data": "demo"}
    assert app.query_params["model"] == "demo"
    assert "criterion" not in app.query_params
    assert primary(app) == [], "what is under way is not asked for twice"
    assert "Loading the model" in app.progress[0].text


def test_only_what_is_missing_is_asked_for(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    synthetic.put_baseline(store)
    open_page("start").button(key="demo_start").click().run()
    assert [job["task"] for job in asked] == ["map"]


def test_the_step_under_way_shows_its_progress(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    jobs = [store.add_job(request(task), "somebody") for task in ("map", "baseline")]
    store.update_job(
        jobs[0], state="running", started=time.time(), done=44, total=100, note="Layer 13", seconds_left=31
    )
    app = open_page("start")
    said = text_of(app)
    assert ":green[:material/check_circle:] Load the demo model" in said
    assert ":material/pending: **Draw its map**" in said
    assert app.progress[0].value == 44
    assert "about 31 s left" in app.progress[0].text


def test_with_a_ready_map_one_press_opens_it(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store)
    app = open_page("start", model="other", criterion="wanda")
    assert primary(app) == ["Open the demo's map"]
    app.button(key="demo_open").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "sensitivity"
    assert app.query_params["model"] == "demo"
    assert "criterion" not in app.query_params


def test_the_map_can_be_opened_while_the_demo_is_still_measured(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store)
    store.update_job(store.add_job(request("baseline"), "somebody"), state="running", done=1, total=4)
    app = open_page("start")
    assert primary(app) == ["Open the demo's map"]
    assert app.progress[0].value == 25


def test_a_step_that_failed_is_explained_and_those_behind_it_are_dropped(
    open_page: Open, store: Store, asked: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner(), "cancel", lambda job_id: store.cancel_queued(job_id))
    app = open_page("start")
    app.button(key="demo_start").click().run()
    first, *rest = sorted(job.id for job in store.jobs())
    store.update_job(first, state="failed", error="The hub could not be reached.", finished=time.time())
    app.run()
    app.run()
    assert not app.exception
    assert "The hub could not be reached." in app.error[0].value
    assert [store.job(job).state for job in rest] == ["cancelled", "cancelled"]
    assert not app.warning, "what was dropped for that reason needs no message of its own"
    assert primary(app) == ["Get the demo model ready"]


def test_all_steps_can_be_stopped(
    open_page: Open, store: Store, asked: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner(), "cancel", lambda job_id: store.cancel_queued(job_id))
    app = open_page("start")
    app.button(key="demo_start").click().run()
    app.button(key="demo_stop").click().run()
    assert not app.exception
    assert {job.state for job in store.jobs()} == {"cancelled"}
    assert primary(app) == ["Get the demo model ready"]


def test_the_road_shows_what_is_done_and_what_comes_next(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store)
    app = open_page("start", model="demo")
    said = text_of(app)
    assert "**Model** :green-badge[:material/check: done]" in said
    assert "**Sensitivity** :green-badge[:material/check: done]" in said
    assert "**Prune** :blue-badge[next]" in said
    assert "**Export** :" not in said
    linked = {link.proto.page for link in app.page_link}
    assert set(PLACES) - {"model"} | {""} <= linked


def done(app: AppTest) -> list[str]:
    """The steps of the road that bear a tick, in its words."""
    return re.findall(r"\*\*(\w+)\*\* :green-badge", text_of(app))


def test_a_tick_is_for_what_the_session_holds_now(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    folder = store.exports() / "light"
    synthetic.put_export(store, table, ["up=0.4"], folder)
    assert done(open_page("start", model="demo")) == ["Model", "Sensitivity"], "nothing is pruned"
    assert done(open_page("start", model="demo", plan="up=0.3"))[-1] == "Prune", "another plan was written"
    assert done(open_page("start", model="demo", plan="up=0.4"))[-1] == "Export"
    other = open_page("start", model="demo", plan="up=0.4", criterion="wanda")
    assert done(other) == ["Model"], "the map and the export are of another criterion"
    shutil.rmtree(folder)
    assert done(open_page("start", model="demo", plan="up=0.4"))[-1] == "Prune", "it is gone again"


def test_go_on_with_a_model_used_before(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store)
    synthetic.put_model(store, "/models/mine")
    app = open_page("start", model="demo")
    assert "Go on with" in text_of(app)
    next(button for button in app.button if button.label == "/models/mine").click().run()
    assert not app.exception
    assert app.query_params["model"] == "/models/mine"
    assert app.query_params["tab"] == "explore"


def test_the_words_are_within_reach_on_every_page(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    for page in VIEWS:
        assert f"**Perplexity**  \n{labels.PERPLEXITY}" in text_of(open_page(page, model="demo")), page


def test_a_model_of_ones_own_is_looked_at_before_it_is_loaded(
    open_page: Open, asked: list[dict], llama_folder: Path
) -> None:
    app = open_page("start")
    app.text_input(key="start_own").set_value(f" {llama_folder} ").run()
    assert not app.exception
    assert app.query_params["model"] == str(llama_folder)
    assert "Before loading" in [header.value for header in app.subheader]
    assert [button.label for button in app.button if button.label.startswith("Load ")][
        -1
    ] != "Load the demo model"
    assert asked == []
