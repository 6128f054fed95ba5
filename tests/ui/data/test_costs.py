"""Size and time of plans as pages ask for them: measured, or estimated until the model is timed."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.parts import parts_of
from pruning.planning.cost.plan_cost import plan_cost
from pruning.ui.data import costs
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.latency_rows import put_latency

PLAN = {(0, "neurons"): 0.5, (1, "layers"): 1.0, (2, "up"): 0.5}


def script() -> None:
    import json
    from dataclasses import asdict

    import streamlit as st

    from pruning.ui.data import costs, queries

    model = queries.info()
    assert model is not None
    plan = {(0, "neurons"): 0.5, (1, "layers"): 1.0, (2, "up"): 0.5}
    st.code(
        json.dumps(
            {
                "cost": asdict(costs.cost_of(model, plan)),
                "timed": costs.latency_of(model) is not None,
                "table": costs.cost_table(model),
                "request": costs.timing_request(),
                "seconds": costs.timing_seconds(),
            }
        )
    )


def said() -> dict[str, Any]:
    app = AppTest.from_function(script)
    app.query_params["model"] = "demo"
    app.run()
    assert not app.exception
    return json.loads(app.code[0].value)


def test_before_it_is_timed_a_model_is_estimated_from_its_dense_times(store: Store) -> None:
    synthetic.put_model(store)
    parts = parts_of(store.find("inspect")[0]["value"])
    seen = said()
    assert not seen["timed"]
    assert seen["cost"] == asdict(plan_cost(parts, PLAN))
    assert seen["request"]["task"] == "latency"
    assert seen["table"] == costs.cost_data(parts) | {"device": None}
    synthetic.put_baseline(store)
    dense = {"prefill": 412.0, "decode": 48.0}
    seen = said()
    assert seen["cost"] == asdict(plan_cost(parts, PLAN, dense_ms=dense))
    assert not seen["cost"]["timed"]
    assert seen["table"]["denseMs"] == dense


def test_once_timed_it_is_forecast(store: Store) -> None:
    synthetic.put_model(store)
    table = LatencyTable.from_dict(put_latency(store))
    seen = said()
    assert seen["timed"]
    assert seen["cost"]["timed"]
    # Half of the neurons of a layer save 2 ms of 300, a layer 9.
    assert seen["cost"]["prefill_ms"] == pytest.approx(300 - 2 - 9)
    assert seen["table"]["latency"]["saved"] == table.to_dict()["saved"]
