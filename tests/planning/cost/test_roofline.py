"""Estimates for other devices, against numbers worked out by hand."""

import pytest

from pruning.errors import PruningError
from pruning.planning.cost.parts import without
from pruning.planning.cost.roofline import (
    FORMAT_BYTES,
    Device,
    devices,
    estimate,
    estimated_speedup,
    weights_read,
)
from tests.support.parts import PARTS, UNTIED

DEVICE = Device("a slow one", bandwidth=1800.0, arithmetic={"float32": 35_200.0, "float16": 70_400.0})


def test_a_word_takes_as_long_as_its_bytes() -> None:
    # (960 + 800 + 40) weights of 4 bytes at 1,800 bytes a second; 2 · 1,760 operations take only 0.1 s.
    found = estimate(DEVICE, PARTS, "float32", tokens=10)["decode"]
    assert (found.milliseconds, found.bound) == (pytest.approx(4000), "memory")


def test_reading_takes_as_long_as_the_slower_of_the_two() -> None:
    # 2 · (100 · 960 + 800) operations at 35,200 a second: 5.5 s, more than the 4 s of the bytes.
    found = estimate(DEVICE, PARTS, "float32", tokens=100)["prefill"]
    assert (found.milliseconds, found.bound) == (pytest.approx(5500), "arithmetic")
    assert estimate(DEVICE, PARTS, "float32", tokens=10)["prefill"].bound == "memory"


def test_a_number_format_has_a_speed_of_its_own() -> None:
    assert estimate(DEVICE, PARTS, "float16", 200)["prefill"].milliseconds == pytest.approx(
        1000 * 2 * (200 * 960 + 800) / 70_400
    )
    assert DEVICE.peak("bfloat16") == 35_200.0
    # And bytes of its own: 1,800 weights of two bytes at 1,800 bytes a second, also where it is computed in
    # float32.
    for dtype, computed in (("float16", "float16"), ("bfloat16", "float32")):
        assert estimate(DEVICE, PARTS, dtype, 10)["decode"].milliseconds == pytest.approx(2000)
        assert DEVICE.computed_in(dtype) == computed
    assert DEVICE.best_format == "float16"


def test_an_a100_is_faster_than_a_4090_but_for_float32() -> None:
    """In float32 both compute without tensor cores, where the 4090 has more: that must be said, not shown."""
    by_name = {device.name: device for device in devices()}
    a100, rtx = by_name["NVIDIA A100 80 GB (SXM)"], by_name["NVIDIA GeForce RTX 4090"]
    assert a100.best_format == rtx.best_format == "bfloat16"

    def reading(device: Device, dtype: str) -> float:
        return estimate(device, PARTS, dtype, tokens=4096)["prefill"].milliseconds

    assert reading(a100, "bfloat16") < reading(rtx, "bfloat16")
    assert reading(a100, "float32") > reading(rtx, "float32")


def test_a_table_that_is_only_looked_up_in_is_not_read() -> None:
    assert UNTIED.parameters == PARTS.parameters + 800
    assert weights_read(UNTIED) == weights_read(PARTS) == 1800


def test_the_listed_devices_are_ordered_and_name_their_source() -> None:
    listed = devices()
    assert [one.bandwidth for one in listed] == sorted(one.bandwidth for one in listed)
    assert len({one.name for one in listed}) == len(listed) >= 8
    for one in listed:
        assert one.source
        assert one.arithmetic["float32"] > one.bandwidth / 4
        assert set(one.arithmetic) <= set(FORMAT_BYTES)
        assert one.peak(one.best_format) == max(one.arithmetic.values())
        assert one.memory is not None


@pytest.mark.parametrize(("bandwidth", "peak"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_a_device_without_speed_is_refused(bandwidth: float, peak: float) -> None:
    with pytest.raises(PruningError, match="above 0"):
        Device("none", bandwidth, {"float32": peak})


def test_without_a_device_the_gain_is_that_of_bytes_and_operations() -> None:
    """Half of the neurons of layer 0 and layer 1 altogether: 144 and 480 of 960 weights."""
    left = without(PARTS, {(0, "neurons"): 0.5, (1, "layers"): 1.0})
    gain = estimated_speedup(PARTS, left, tokens=100)
    assert gain["decode"] == pytest.approx((960 + 800 + 40) / (336 + 800 + 40))
    assert gain["prefill"] == pytest.approx((100 * 960 + 800) / (100 * 336 + 800))
    assert estimated_speedup(PARTS, PARTS) == {"prefill": 1.0, "decode": 1.0}
