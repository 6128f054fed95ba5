"""Size and time of a plan in one answer."""

import pytest

from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.model_size import running_bytes
from pruning.planning.cost.parts import without
from pruning.planning.cost.plan_cost import plan_cost
from tests.support.parts import PARTS

TABLE = LatencyTable(
    dense={"prefill": 100.0, "decode": 40.0},
    shares={"neurons": (0.0, 0.5), "layers": (0.0, 1.0)},
    saved={
        "prefill": {"neurons": (0.0, 12.0), "layers": (0.0, 30.0)},
        "decode": {"neurons": (0.0, 6.0), "layers": (0.0, 15.0)},
    },
    spread={"prefill": 0.01, "decode": 0.02},
    layers=2,
    tokens=256,
    machine="here",
    device="cpu",
    threads=2,
    measured="2026-01-01T00:00:00+00:00",
)
# A quarter of 12 neurons, to the next whole one.
PLAN = {(0, "neurons"): 0.26, (0, "down"): 0.75, (1, "layers"): 1.0}


def test_a_timed_model_is_forecast_from_its_times() -> None:
    cost = plan_cost(PARTS, PLAN, TABLE)
    assert cost.timed
    assert cost.prefill_ms == pytest.approx(100 - 6 - 30)
    assert cost.decode_ms == pytest.approx(40 - 3 - 15)
    assert cost.prefill_speedup == pytest.approx(100 / 64)
    left = without(PARTS, PLAN)
    assert cost.file_bytes == 4 * left.parameters
    # 18 of the 72 weights of down that stay are not zero: 72 bytes and 9 of marks, not 288.
    assert cost.compact_bytes == cost.file_bytes - 288 + 81
    assert cost.memory_bytes == running_bytes(left)


def test_another_model_is_estimated() -> None:
    cost = plan_cost(PARTS, PLAN)
    assert not cost.timed
    assert (cost.prefill_ms, cost.decode_ms) == (None, None)
    read = 960 + 800 + 40
    assert cost.decode_speedup == pytest.approx(read / (read - 480 - 3 * 3 * 8))
    assert plan_cost(PARTS, PLAN, dense_ms={"decode": 20.0}).decode_ms == pytest.approx(
        20 / cost.decode_speedup
    )


def test_what_was_not_timed_is_estimated_beside_the_dense_times() -> None:
    plan = {(0, "heads"): 0.5}
    cost = plan_cost(PARTS, plan, TABLE)
    assert not cost.timed
    assert cost.decode_ms == pytest.approx(40 * (1800 - 64) / 1800)


def test_nothing_pruned_is_the_dense_model() -> None:
    cost = plan_cost(PARTS, {}, TABLE)
    assert (cost.prefill_ms, cost.decode_ms, cost.prefill_speedup) == (100, 40, 1)
    assert cost.file_bytes == cost.compact_bytes == 4 * PARTS.parameters
