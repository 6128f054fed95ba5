"""Optimize without a browser: wishes in the user's units, what is held, taking, undoing, measuring."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from pruning.benchmarks.synthetic import sensitivity_map
from pruning.cli import main
from pruning.planning.allocation.choices import Bounds
from pruning.planning.allocation.targets import Target
from pruning.planning.cost.latency_table import processor
from pruning.planning.forecast.fit import ForecastFit
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan, parse_settings
from pruning.ui.data import session
from pruning.ui.optimize import front
from pruning.ui.optimize import targets as fields
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open
from tests.ui.optimize.conftest import wish
from tests.ui.test_pages import text_of


@pytest.fixture
def table(store: Store) -> SensitivityMap:
    return synthetic.put_all(store)


@pytest.fixture
def page(open_page: Open, table: SensitivityMap) -> AppTest:
    return open_page("optimize", model="demo")


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=f"optimize_{key}").click().run()
    assert not app.exception
    return app


def plan_of(app: AppTest, table: SensitivityMap) -> Plan:
    return session.parse(app.query_params["plan"], list(table.groups))


def learnt(store: Store, table: SensitivityMap) -> ForecastFit:
    rows = [row["value"] for row in store.find("measure", criterion="fisher")]
    return Forecaster.fitted(
        table, [(parse_settings(value["settings"], table.groups), value["kl"]) for value in rows]
    ).fit


def seen(app: AppTest, store: Store, table: SensitivityMap) -> Forecast:
    """The forecast of the session's plan, with what was measured taken into account."""
    return Forecaster(table, learnt(store, table)).forecast(plan_of(app, table))


def command_of(app: AppTest) -> str:
    return next(str(code.value) for code in app.code if "prunescope solve" in str(code.value))


# ---- targets ----------------------------------------------------------------------------------------


def test_it_begins_with_the_share_of_the_session_s_plan(open_page: Open, table: SensitivityMap) -> None:
    app = open_page("optimize", model="demo", plan="all=0.3")
    assert app.number_input(key="optimize_share").value == 30.0
    assert "30 % of the prunable weights removed" in text_of(app)


def test_every_wish_is_met_by_the_plan_that_is_taken(
    page: AppTest, store: Store, table: SensitivityMap
) -> None:
    wish(page, share=40.0)
    assert seen(press(page, "use"), store, table).sparsity == pytest.approx(0.4, abs=1e-3)
    wish(page, share=None, megabytes=400.0)
    assert 396e6 < seen(press(page, "use"), store, table).bytes <= 400e6
    wish(page, megabytes=None, millions=90.0)
    assert 89.5e6 < seen(press(page, "use"), store, table).parameters <= 90e6
    wish(page, millions=None, kl=0.2)
    assert 0.19 < seen(press(page, "use"), store, table).kl <= 0.2 * (1 + 1e-6)
    wish(page, kl=None, worse=10.0)
    assert 1.08 < seen(press(page, "use"), store, table).perplexity / 33.8 <= 1.1 * (1 + 1e-6)
    assert not page.error


def test_several_wishes_hold_together(page: AppTest, store: Store, table: SensitivityMap) -> None:
    wish(page, share=20.0, megabytes=400.0, kl=2.0)
    told = seen(press(page, "use"), store, table)
    assert told.sparsity >= 0.2
    assert told.bytes <= 400e6
    assert told.kl <= 2.0


def test_what_cannot_be_is_said_with_the_nearest_and_loses_nothing(
    page: AppTest, table: SensitivityMap
) -> None:
    wish(page, share=30.0)
    press(page, "use")
    before = page.query_params["plan"]
    wish(page, share=None, megabytes=100.0)
    assert "100 MB as a compact file cannot be met" in page.error[0].value
    assert "nearest possible is 147.93 MB as a compact file" in page.error[0].value
    assert page.number_input(key="optimize_megabytes").value == 100.0
    assert page.query_params["plan"] == before
    assert page.button(key="optimize_use").disabled
    # The nearest is really possible.
    wish(page, megabytes=147.93)
    assert not page.error
    wish(page, megabytes=None, worse=0.0)
    assert "not above the dense model's" in page.error[0].value
    wish(page, worse=None)
    assert "Say what is wanted" in page.error[0].value


def test_the_nearest_is_said_in_the_units_of_the_fields() -> None:
    table = sensitivity_map()
    targets = {
        Target("bytes", 1.5e8): "150 MB as a compact file",
        Target("kl", 0.5): "KL 0.5 (perplexity 50.1 % worse)",
        Target("sparsity", 0.95): "95 % removed",
        Target("parameters", 30123456): "30.13 M parameters",
        Target("perplexity", 37.18): "a perplexity of 37.2 (10 % worse)",
    }
    assert {target: fields.in_units(target, Forecaster.prior(table)) for target in targets} == targets


# ---- what must stay ---------------------------------------------------------------------------------


def test_what_is_held_stays(open_page: Open, store: Store, table: SensitivityMap) -> None:
    app = open_page("optimize", model="demo", plan="up=0.4", lock="up,3")
    app.text_input(key="optimize_protect").set_value("0-1").run()
    assert "is protected, and up in it is locked" in app.error[0].value
    app.text_input(key="optimize_protect").set_value("").run()
    app.text_input(key="optimize_ceilings").set_value("qkv=0.2").run()
    app.slider(key="optimize_range").set_value((10, 90)).run()
    wish(app, share=45.0)
    assert not app.error
    plan = plan_of(press(app, "use"), table)
    assert {plan.get((layer, "up")) for layer in range(30)} == {0.4}
    assert plan.get((3, "down"), 0.0) == 0.0, "layer 3 is locked at what the plan before had there"
    assert max(plan.get((layer, "qkv"), 0.0) for layer in range(30)) <= 0.2
    assert min(plan.get((layer, "down"), 0.0) for layer in range(30) if layer != 3) >= 0.1
    app.text_input(key="optimize_floors").set_value("nonsense").run()
    assert "nonsense" in app.error[0].value
    assert app.text_input(key="optimize_floors").value == "nonsense"


def test_locks_are_the_session_s_own(page: AppTest) -> None:
    page.multiselect(key="optimize_locks_").set_value(["gate", "7"]).run()
    assert not page.exception
    assert page.query_params["lock"] == "gate,7"


def test_the_command_does_what_the_page_does(
    open_page: Open, store: Store, table: SensitivityMap, tmp_path: Path
) -> None:
    app = open_page("optimize", model="demo", plan="up=0.4", lock="up,3")
    app.text_input(key="optimize_ceilings").set_value("qkv=0.2").run()
    app.slider(key="optimize_range").set_value((5, 90)).run()
    wish(app, share=35.0, megabytes=450.0)
    words = shlex.split(command_of(app))[1:]
    table.save(tmp_path / "map.json")
    words[1] = str(tmp_path / "map.json")
    words[-1] = str(tmp_path / "recipe.yaml")
    told = CliRunner().invoke(main, words)
    assert told.exit_code == 0, told.output
    press(app, "use")
    settings = json.loads(told.stdout.strip().splitlines()[-1])["settings"]
    assert parse_settings(settings, table.groups) == plan_of(app, table)


# ---- taking, undoing, opening -----------------------------------------------------------------------


def test_one_press_takes_the_plan_and_another_takes_it_back(open_page: Open, table: SensitivityMap) -> None:
    app = open_page("optimize", model="demo", plan="up=0.5")
    assert app.button(key="optimize_undo").disabled
    press(wish(app, share=40.0), "use")
    first = app.query_params["plan"]
    assert first != "up=0.5"
    assert app.button(key="optimize_use").disabled, "it is the plan already"
    press(wish(app, share=50.0), "use")
    second = app.query_params["plan"]
    press(press(app, "undo"), "undo")
    assert app.query_params["plan"] == "up=0.5"
    press(press(app, "redo"), "redo")
    assert app.query_params["plan"] == second
    press(app, "undo")
    assert app.query_params["plan"] == first
    press(wish(app, share=20.0), "use")
    assert app.button(key="optimize_redo").disabled


def sent(app: AppTest, number: int, share: float | None = None, point: str | None = None) -> AppTest:
    """As if the board in the browser had sent something."""
    app.session_state["budget"] = {"sent": {"number": number, "share": share, "point": point}}
    app.run()
    assert not app.exception
    return app


def test_the_slider_replaces_all_wishes_once(page: AppTest, store: Store, table: SensitivityMap) -> None:
    wish(page, share=None, kl=0.3)
    sent(page, 1, share=0.62)
    assert page.number_input(key="optimize_share").value == 62.0
    assert page.number_input(key="optimize_kl").value is None
    wish(page, share=25.0)
    assert seen(press(page, "use"), store, table).sparsity == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize(
    "message", [{"number": "x"}, {"number": 1}, 7, {"number": 1, "share": "much", "point": 2}]
)
def test_a_strange_message_is_no_message(page: AppTest, message: object) -> None:
    page.session_state["budget"] = {"sent": message}
    page.run()
    assert not page.exception
    assert page.number_input(key="optimize_share").value == 50.0


def test_a_point_of_the_chart_opens_on_explore(page: AppTest, table: SensitivityMap) -> None:
    sent(page, 1, point="uniform:4")
    assert page.selectbox(key="optimize_point").value == "uniform:4"
    press(page, "open")
    assert page.query_params["tab"] == "explore"
    assert page.query_params["plan"] == "all=0.5"


def test_measuring_asks_for_the_plan_that_was_found_and_shows_what_came_of_it(
    page: AppTest, asked: list[dict], store: Store, table: SensitivityMap
) -> None:
    wish(page, share=40.0)
    press(page, "measure")
    assert [request["task"] for request in asked] == ["measure"]
    settings = asked[0]["arguments"]["settings"]
    assert "not measured yet" in text_of(page)
    # Kinds as they were forecast would leave the plan as it is: learn that qkv costs three times as much.
    synthetic.put_measure(store, table, ["qkv=0.4"], factor=3.0)
    synthetic.put_measure(store, table, settings)
    page.run()
    assert ":green-badge[measured] KL" in text_of(page), "the plan stays, though the forecast has learnt"
    press(page, "again")
    assert "not measured yet" in text_of(page), "what was learnt leads to another plan"


def test_speed_is_only_promised_for_whole_units(page: AppTest, asked: list[dict], store: Store) -> None:
    assert "Zeros alone make nothing faster" in text_of(page)
    press(page, "time")
    assert [request["task"] for request in asked] == ["latency"]
    shares, line = (0.0, 0.5, 1.0), (0.0, 5.0, 10.0)
    kinds = {"neurons": line, "layers": (0.0, 12.0)}
    value = {
        "dense": {"prefill": 400.0, "decode": 400.0},
        "shares": {"neurons": shares, "layers": (0.0, 1.0)},
        "saved": {"prefill": kinds, "decode": {**kinds, "neurons": (0.0, 0.5, 1.0)}},
        "spread": {"prefill": 0.01, "decode": 0.01},
        "layers": 30,
        "tokens": 128,
        "machine": "a machine",
        "device": "cpu",
        "threads": 2,
        "measured": "2026-01-02T03:04:05",
        "sparse": [],
    }
    place = {"device": "cpu", "threads": 2, "machine": processor()}
    about = {"fingerprint": synthetic.FINGERPRINT, "dtype": "float32"}
    store.put("latency", about | place, value)
    page.run()
    assert not page.exception
    said = text_of(page)
    # 400 / 1.4 = 285.7 ms: 114.3 of 300 ms go, which is 38 % of the neurons.
    assert "A prompt is read **1.40×** as fast without about 38 % of the neurons of every layer" in said
    assert "An answer is written **1.40×** as fast: more than neurons can bring, which is 1.08×" in said


def test_owl_joins_the_chart_once_its_outliers_are_counted(
    page: AppTest, asked: list[dict], store: Store, table: SensitivityMap
) -> None:
    assert not any(name.startswith("OWL") for name in page.selectbox(key="optimize_point").options)
    press(page, "count")
    assert [request["task"] for request in asked] == ["outliers"]
    value = {"layers": list(range(30)), "shares": [0.001 * layer for layer in range(30)]}
    same = {"fingerprint": table.fingerprint, "data": "demo"}
    store.put("outliers", {**same, "data_fingerprint": "an older text"}, value)
    synthetic.put_map(store)
    page.run()
    assert not any(name.startswith("OWL") for name in page.selectbox(key="optimize_point").options)
    store.put("outliers", {**same, "data_fingerprint": table.data_fingerprint}, value)
    page.run()
    assert not page.exception
    assert "OWL, 50 %" in page.selectbox(key="optimize_point").options


# ---- what the browser gets --------------------------------------------------------------------------


def test_the_best_plans_rise_and_beat_uniform_ones() -> None:
    table = sensitivity_map(layers=6)
    forecaster = Forecaster.prior(table)
    plans = front.best_plans(forecaster, Bounds())
    assert plans[0] == {}
    shares = [front.share_of(table, plan) for plan in plans]
    assert np.allclose(np.diff(shares), 0.95 / front.POINTS, atol=0.005)
    baselines = front.baseline_plans(forecaster, {layer: 0.01 * layer for layer in range(6)})
    assert {"uniform", "greedy", "owl", "guide", "protect_ends"} == set(baselines)
    kls = [forecaster.forecast(plan).kl for plan in plans]
    for plan in baselines["uniform"]:
        near = np.interp(front.share_of(table, plan), shares, kls)
        assert near < forecaster.forecast(plan).kl


def test_bounds_make_other_plans() -> None:
    table = sensitivity_map(layers=6)
    forecaster = Forecaster.prior(table)
    held = Bounds(locks={(0, "up"): 0.5}, floor=dict.fromkeys(table.groups[5:], 0.2))
    plans = front.best_plans(forecaster, held)
    assert all(plan[0, "up"] == 0.5 for plan in plans)
    assert plans[0] == {(0, "up"): 0.5, **dict.fromkeys(table.groups[5:], 0.2)}
