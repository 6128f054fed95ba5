"""What Model and Export do beyond their figures: the next step, a folded chooser, names that are free."""

import pytest

from pruning.benchmarks.synthetic import put_map
from pruning.ui.data import queries
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, metric, text_of


def test_the_next_step_is_the_main_action_once_the_model_is_measured(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    app = open_page("model", model="demo")
    assert [b.label for b in app.button if b.proto.type == "primary"] == ["Measure the baseline"]
    synthetic.put_baseline(store)
    app.run()
    assert [b.label for b in app.button if b.proto.type == "primary"] == ["Next: Sensitivity"]
    app.button(key="next_step").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "sensitivity"


def test_a_folded_chooser_asks_nobody_about_the_model(
    open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    look = queries.cached_preview
    monkeypatch.setattr(
        queries, "cached_preview", lambda reference, dtype: looked.append(reference) or look("demo", dtype)
    )
    synthetic.put_model(store, "someone/model")
    app = open_page("model", model="someone/model")
    assert looked == []
    app.session_state["chooser"] = True
    app.run()
    assert not app.exception
    assert looked == ["someone/model"]


def test_export_offers_a_name_that_is_free(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    app = open_page("export", model="demo", plan="all=0.4")
    assert app.text_input[0].value == "demo-pruned-40"
    synthetic.put_export(store, table, ["all=0.4"], store.exports() / "demo-pruned-40")
    app.run()
    assert not app.exception
    assert app.text_input[0].value == "demo-pruned-40-2"
    assert not app.button(key="export_start").disabled


def test_export_does_not_begin_where_something_is_already(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    (store.exports() / "mine").mkdir()
    app = open_page("export", model="demo", plan="all=0.4")
    app.text_input[0].set_value("mine").run()
    assert app.button(key="export_start").disabled
    assert "is there already. Choose another name" in text_of(app)


@pytest.mark.parametrize(
    ("plan", "size"),
    [("heads=0.333333", "512 MB"), ("heads@0-4=0.333333", "534 MB"), ("heads=0.222222", "538 MB")],
)
def test_the_size_is_of_the_folder_that_would_be_written(
    open_page: Open, store: Store, plan: str, size: str
) -> None:
    """Two of nine heads do not come evenly from three KV groups: that folder is full-size, with zeros."""
    synthetic.put_all(store)
    put_map(store, units=True)
    app = open_page("export", model="demo", plan=plan)
    assert not app.exception
    assert metric(app, "Model folder") == size
    offered = "nearest_hf" in [button.key for button in app.button]
    assert offered == (size == "538 MB")


def test_a_written_model_is_never_uploaded_but_by_the_command_it_shows(open_page: Open, store: Store) -> None:
    table, folder = synthetic.put_all(store), store.exports() / "demo half"
    folder.mkdir()
    synthetic.put_export(store, table, ["all=0.4"], folder)
    app = open_page("export", model="demo", plan="all=0.4")
    shown = [code.value for code in app.code if code.value.startswith("prunescope push")]
    assert shown == [f"prunescope push '{folder}' YOU/demo half"]
