"""The Runs page: everything made is listed, found again, taken up, compared, noted and cleared away."""

import time
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from pruning.ui.data import session
from pruning.ui.text import format
from pruning.ui.text import runs as run_words
from pruning.workspace import runs as library
from pruning.workspace.runs import Run
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open
from tests.ui.test_pages import text_of


@pytest.fixture
def filled(store: Store) -> Store:
    table = synthetic.put_all(store)
    synthetic.put_export(store, table, ["down=0.3"], store.exports() / "light")
    request = {
        "task": "map",
        "model": {"reference": "demo", "dtype": "float32", "device": "auto"},
        "arguments": {"criterion": "wanda", "data": "demo"},
    }
    store.update_job(
        store.add_job(request, "somebody"), state="failed", error="The disk is full.", finished=time.time()
    )
    return store


def the_run(store: Store, kind: str, *settings: str) -> Run:
    return next(
        run for run in library.runs(store) if run.kind == kind and (not settings or run.settings == settings)
    )


def unfold(app: AppTest, run: Run) -> AppTest:
    """Open a run's menu."""
    app.session_state[f"more_{run.id}"] = True
    return app.run()


def press(app: AppTest, name: str, run: Run) -> AppTest:
    """Press a button of a run's card, or of its menu."""
    if name != "open":
        unfold(app, run)
    app.button(key=f"{name}_{run.id}").click().run()
    assert not app.exception
    return app


def test_an_empty_workspace_says_where_to_begin(open_page: Open) -> None:
    app = open_page("runs")
    assert "Nothing here yet" in text_of(app)
    assert any("Start with the demo model" in str(link.value) for link in app.page_link)


def test_every_run_is_listed_with_figures_that_say_where_they_come_from(
    open_page: Open, filled: Store
) -> None:
    app = open_page("runs")
    said = text_of(app)
    for title in (
        "Map for the criterion fisher",
        "Single groups, criterion fisher",
        "All groups 20 %",
        "MLP gate 40 %, MLP up 50 %",
        "The unpruned model",
        "light",
        "Drawing the sensitivity map failed",
        "The disk is full.",
    ):
        assert title in said
    assert "demo · fisher" in said
    assert ":blue-badge[forecast] 1,350 points, 150 groups at 9 levels" in said
    assert ":green-badge[measured] 3 points in 1 group" in said
    assert len([b for b in app.button if b.label == "Open"]) == len(library.runs(filled)) == 9


def test_runs_are_filtered_by_kind_and_model(open_page: Open, filled: Store) -> None:
    other = {"reference": "other", "dtype": "float32", "fingerprint": "0123"}
    filled.put("inspect", {"reference": "other", "dtype": "float32"}, other)
    filled.put(
        "map",
        {"fingerprint": "0123", "criterion": "fisher", "data": "demo"},
        {**synthetic.sensitivity_map("other").to_dict(), "fingerprint": "0123"},
    )
    app = open_page("runs")

    def listed() -> int:
        return len([b for b in app.button if b.label == "Open"])

    app.button_group(key="runs_kinds").set_value(["map"]).run()
    assert listed() == 2
    app.selectbox(key="runs_model").set_value("other").run()
    assert listed() == 1
    app.button_group(key="runs_kinds").set_value(["sweep"]).run()
    assert not app.exception
    assert listed() == 0
    assert "No run is of this kind" in text_of(app)


def test_a_long_list_is_shown_in_parts(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    for level in range(1, 20):
        synthetic.put_measure(store, table, [f"up={level / 100}"])
    app = open_page("runs")
    assert len([b for b in app.button if b.label == "Open"]) == 12
    app.button(key="runs_more").click().run()
    assert len([b for b in app.button if b.label == "Open"]) == 24
    app.button(key="runs_more").click().run()
    assert len([b for b in app.button if b.label == "Open"]) == 25
    assert not app.exception


@pytest.mark.parametrize(
    ("kind", "settings", "page", "plan"),
    [
        ("map", (), "Sensitivity", None),
        ("sweep", (), "Sensitivity", None),
        ("baseline", (), "Model", None),
        ("measure", ("all=0.4",), "Explore", "all=0.4"),
        ("export", (), "Export", "down=0.3"),
    ],
)
def test_a_run_is_opened_where_it_belongs(
    open_page: Open, filled: Store, kind: str, settings: tuple[str, ...], page: str, plan: str | None
) -> None:
    app = press(open_page("runs", criterion="wanda"), "open", the_run(filled, kind, *settings))
    assert app.title[0].value == page
    address = app.query_params
    assert address["model"] == "demo"
    assert "criterion" not in address, "the default again"
    assert address.get("plan") == plan


def test_a_failed_job_is_opened_with_what_it_was_about_and_asked_for_again(
    open_page: Open, filled: Store, asked: list[dict]
) -> None:
    run = the_run(filled, "job")
    app = press(open_page("runs"), "duplicate", run)
    assert asked == [run.value["request"]]
    app = press(app, "open", run)
    assert app.title[0].value == "Sensitivity"
    assert app.query_params["criterion"] == "wanda"


def test_a_map_is_asked_for_again(open_page: Open, filled: Store, asked: list[dict]) -> None:
    press(open_page("runs"), "duplicate", the_run(filled, "map"))
    assert asked[0]["task"] == "map"
    assert asked[0]["model"] == {"reference": "demo", "dtype": "float32", "device": "auto"}
    assert asked[0]["arguments"] == {
        "criterion": "fisher",
        "levels": list(synthetic.LEVELS),
        "data": "demo",
    }


def test_a_duplicated_plan_stands_on_explore_beside_the_old_one(open_page: Open, filled: Store) -> None:
    app = press(open_page("runs"), "duplicate", the_run(filled, "measure", "all=0.4"))
    assert app.title[0].value == "Explore"
    assert app.query_params["plan"] == "all=0.4"
    assert app.query_params["pin"] == "All groups 40 %:all=0.4"


def test_opening_another_model_leaves_trust_behind(open_page: Open, filled: Store) -> None:
    app = open_page("runs", model="other")
    app.session_state[session.KEY] = session.Choice(model="other", trust_remote_code=True, allow_pickle=True)
    press(app, "open", the_run(filled, "map"))
    chosen = app.session_state[session.KEY]
    assert (chosen.model, chosen.trust_remote_code, chosen.allow_pickle) == ("demo", False, False)


def test_a_run_of_an_unknown_model_cannot_be_opened(open_page: Open, store: Store) -> None:
    synthetic.put_measure(store, synthetic.sensitivity_map(), ["up=0.5"])
    app = open_page("runs")
    assert app.button(key=f"open_{the_run(store, 'measure').id}").disabled
    assert "model unknown" in text_of(app)


def test_a_plan_with_options_says_so_and_is_not_taken_for_one_without(open_page: Open, filled: Store) -> None:
    [row] = filled.find("measure", settings=["all=0.2"])
    options = {"structure": "n:m", "pattern": "2:4"}
    filled.put("measure", {**row["key"], **options}, {**row["value"], **options})
    run = next(run for run in library.runs(filled) if run.options)
    app = unfold(open_page("runs"), run)
    assert "**All groups 20 %, structure n:m, pattern 2:4**" in text_of(app)
    keys = {element.key for element in [*app.button, *app.checkbox]}
    assert f"delete_{run.id}" in keys
    assert not keys & {f"pick_{run.id}", f"duplicate_{run.id}"}
    app.button(key=f"open_{run.id}").click().run()
    assert not app.exception
    assert app.title[0].value == "Methods"
    assert app.selectbox(key="methods_chosen").value == run.id
    assert "plan" not in app.query_params, "it is no plan for Explore"


def test_what_was_trained_says_how_far_it_came(open_page: Open, filled: Store) -> None:
    about = {"data": "demo", "criterion": "fisher", "settings": ["all=0.4"]}
    for steps, figures in (
        (300, {"finished": True, "pruned": {"kl": 0.9}, "recovered": {"kl": 0.3, "perplexity": 45.0}}),
        (400, {"finished": False, "steps": 120}),
    ):
        value = {**about, "recovery": {"steps": steps}, **figures}
        key = {"fingerprint": synthetic.FINGERPRINT, **about, "recovery": {"steps": steps}}
        filled.put("recovery", key, value)
    said = text_of(open_page("runs"))
    assert "All groups 40 %, trained for 300 steps" in said
    assert "KL 0.3 nats per token (before training 0.9) · perplexity 45.0" in said
    assert "Stopped after 120 steps." in said


def test_a_recovery_is_opened_on_its_page(open_page: Open, filled: Store) -> None:
    synthetic.put_recovery(filled, ["all=0.4"], {"steps": 100, "schedule": "cubic"}, criterion="movement")
    synthetic.put_recovery(filled, ["all=0.5"])
    run = the_run(filled, "recovery", "all=0.4")
    app = open_page("runs")
    app.button(key=f"open_{run.id}").click().run()
    assert not app.exception
    assert app.title[0].value == "Recover"
    assert app.selectbox(key="recovery_chosen").value == run.id, "and not the newest"
    assert app.session_state[session.KEY].criterion == "fisher", "there is no map of movement"


def test_ticked_plans_are_pinned_and_compared(open_page: Open, filled: Store) -> None:
    app = open_page("runs")
    assert app.button(key="runs_compare").disabled
    for settings in ("all=0.2", "all=0.4"):
        app.checkbox(key=f"pick_{the_run(filled, 'measure', settings).id}").check().run()
    assert app.button(key="runs_compare").label == "Compare 2 plans"
    app.button(key="runs_compare").click().run()
    assert not app.exception
    assert app.title[0].value == "Compare"
    assert app.query_params["model"] == "demo"
    pins = {pin.settings for pin in app.session_state[session.KEY].pins}
    assert pins == {"all=0.2", "all=0.4"}


def test_plans_of_two_criteria_are_not_compared(open_page: Open, filled: Store) -> None:
    synthetic.put_measure(filled, synthetic.sensitivity_map(criterion="wanda"), ["all=0.2"])
    app = open_page("runs")
    for run in library.runs(filled):
        if run.settings == ("all=0.2",):
            app.checkbox(key=f"pick_{run.id}").check()
    app.run()
    app.button(key="runs_compare").click().run()
    assert not app.exception
    assert app.title[0].value == "Runs"
    assert "of different models, criteria or texts" in app.error[0].value


def test_a_note_is_kept_in_the_workspace(open_page: Open, filled: Store) -> None:
    run = the_run(filled, "measure", "all=0.4")
    app = unfold(open_page("runs"), run)
    app.text_area(key=f"note_{run.id}").set_value("too much").run()
    assert not app.exception
    assert "too much" in text_of(app)
    assert the_run(Store(filled.root), "measure", "all=0.4").note == "too much"
    assert "too much" in text_of(open_page("runs")), "another session sees it"


def test_deleting_asks_first(open_page: Open, filled: Store) -> None:
    run = the_run(filled, "export")
    folder = Path(run.value["out"])
    app = press(open_page("runs"), "delete", run)
    assert folder.exists()
    assert any(str(folder) in code.value for code in app.code), "what goes is named"
    app.button(key="delete_yes").click().run()
    assert not app.exception
    assert not folder.exists()
    assert not [found for found in library.runs(filled) if found.id == run.id]
    assert not [b for b in app.button if b.key == f"open_{run.id}"]


def test_what_a_job_uses_is_not_deleted(open_page: Open, filled: Store) -> None:
    run = the_run(filled, "map")
    filled.add_job({"task": "measure", "model": {"reference": "demo"}, "arguments": {}}, "somebody")
    app = press(open_page("runs"), "delete", run)
    app.button(key="delete_yes").click().run()
    assert not app.exception
    assert "is under way" in app.error[0].value
    assert the_run(filled, "map").id == run.id


def test_the_address_of_a_plan_opens_it(open_page: Open, filled: Store) -> None:
    app = unfold(open_page("runs"), the_run(filled, "measure", "all=0.4"))
    shown = next(code.value for code in app.code if "all%3D0.4" in code.value)
    address = {name: values[0] for name, values in parse_qs(urlsplit(shown).query).items()}
    assert urlsplit(shown).path == "/explore"
    assert address == {"model": "demo", "plan": "all=0.4"}
    assert open_page("explore", **address).query_params["plan"] == "all=0.4"


def test_a_written_model_that_was_moved_is_marked(open_page: Open, filled: Store) -> None:
    assert "moved or deleted since" not in text_of(open_page("runs"))
    folder = Path(the_run(filled, "export").value["out"])
    folder.rename(folder.with_name("elsewhere"))
    assert "moved or deleted since" in text_of(open_page("runs"))


def test_storage_is_told(open_page: Open, filled: Store) -> None:
    app = open_page("runs")
    told = {element.label: element.value for element in app.metric}
    assert set(told) == {"Database", "Statistics and maps", "Written models"}
    assert told["Written models"] == format.size(library.storage(filled).exports)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "Nothing removed"),
        (("all=0.3",), "All groups 30 %"),
        (("up=0.5", "down@0-3,7=0.1"), "MLP up 50 %, MLP down 10 % in layers 0–3, 7"),
    ],
)
def test_plans_in_words(settings: tuple[str, ...], said: str) -> None:
    assert run_words.plan(settings) == said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (datetime(2026, 3, 5, 14, 3), "today, 14:03"),
        (datetime(2026, 3, 4, 9, 12), "yesterday, 09:12"),
        (datetime(2025, 11, 3, 9, 12), "3 Nov 2025, 09:12"),
    ],
)
def test_times_in_words(made: datetime, said: str) -> None:
    assert run_words.when(made.timestamp(), now=datetime(2026, 3, 5, 20, 0)) == said
