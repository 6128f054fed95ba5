"""The four pages without a browser: empty states, made-up results, mistakes, what their buttons ask for."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from pruning.engine.criteria import CRITERIA
from pruning.errors import PruningError
from pruning.jobs import runner
from pruning.jobs.history import History
from pruning.planning.recipe.presets import PRESETS
from pruning.planning.recipe.recipe import Recipe
from pruning.ui.data import queries
from pruning.ui.shared.frame.places import VIEWS
from pruning.ui.text import format, labels
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, go, metric, text_of

# ---- empty states -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["sensitivity", "explore", "optimize", "export"])
def test_without_a_model_a_page_says_where_to_get_one(open_page: Open, page: str) -> None:
    app = open_page(page)
    assert "No model yet" in text_of(app)
    assert any("Choose a model" in str(link.value) for link in app.page_link)


def test_model_page_begins_with_the_demo(open_page: Open, asked: list[dict]) -> None:
    app = open_page("model")
    button = next(b for b in app.button if b.label == "Load the demo model")
    button.click().run()
    assert not app.exception
    assert [request["task"] for request in asked] == ["inspect"]
    assert asked[0]["model"] == {
        "reference": "demo",
        "dtype": "float32",
        "device": "auto",
        "trust_remote_code": False,
        "allow_pickle": False,
    }
    assert app.query_params["model"] == "demo"


@pytest.mark.parametrize("page", ["explore", "optimize"])
def test_a_model_without_a_map_is_offered_one(open_page: Open, store: Store, page: str) -> None:
    synthetic.put_model(store)
    app = open_page(page, model="demo")
    assert "No map yet" in text_of(app)
    assert app.button(key="draw_map").label == "Draw the map of Fisher"


def test_sensitivity_without_a_map_offers_to_draw_it(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    synthetic.put_model(store)
    app = open_page("sensitivity", model="demo", criterion="wanda")
    app.button(key="draw_map").click().run()
    assert not app.exception
    assert asked[0]["task"] == "map"
    assert asked[0]["arguments"] == {"criterion": "wanda", "data": "demo"}


def test_export_without_a_plan_is_sent_to_explore(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    assert "Nothing is pruned yet" in text_of(open_page("export", model="demo"))


# ---- with results -----------------------------------------------------------------------------------


def test_model_page_shows_what_was_measured(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("model", model="demo")
    assert metric(app, "Perplexity") == "33.8"
    assert metric(app, "Reading a prompt") == "412 ms"
    assert text_of(app).count(":green-badge[measured]") == 6
    assert len(app.get("plotly_chart")) == 3


def test_sensitivity_names_the_extremes_and_counts_points(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    said = text_of(open_page("sensitivity", model="demo"))
    assert "Layer 29 · MLP down" in said
    assert "3 measured points" in said


def test_sensitivity_asks_for_a_sweep_of_what_is_chosen(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    synthetic.put_all(store)
    app = open_page("sensitivity", model="demo")
    app.session_state["chosen_groups"] = [(3, "up"), (4, "up")]
    app.run()
    next(b for b in app.button if b.label == "Measure 6 points").click().run()
    assert not app.exception
    wanted = asked[0]["arguments"]
    assert (wanted["layers"], wanted["kinds"], wanted["levels"]) == ([3, 4], ["up"], [0.3, 0.5, 0.7])


def test_sensitivity_says_what_is_wrong_with_layers(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("sensitivity", model="demo")
    next(field for field in app.text_input if field.label == "Layers").set_value("2-99").run()
    assert not app.exception
    assert "There is no layer 99" in app.error[0].value


def released(app: AppTest, levels: list[float], locks: tuple[str, ...] = (), number: int = 1) -> None:
    """As if the desk in the browser had let go with these levels."""
    app.session_state["desk"] = {"events": [{"number": number, "levels": levels, "locks": list(locks)}]}
    app.run()


def test_explore_takes_what_the_desk_released_once(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    app = open_page("explore", model="demo", plan="down@0-3=0.1")
    assert "not measured yet" in text_of(app)
    levels = [0.5 if kind == "up" else 0.0 for _, kind in table.groups]
    released(app, levels, locks=("gate", "3", "<b>"))
    assert not app.exception
    assert app.query_params["plan"] == "up=0.5"
    assert app.query_params["lock"] == "gate,3", "what is no lock is left out"
    assert ":blue-badge[forecast]" in text_of(app)
    app.text_input(key="plan_text_up=0.5").set_value("qkv=0.2")
    next(b for b in app.button if b.label == "Take this plan").click().run()
    assert app.query_params["plan"] == "qkv=0.2", "an old release is not taken again"


@pytest.mark.parametrize(("levels", "said"), [([0.5], "another model"), ([2.0] * 150, "outside 0 to 0.95")])
def test_explore_refuses_levels_that_fit_no_plan(
    open_page: Open, store: Store, levels: list[float], said: str
) -> None:
    synthetic.put_all(store)
    app = open_page("explore", model="demo", plan="up=0.3")
    released(app, levels)
    assert not app.exception
    assert said in app.error[0].value
    assert app.query_params["plan"] == "up=0.3"


def test_explore_says_how_a_measured_plan_came_out(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    said = text_of(open_page("explore", model="demo", plan="gate=0.4,up=0.5"))
    assert "inside the band" in said
    assert "learnt from 3 measured plans" in said


def test_explore_measures_and_pins(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_all(store)
    guide = ["qkv=0.1", "attn_out=0.25", "gate=0.45", "up=0.45", "down=0.15"]
    app = open_page("explore", model="demo", plan=",".join(guide))
    app.button(key="pin").click().run()
    assert app.query_params["pin"] == f"Plan 1:{','.join(guide)}"
    app.button(key="measure").click().run()
    assert not app.exception
    assert asked[0]["task"] == "measure"
    assert asked[0]["arguments"]["settings"] == guide


def test_a_preset_with_numbers_of_ones_own_leaves_what_is_locked(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("explore", model="demo", plan="down=0.3", lock="down")
    app.radio(key="preset").set_value("guide").run()
    app.number_input(key="preset_guide_gate_up_times").set_value(1.0).run()
    app.slider(key="preset_level").set_value(40).run()
    app.button(key="preset_use").click().run()
    assert not app.exception
    assert app.query_params["plan"] == "qkv=0.1,gate=0.4,up=0.4,down=0.3", "this map has no heads"


@pytest.mark.parametrize("page", VIEWS)
def test_a_command_stands_once_on_a_page(open_page: Open, store: Store, page: str) -> None:
    synthetic.put_all(store)
    app = open_page(page, model="demo", plan="up=0.4")
    commands = [code.value for code in app.code if str(code.value).startswith("prunescope ")]
    assert len(commands) == len(set(commands)) <= len(app.button)
    assert not any("command" in expander.label.lower() for expander in app.expander)


def test_there_is_one_list_of_presets_each_with_a_line(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    [radio] = open_page("explore", model="demo").radio
    assert radio.options == [labels.PRESET[name] for name in PRESETS]
    captions = list(radio.proto.captions)
    assert len(set(captions)) == len(PRESETS)
    assert all(captions)


def test_the_plan_survives_moving_between_pages(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    app = open_page("explore", model="demo")
    released(app, [0.2 if kind == "gate" else 0.0 for _, kind in table.groups])
    go(app, "export")
    go(app, "explore")
    assert not app.exception
    assert app.query_params["plan"] == "gate=0.2"


def test_export_previews_the_recipe_and_asks_for_the_model(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    synthetic.put_all(store)
    app = open_page("export", model="demo", plan="up=0.5,down@0-3=0.1")
    shown = next(code.value for code in app.code if code.language == "yaml")
    recipe = Recipe.loads(shown)
    assert recipe.model.fingerprint == synthetic.FINGERPRINT
    assert recipe.settings() == ["up=0.5", "down@0-3=0.1"]
    app.button(key="export_start").click().run()
    assert not app.exception
    assert asked[0]["arguments"]["name"] == recipe.name
    assert Recipe.from_dict(asked[0]["arguments"]["recipe"]) == recipe


def test_export_refuses_a_name_that_leads_out_of_the_workspace(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("export", model="demo", plan="up=0.5")
    next(field for field in app.text_input if field.label == "Name").set_value("../../etc").run()
    assert not app.exception
    assert "cannot be a file name" in app.error[0].value
    assert not any(b.key == "export_start" for b in app.button)


# ---- mistakes ---------------------------------------------------------------------------------------


def test_a_model_that_is_not_there_is_named(open_page: Open, tmp_path) -> None:
    app = open_page("model", model=str(tmp_path / "nothing"))
    assert app.error
    assert "nothing" in app.error[0].value


@pytest.mark.parametrize("plan", ["up=1.2", "sideways=0.5", "up@90=0.5", "gibberish"])
def test_a_plan_that_does_not_fit_is_explained_and_kept(open_page: Open, store: Store, plan: str) -> None:
    synthetic.put_all(store)
    for page in ("explore", "export"):
        app = open_page(page, model="demo", plan=plan)
        assert app.error
        assert app.query_params["plan"] == plan, "what was typed is not lost"


def test_an_unknown_criterion_is_named(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("sensitivity", model="demo", criterion="luck")
    assert 'no criterion "luck"' in app.error[0].value


def test_a_refused_job_is_explained(open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.put_model(store)
    app = open_page("model", model="demo")

    def refuse(request: dict) -> int:
        raise PruningError("The dashboard is stopping. Start it again.")

    monkeypatch.setattr(queries.runner(), "submit", refuse)
    next(b for b in app.button if b.label == "Measure the baseline").click().run()
    assert not app.exception
    assert app.error[0].value == "The dashboard is stopping. Start it again."


# ---- jobs -------------------------------------------------------------------------------------------


def running(store: Store, task: str, **fields: object) -> int:
    request = {"task": task, "model": {"reference": "demo", "device": "auto"}, "arguments": {}}
    job = store.add_job(request, "somebody")
    store.update_job(job, state="running", started=time.time(), **fields)
    return job


def test_a_running_job_shows_progress_and_time_left(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    running(store, "map", done=44, total=100, note="Layer 13", seconds_left=31.0)
    app = open_page("sensitivity", model="demo")
    assert app.progress[0].value == 44
    assert "Layer 13" in app.progress[0].text
    assert "about 31 s left" in app.progress[0].text
    assert '"share": "44 %"' in app.get("bidi_component")[0].proto.json.replace('":"', '": "')
    assert app.button(key="draw_map").disabled
    assert "Also under way: drawing the sensitivity map" in text_of(open_page("model", model="demo"))


def test_a_button_says_how_long_its_job_will_take(open_page: Open, store: Store) -> None:
    """Nothing before anything was timed here, nor of what is done in a moment."""
    synthetic.put_model(store)
    assert "on this machine" not in text_of(open_page("sensitivity", model="demo"))
    model = {"reference": "demo", "dtype": "float32", "device": "auto"}
    History(store, model).keep({"dense": (13.0, 1.0), "start": (8.0, 1.0), "load": (2.0, 1.0)})
    shown = text_of(open_page("sensitivity", model="demo"))
    request = {"task": "map", "model": model, "arguments": {"criterion": "fisher", "data": "demo"}}
    expected = runner().expected_seconds(request)
    assert expected is not None
    assert f"about {format.seconds(expected)} on this machine" in shown
    for _ in range(9):
        History(store, model).keep(dict.fromkeys(("dense", "start", "load"), (0.001, 1.0)))
    assert "on this machine" not in text_of(open_page("sensitivity", model="demo"))


def test_a_failed_job_says_why(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    app = open_page("sensitivity", model="demo")
    app.button(key="draw_map").click().run()
    job = store.jobs()[0]
    store.update_job(job.id, state="failed", error="The engine ran out of memory.", finished=time.time())
    app.run()
    assert "The engine ran out of memory." in app.error[0].value


def test_cancelling_the_job_of_another_dashboard_is_explained(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    job = running(store, "map")
    app = open_page("sensitivity", model="demo")
    app.button(key=f"cancel_{job}").click().run()
    assert not app.exception
    assert "another running dashboard" in app.error[0].value


# ---- words ------------------------------------------------------------------------------------------


def test_every_criterion_has_words() -> None:
    assert set(labels.CRITERION) == set(CRITERIA)
