"""Estimates for other devices, and sizes, against numbers worked out by hand and against real tensors."""

from pathlib import Path
from typing import Any

import pytest

from pruning.engine.architecture.groups import find_groups, group_weight
from pruning.engine.architecture.units import Removal, find_units
from pruning.engine.evaluation.size import dense_bytes, sparse_bytes
from pruning.engine.masking.masks import removed
from pruning.engine.models.load import Loaded
from pruning.engine.structured.selection import first_of, removal_of
from pruning.engine.structured.surgery import smaller
from pruning.errors import PruningError
from pruning.planning.cost.model_size import Parts, parts_of, sizes, smallest, without
from pruning.planning.cost.roofline import FORMAT_BYTES, Device, devices, estimate, weights_read
from pruning.planning.cost.storage import csr_bytes
from pruning.tasks import TASKS, Session
from pruning.tasks.inspect import _tables
from pruning.workspace.store import Store
from tests.support.tiny import FAMILIES, HIDDEN, VOCABULARY, tiny_model

# Two layers of 4 heads in 2 KV groups: 8 rows of queries, 4 of keys, 4 of values. 480 weights a layer.
SHAPES = {"qkv": (16, 8), "attn_out": (8, 8), "gate": (12, 8), "up": (12, 8), "down": (8, 12)}
PARTS = Parts(
    shapes={(layer, kind): shape for layer in (0, 1) for kind, shape in SHAPES.items()},
    embedding=800,
    head=800,
    tied=True,
    rest=40,
    heads=4,
    kv_groups=2,
    weight_bytes=4,
)
UNTIED = Parts(PARTS.shapes, 800, 800, False, 40, 4, 2, 4)
DEVICE = Device("a slow one", bandwidth=1800.0, arithmetic={"float32": 35_200.0, "float16": 70_400.0})


def inspected(loaded: Loaded, folder: Path) -> dict[str, Any]:
    return TASKS["inspect"](Session(loaded, Store(folder)))


# ---- the roofline -----------------------------------------------------------------------------------


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


# ---- sizes ------------------------------------------------------------------------------------------


def test_half_of_one_group_in_every_form() -> None:
    found = {one.form: one for one in sizes(PARTS, {(0, "down"): 0.75})}
    assert {one.embedding for one in found.values()} == {3200}
    assert {one.head for one in found.values()} == {0}
    assert found["ordinary"].groups == 960 * 4
    assert found["ordinary"].total == dense_total()
    # 24 of 96 weights stay: 96 bytes and 12 of marks, or 144 bytes with columns and 36 of row ends; not 384.
    assert found["bitmask"].groups == 960 * 4 - 384 + 108
    assert found["csr"].groups == 960 * 4 - 384 + 180
    scales = 2 * (16 + 8 + 12 + 12 + 8) * 4
    assert found["int8"].groups == 960 + scales
    assert found["int8 bitmask"].groups == 960 - 96 + 24 + 12 + scales
    assert smallest(list(found.values())).form == "bitmask"


def dense_total() -> int:
    return 4 * PARTS.parameters


def test_a_group_stays_dense_where_that_is_smaller() -> None:
    assert {one.total for one in sizes(PARTS, {}) if "int8" not in one.form} == {dense_total()}
    assert smallest(sizes(PARTS, {})).form == "ordinary"
    wide = Parts({(0, "up"): (10, 1000)}, 800, 800, True, 40, 4, 2, 4)
    # 100 weights with their columns and 11 row ends, 644 bytes; as marks 400 + 1,250.
    best = smallest(sizes(wide, {(0, "up"): 0.99}))
    assert (best.form, best.groups) == ("csr", 644)


def test_a_head_of_its_own_is_counted() -> None:
    [ordinary, *_] = sizes(UNTIED, {})
    assert (ordinary.embedding, ordinary.head) == (3200, 3200)


def test_units_take_their_rows_and_columns_along() -> None:
    assert without(PARTS, "neurons", 0.25).prunable == 960 - 2 * 3 * 3 * 8
    # Two of four heads: half of 8 query rows and of 8 columns; keys and values stay.
    assert without(PARTS, "heads", 0.5).prunable == 960 - 2 * (4 * 8 + 8 * 4)
    assert without(PARTS, "kv_groups", 0.5).prunable == 960 - 2 * (8 * 8 + 8 * 4)
    assert without(PARTS, "layers", 0.5).prunable == 480
    assert without(PARTS, "layers", 0.5).embedding == 800


@pytest.mark.parametrize("kind", ["neurons", "heads", "kv_groups", "layers"])
def test_counted_is_what_a_smaller_model_really_has(loaded: Loaded, kind: str, tmp_path: Path) -> None:
    units = find_units(loaded.model, loaded.groups)
    if kind == "layers":
        removal, share = Removal(layers=(2,)), 1 / 3
    else:
        count = {layer: total // 2 for layer, total in units.totals(kind).items()}
        share = 0.5
        removal = removal_of(
            units, {(layer, kind): first_of(units, layer, kind, own) for layer, own in count.items()}
        )
    cut = smaller(loaded.model, units, removal)
    counted = without(parts_of(inspected(loaded, tmp_path)), kind, share).prunable
    assert counted == sum(group.parameters for group in find_groups(cut))


def test_counted_is_what_masks_really_take(loaded: Loaded, tmp_path: Path) -> None:
    parts = parts_of(inspected(loaded, tmp_path))
    masks = {
        (group.layer, group.kind): removed(group_weight(loaded.model, group).abs(), 0.5, "group")
        for group in loaded.groups
    }
    found = {one.form: one.total for one in sizes(parts, dict.fromkeys(masks, 0.5))}
    assert found["ordinary"] == dense_bytes(loaded.model)
    assert found["bitmask"] == sparse_bytes(loaded.model, masks)
    saved = sum(
        4 * mask.numel() - csr_bytes(tuple(mask.shape), int((~mask).sum()), 4) for mask in masks.values()
    )
    assert found["csr"] == dense_bytes(loaded.model) - saved


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_and_head_of_every_family(family: str) -> None:
    model = tiny_model(family)
    found = _tables(model)
    assert found["head_parameters"] == VOCABULARY * HIDDEN
    assert found["embedding_parameters"] >= VOCABULARY * HIDDEN
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert found["tied_head"] == tied
    left = sum(p.numel() for p in model.parameters()) - sum(g.parameters for g in find_groups(model))
    rest = left - found["embedding_parameters"] - (0 if tied else found["head_parameters"])
    vectors = sum(p.numel() for p in model.parameters() if p.dim() == 1)
    assert rest == vectors


def test_a_model_loaded_before_embeddings_were_counted_is_to_be_loaded_again() -> None:
    with pytest.raises(PruningError, match="Load it again"):
        parts_of({"groups": [], "parameters": 1, "bytes": 4})
