"""The Model page says what jobs will take before a model is loaded."""

from pathlib import Path

from pruning.workspace.store import Store
from tests.ui.conftest import Open

SPEEDS = {
    "operations": 1e11,
    "elements": 1e9,
    "read": 1e9,
    "write": 1e9,
    "cached": False,
    "threads": 2,
}


def put_speeds(store: Store) -> None:
    store.put("speeds", {"dtype": "float32", "device": "cpu"}, SPEEDS)


def test_a_chosen_model_is_estimated(open_page: Open, store: Store, llama_folder: Path) -> None:
    put_speeds(store)
    app = open_page("model", model=str(llama_folder))
    assert "What jobs will take" in [header.value for header in app.subheader]
    table = app.table[-1].value
    assert list(table.index) == [
        "Sensitivity map",
        "Best recipe",
        "A plan with corrected weights",
        "Measuring a plan",
        "Recovery, 200 steps",
        "Export",
    ]
    assert all("estimate" in column for column in table.columns)
    assert any("All of them fit in memory." in caption.value for caption in app.caption)


def test_streamed_recovery_has_no_figures(open_page: Open, store: Store, llama_folder: Path) -> None:
    put_speeds(store)
    app = open_page("model", model=str(llama_folder))
    app.segmented_control(key="estimate_way").set_value("Streamed").run()
    assert not app.exception
    assert list(app.table[-1].value.loc["Recovery, 200 steps"]) == ["—", "—", "—"]


def test_a_model_that_is_not_there_has_no_estimate(open_page: Open, store: Store) -> None:
    app = open_page("model", model="/no/such/folder")
    assert "What jobs will take" not in [header.value for header in app.subheader]
    assert any("No estimate" in caption.value for caption in app.caption)
