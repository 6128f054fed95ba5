"""The Runs page: everything made is listed, found again and compared; what the workspace takes."""

from pathlib import Path

from pruning.ui.data import session
from pruning.ui.text import format
from pruning.workspace import runs as stored_runs
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.runs.conftest import the_run


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
        "Map for the criterion Fisher",
        "Single groups, criterion Fisher",
        "All groups 20 %",
        "MLP gate 40 %, MLP up 50 %",
        "The unpruned model",
        "light",
        "Drawing the sensitivity map failed",
        "The disk is full.",
    ):
        assert title in said
    assert "demo · Fisher" in said
    assert ":blue-badge[forecast] 1,350 points, 150 groups at 9 levels" in said
    assert ":green-badge[measured] 3 points in 1 group" in said
    assert len([b for b in app.button if b.label == "Open"]) == len(stored_runs.runs(filled)) == 9


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


def test_ticked_plans_are_pinned_and_compared(open_page: Open, filled: Store) -> None:
    app = open_page("runs", model="demo", plan="up=0.1")
    assert app.button(key="runs_compare").disabled
    for settings in ("all=0.2", "all=0.4"):
        app.checkbox(key=f"pick_{the_run(filled, 'measure', settings).id}").check().run()
    assert app.button(key="runs_compare").label == "Compare 2 plans"
    app.button(key="runs_compare").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "compare"
    assert app.query_params["model"] == "demo"
    pins = {pin.settings for pin in app.session_state[session.KEY].pins}
    assert pins == {"all=0.2", "all=0.4"}
    assert app.query_params["plan"] == "up=0.1", "the session's own plan stays beside them"


def test_plans_of_two_criteria_are_not_compared(open_page: Open, filled: Store) -> None:
    synthetic.put_measure(filled, synthetic.sensitivity_map(criterion="wanda"), ["all=0.2"])
    app = open_page("runs")
    for run in stored_runs.runs(filled):
        if run.settings == ("all=0.2",):
            app.checkbox(key=f"pick_{run.id}").check()
    app.run()
    app.button(key="runs_compare").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "runs"
    assert "of different models, criteria or texts" in app.error[0].value


def test_a_written_model_that_was_moved_is_marked(open_page: Open, filled: Store) -> None:
    assert "moved or deleted since" not in text_of(open_page("runs"))
    folder = Path(the_run(filled, "export").value["out"])
    folder.rename(folder.with_name("elsewhere"))
    assert "moved or deleted since" in text_of(open_page("runs"))


def test_storage_is_told(open_page: Open, filled: Store) -> None:
    app = open_page("runs")
    figures = {element.label: element.value for element in app.metric}
    assert set(figures) == {"Database", "Statistics and maps", "Written models"}
    assert figures["Written models"] == format.size(stored_runs.storage(filled).exports)
