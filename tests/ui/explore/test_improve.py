"""Improve this plan: one press, the same saving, less forecast damage, and undo takes it back."""

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.ui.data import session
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.mixed import parts
from tests.ui.conftest import Open, go
from tests.ui.test_pages import text_of

PLAN = "neurons=0.25,up=0.3"


@pytest.fixture
def smap(store: Store) -> SensitivityMap:
    synthetic.put_model(store)
    synthetic.put_baseline(store)
    return synthetic.put_map(store, units=True)


def press(app: AppTest) -> AppTest:
    app.button(key="improve").click().run()
    assert not app.exception
    return app


def test_it_keeps_the_size_and_lowers_the_damage(open_page: Open, smap: SensitivityMap) -> None:
    app = press(open_page("explore", model="demo", plan=PLAN))
    before, after = (session.parse(text, list(smap.groups)) for text in (PLAN, app.query_params["plan"]))
    here, fit = Machine(parts(30)), Forecaster.prior(smap)
    assert fit.forecast(after).kl < fit.forecast(before).kl
    assert here.cost(after).file_bytes <= here.cost(before).file_bytes * 1.00001
    said = text_of(app)
    assert "less, and the plan keeps its size" in said
    assert "→" in said


def test_locks_hold_and_undo_takes_it_back(open_page: Open, smap: SensitivityMap) -> None:
    app = press(open_page("explore", model="demo", plan=PLAN, lock="neurons"))
    plan = session.parse(app.query_params["plan"], list(smap.groups))
    assert all(plan[layer, "neurons"] == 0.25 for layer in range(30))
    go(app, "optimize")
    app.button(key="optimize_undo").click().run()
    assert app.query_params["plan"] == PLAN


def test_the_speed_can_be_what_stays_where_units_go(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="up=0.3")
    assert app.selectbox(key="improve_keep").options == ["its size"]
    app = open_page("explore", model="demo", plan=PLAN)
    app.selectbox(key="improve_keep").set_value("decode").run()
    press(app)
    before, after = (session.parse(text, list(smap.groups)) for text in (PLAN, app.query_params["plan"]))
    here = Machine(parts(30))
    assert here.cost(after).decode_speedup >= here.cost(before).decode_speedup * 0.99999
    assert "keeps its speed, writing" in text_of(app)


def test_without_a_plan_there_is_nothing_to_improve(open_page: Open, smap: SensitivityMap) -> None:
    assert open_page("explore", model="demo").button(key="improve").disabled
