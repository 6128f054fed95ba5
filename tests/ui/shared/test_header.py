"""The header: the plan's figures with where they come from, the target that times are of, and the tabs."""

from typing import Any

import pytest

from pruning.benchmarks.synthetic import put_latency
from pruning.planning.cost.parts import parts_of
from pruning.planning.cost.roofline import devices, estimate
from pruning.ui.explore.mixer import component
from pruning.ui.shared.frame.places import OLD_ADDRESSES, PLACES, VIEWS, place_of
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, go, header_of, text_of


def test_every_view_is_in_one_place_and_every_old_address_leads_to_one() -> None:
    assert len(VIEWS) == sum(len(place.views) for place in PLACES.values())
    before = {
        "start",
        "model",
        "explore",
        "optimize",
        "methods",
        "recover",
        "impact",
        "speed",
        "present",
        "runs",
    }
    assert set(OLD_ADDRESSES) == before, "the others have the addresses of their places"
    assert {place_of(view) for view in before} == {"model", "prune", "compare", "export"}


def test_without_a_plan_it_shows_the_unpruned_model(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    shown = header_of(open_page("sensitivity", model="demo"))
    for said in ("demo", "nothing pruned", "33.8", "538 MB", "412 ms", "48 ms"):
        assert said in shown
    assert shown.count('class="source measured"') == 3, "perplexity and both times"


def test_a_plans_figures_say_where_they_come_from(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    forecast = header_of(open_page("export", model="demo", plan="up=0.33"))
    assert 'Perplexity <i class="source forecast">' in forecast
    assert "Pruned (sparsity)" in forecast
    measured = header_of(open_page("export", model="demo", plan="gate=0.4,up=0.5"))
    assert 'Perplexity <i class="source measured">' in measured
    assert "unpruned 33.8" in measured


def test_it_follows_a_plan_that_is_changed_by_hand(open_page: Open, store: Store) -> None:
    table = synthetic.put_all(store)
    app = open_page("explore", model="demo")
    assert "nothing pruned" in header_of(app)
    levels = [0.5 if kind == "up" else 0.0 for _, kind in table.groups]
    app.session_state["desk"] = {"events": [{"number": 1, "levels": levels, "locks": []}]}
    app.run()
    assert not app.exception
    assert "nothing pruned" not in header_of(app)


def test_without_a_map_nothing_is_made_up(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    shown = header_of(open_page("export", model="demo", plan="up=0.4"))
    assert "no forecast: no map yet" in shown
    assert "not known" in shown
    assert "forecast</i>" not in shown


def test_a_plan_that_does_not_fit_is_said_on_every_view(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    assert "does not fit this model" in header_of(open_page("runs", model="demo", plan="up@90=0.5"))


def test_markup_in_a_models_name_is_text(open_page: Open, store: Store) -> None:
    synthetic.put_model(store, "<b>bold</b>")
    assert "&lt;b&gt;bold" in header_of(open_page("model", model="<b>bold</b>"))


def test_another_device_drives_every_time(
    open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header, the desk's table and the address; what was timed here is not shown for it."""
    synthetic.put_all(store)
    put_latency(store)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(component, "send_table", sent.append)
    app = open_page("explore", model="demo", plan="up=0.4")
    assert sent[-1]["cost"]["latency"] is not None
    other = devices()[0]
    app.selectbox(key="target").set_value(other.name).run()
    assert not app.exception
    assert app.query_params["target"] == other.name
    least = estimate(other, parts_of(store.find("inspect")[0]["value"]), other.best_format, 256)
    cost = sent[-1]["cost"]
    assert (cost["latency"], cost["device"]) == (None, other.name)
    assert cost["denseMs"] == {mode: pytest.approx(time.milliseconds) for mode, time in least.items()}
    assert 'Decode <i class="source estimate">' in header_of(app)
    assert not any(button.key == "time_model" for button in app.button), "it cannot be timed from here"


def test_a_place_remembers_the_tab_that_was_open(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    app = open_page("methods", model="demo")
    go(app, "runs")
    del app.query_params["tab"]
    app.switch_page(PLACES["prune"].script).run()
    assert app.query_params["tab"] == "methods"
    app.segmented_control(key="tab_prune").set_value("recover").run()
    assert not app.exception
    assert app.query_params["tab"] == "recover"
    assert VIEWS["recover"].line in text_of(app)
