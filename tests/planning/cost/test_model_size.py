"""Sizes in every form, against numbers worked out by hand and against real tensors."""

from dataclasses import replace
from pathlib import Path

from pruning.engine.architecture.groups import group_weight
from pruning.engine.evaluation.size import dense_bytes, sparse_bytes
from pruning.engine.masking.masks import removed
from pruning.engine.models.load import Loaded
from pruning.planning.cost.model_size import running_bytes, sizes, smallest
from pruning.planning.cost.parts import parts_of, without
from pruning.planning.cost.storage import csr_bytes
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.parts import PARTS, UNTIED


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
    wide = replace(PARTS, shapes={(0, "up"): (10, 1000)})
    # 100 weights with their columns and 11 row ends, 644 bytes; as marks 400 + 1,250.
    best = smallest(sizes(wide, {(0, "up"): 0.99}))
    assert (best.form, best.groups) == ("csr", 644)


def test_a_head_of_its_own_is_counted() -> None:
    [ordinary, *_] = sizes(UNTIED, {})
    assert (ordinary.embedding, ordinary.head) == (3200, 3200)


def test_weights_are_zero_in_what_units_leave() -> None:
    plan = {(0, "neurons"): 0.5, (0, "down"): 0.75, (1, "layers"): 1.0}
    found = {one.form: one for one in sizes(PARTS, plan)}
    assert found["ordinary"].groups == 4 * (480 - 3 * 6 * 8)
    # 12 of the 48 weights of down that stay are not zero: 48 bytes and 6 of marks, not 192.
    assert found["bitmask"].groups == found["ordinary"].groups - 192 + 54


def test_a_running_model_remembers_keys_and_values_of_the_groups_that_stay() -> None:
    assert running_bytes(PARTS, context=0) == dense_total()
    # Keys and values of 2 groups, 4 rows each, in 2 layers.
    assert running_bytes(PARTS, context=100) == dense_total() + 4 * 100 * 16
    fewer = without(PARTS, {(0, "heads"): 0.5, (1, "kv_groups"): 0.5})
    assert running_bytes(fewer, context=100) == 4 * fewer.parameters + 4 * 100 * (8 + 4)
    none = without(PARTS, {(0, "layers"): 1.0})
    assert running_bytes(none, context=100) == 4 * none.parameters + 4 * 100 * 8


def test_counted_is_what_masks_really_take(loaded: Loaded, tmp_path: Path) -> None:
    parts = parts_of(TASKS["inspect"](Session(loaded, Store(tmp_path))))
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
