"""Optimize over units and weights: targets of size and speed, what may go, and each kind alone beside it."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, UNIT_KINDS, Plan
from pruning.ui.data import session
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.latency_rows import put_latency
from tests.support.mixed import machine, parts
from tests.ui.conftest import Open
from tests.ui.optimize.conftest import wish
from tests.ui.test_pages import text_of

LAYERS = 30
DENSE = 4 * parts(LAYERS).parameters


@pytest.fixture
def smap(store: Store) -> SensitivityMap:
    synthetic.put_model(store)
    synthetic.put_baseline(store)
    return synthetic.put_map(store, units=True)


@pytest.fixture
def page(open_page: Open, smap: SensitivityMap) -> AppTest:
    return open_page("optimize", model="demo")


def taken(app: AppTest, smap: SensitivityMap) -> Plan:
    app.button(key="optimize_use").click().run()
    assert not app.exception
    return session.parse(app.query_params["plan"], list(smap.groups))


def test_a_smaller_folder_takes_whole_units(page: AppTest, smap: SensitivityMap) -> None:
    wish(page, share=None, file=round(0.8 * DENSE / 1e6))
    assert not page.error
    plan = taken(page, smap)
    assert {kind for _, kind in plan} <= set(UNIT_KINDS)
    assert machine(LAYERS).cost(plan).file_bytes <= 0.8 * DENSE + 1e6
    assert "estimate" in text_of(page)
    command = next(str(code.value) for code in page.code if "prunescope solve" in str(code.value))
    assert "--structure mixed" in command
    assert "file_bytes=" in command


def test_speed_goes_by_measured_times_where_there_are_any(
    store: Store, open_page: Open, smap: SensitivityMap
) -> None:
    put_latency(store)
    app = wish(open_page("optimize", model="demo"), share=30.0, writing=1.1)
    plan = taken(app, smap)
    assert {kind for _, kind in plan} & set(UNIT_KINDS)
    wish(app, writing=50.0)
    assert "writing 50× as fast" in app.error[0].value
    assert "nearest possible is" in app.error[0].value


def test_what_may_go_can_be_one_kind_alone(page: AppTest, smap: SensitivityMap) -> None:
    page.session_state["optimize_structure"] = "neurons"
    wish(page, share=20.0)
    assert {kind for _, kind in taken(page, smap)} == {"neurons"}
    page.session_state["optimize_structure"] = "unstructured"
    page.run()
    assert not page.exception
    assert {kind for _, kind in taken(page, smap)} <= set(KINDS)


def test_at_most_so_many_layers_go(page: AppTest, smap: SensitivityMap) -> None:
    wish(page, share=None, file=round(0.7 * DENSE / 1e6), most_layers=1)
    plan = taken(page, smap)
    assert sum(kind == "layers" for _, kind in plan) <= 1


def test_each_kind_alone_stands_beside_the_mix(page: AppTest) -> None:
    sent = [json.loads(part.proto.json) for part in page.get("bidi_component")]
    board = next(data["board"] for data in sent if "board" in data)
    assert {rival["key"] for rival in board["rivals"]} >= {"unstructured", "neurons", "layers"}
    best = {point["share"]: point["kl"] for point in board["front"]}
    for rival in board["rivals"]:
        for point in rival["points"]:
            near = min(best, key=lambda share: abs(share - point["share"]))
            if near >= point["share"] - 1e-6:
                assert best[near] <= point["kl"] * 1.05
