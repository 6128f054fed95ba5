"""What can be done with a run: it is opened, asked for again, noted, shared and deleted."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pruning.ui.data import session
from pruning.workspace import runs as stored_runs
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.runs.conftest import press, the_run, unfold


@pytest.mark.parametrize(
    ("kind", "settings", "page", "plan"),
    [
        ("map", (), "sensitivity", None),
        ("sweep", (), "sensitivity", None),
        ("baseline", (), "model", None),
        ("measure", ("all=0.4",), "explore", "all=0.4"),
        ("export", (), "export", "down=0.3"),
    ],
)
def test_a_run_is_opened_where_it_belongs(
    open_page: Open, filled: Store, kind: str, settings: tuple[str, ...], page: str, plan: str | None
) -> None:
    app = press(open_page("runs", criterion="wanda", plan="up=0.1"), "open", the_run(filled, kind, *settings))
    assert app.query_params["tab"] == page
    address = app.query_params
    assert address["model"] == "demo"
    if kind == "baseline":
        assert address["criterion"] == "wanda", "no criterion made it, so none is switched"
    else:
        assert "criterion" not in address, "the default again"
    assert address.get("plan") == (plan or "up=0.1"), "what has no plan leaves the session's"


def test_a_failed_job_is_opened_with_what_it_was_about_and_asked_for_again(
    open_page: Open, filled: Store, asked: list[dict]
) -> None:
    run = the_run(filled, "job")
    app = press(open_page("runs"), "duplicate", run)
    assert asked == [run.value["request"]]
    app = press(app, "open", run)
    assert app.query_params["tab"] == "sensitivity"
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
    assert app.query_params["tab"] == "explore"
    assert app.query_params["plan"] == "all=0.4"
    assert app.query_params["pin"] == "All groups 40 %:all=0.4"
    assert "**Opened: All groups 40 %**" in text_of(app), "with its figures, and the way back"


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
    run = next(run for run in stored_runs.runs(filled) if run.options)
    app = unfold(open_page("runs"), run)
    assert "**All groups 20 %, 2:4**" in text_of(app)
    keys = {element.key for element in [*app.button, *app.checkbox]}
    assert f"delete_{run.id}" in keys
    assert not keys & {f"pick_{run.id}", f"duplicate_{run.id}"}
    app.button(key=f"open_{run.id}").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "methods"
    assert app.selectbox(key="methods_chosen").value == run.id
    assert "plan" not in app.query_params, "it is no plan for Explore"


def test_a_recovery_is_opened_on_its_page(open_page: Open, filled: Store) -> None:
    synthetic.put_recovery(filled, ["all=0.4"], {"steps": 100, "schedule": "cubic"}, criterion="movement")
    synthetic.put_recovery(filled, ["all=0.5"])
    run = the_run(filled, "recovery", "all=0.4")
    app = open_page("runs")
    app.button(key=f"open_{run.id}").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "recover"
    assert app.selectbox(key="recovery_chosen").value == run.id, "and not the newest"
    assert app.session_state[session.KEY].criterion == "fisher", "there is no map of movement"


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
    assert not [other for other in stored_runs.runs(filled) if other.id == run.id]
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
