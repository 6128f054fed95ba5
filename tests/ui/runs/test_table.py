"""Runs as a table and as points on two axes."""

import pytest

from pruning.ui.runs import table
from pruning.workspace.runs import runs
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of


@pytest.fixture
def filled(store: Store) -> Store:
    smap = synthetic.put_all(store)
    synthetic.put_export(store, smap, ["up=0.4"], store.exports() / "light")
    synthetic.put_recovery(store, ["all=0.5"])
    return store


def test_every_run_that_measured_quality_has_a_row(filled: Store) -> None:
    rows = table.rows(runs(filled))
    kinds = {row["Kind"] for row in rows}
    assert kinds == {"Baseline", "Measured plan", "Export", "Recovery"}
    assert len(rows) == sum(run.kind in ("baseline", "measure", "export", "recovery") for run in runs(filled))
    [recovery] = [row for row in rows if row["Kind"] == "Recovery"]
    assert recovery["Perplexity"] == 41.0, "after training"
    [baseline] = [row for row in rows if row["Kind"] == "Baseline"]
    assert baseline["Perplexity"] == pytest.approx(33.8, abs=0.05)
    assert "KL" not in baseline, "it is the model that others are compared with"


def test_any_two_figures_can_be_plotted(open_page: Open, filled: Store) -> None:
    app = open_page("runs", model="demo")
    app.segmented_control(key="runs_as").set_value("Table and plot").run()
    assert not app.exception
    [shown] = app.dataframe
    assert {"Run", "KL", "Perplexity", "Sparsity (%)"} <= set(shown.value)
    app.selectbox(key="runs_across").set_value("KL").run()
    app.selectbox(key="runs_up").set_value("Perplexity").run()
    assert not app.exception
    [plot] = app.get("plotly_chart")
    assert '"Perplexity"' in plot.proto.spec
    assert '"log"' in plot.proto.spec


def test_where_nothing_was_measured_it_says_so(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store)
    app = open_page("runs", model="demo")
    app.segmented_control(key="runs_as").set_value("Table and plot").run()
    assert "Nothing here was measured yet" in text_of(app)
