"""Until users have measured for themselves, views show what was measured elsewhere, marked so and apart."""

import pytest

from pruning.benchmarks.synthetic import put_latency
from pruning.errors import PruningError
from pruning.ui.data import gallery
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.impact_rows import put_impact
from tests.ui.conftest import Open, text_of

VIEWS = ("impact", "methods", "recover", "speed", "compare")


@pytest.mark.parametrize("view", [*VIEWS, "runs"])
def test_a_first_visitor_sees_what_was_measured_elsewhere(open_page: Open, store: Store, view: str) -> None:
    said = text_of(open_page(view))
    assert ":material/public: measured elsewhere" in said
    assert gallery.where() in said


@pytest.mark.parametrize("view", VIEWS)
def test_a_model_without_results_of_its_own_does_too(open_page: Open, store: Store, view: str) -> None:
    synthetic.put_model(store)
    assert gallery.where() in text_of(open_page(view, model="demo"))


@pytest.mark.parametrize("view", [*VIEWS, "runs"])
def test_ones_own_results_take_its_place(open_page: Open, store: Store, view: str) -> None:
    synthetic.put_all(store)
    synthetic.put_method(store, ["all=0.2"], 0.2, 0.1)
    synthetic.put_recovery(store, ["all=0.5"])
    put_latency(store)
    put_impact(store)
    app = open_page(view, model="demo", plan="up=0.4", pin="Light:all=0.2")
    assert "measured elsewhere" not in text_of(app)
    assert "elsewhere" not in text_of(app).lower() or view == "speed"


@pytest.mark.parametrize("view", VIEWS)
def test_a_file_that_is_missing_is_said_and_breaks_nothing(
    open_page: Open, store: Store, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise PruningError("The gallery is missing. Install Prunescope again.")

    monkeypatch.setattr(gallery, "_gallery", missing)
    app = open_page(view)
    assert "The gallery is missing" in app.error[0].value
