"""What one group alone saves, worked out by hand."""

import pytest

from pruning.planning.cost.group_savings import GroupSavings
from pruning.planning.cost.latency_table import LatencyTable

SAVES = GroupSavings(weight_bytes=4, read=10_000, decode=50.0)
TIMED = LatencyTable(
    dense={"prefill": 300.0, "decode": 40.0},
    shares={"neurons": (0.0, 0.5), "layers": (0.0, 1.0)},
    saved={mode: {"neurons": (0.0, 0.4), "layers": (0.0, 1.1)} for mode in ("prefill", "decode")},
    spread={"prefill": 0.01, "decode": 0.01},
    layers=2,
    tokens=256,
    machine="a machine",
    device="cpu",
    threads=2,
    measured="2026-05-01T10:20:30+00:00",
)


def test_units_take_all_their_bytes_along_and_zeros_leave_a_bit_each() -> None:
    assert SAVES.bytes_of("neurons", 800, 0.25) == 800
    assert SAVES.bytes_of("layers", 800, 0.25) == 3200, "a layer goes or stays"
    assert SAVES.bytes_of("up", 800, 0.5) == pytest.approx(1600 - 100)
    assert SAVES.bytes_of("up", 800, 0.01) == 0, "a compact file would be larger"


def test_time_is_estimated_from_what_is_read_and_forecast_once_it_is_timed() -> None:
    assert SAVES.time_of("heads", 1000, 0.5) == pytest.approx(50 * 500 / 10_000)
    assert SAVES.time_of("down", 1000, 0.5) == 0, "zeros are multiplied as slowly as anything else"
    timed = GroupSavings(4, 10_000, 40.0, TIMED)
    assert timed.time_of("neurons", 1000, 0.25) == pytest.approx(0.2)
    assert timed.time_of("layers", 1000, 0.25) == pytest.approx(1.1)
    assert timed.time_of("heads", 1000, 0.5) == pytest.approx(40 * 500 / 10_000), "heads were not timed"
    assert [timed.timed(kind) for kind in ("neurons", "heads")] == [True, False]
