"""What is left of a model's parts: by hand, and to the byte what models that are really cut hold."""

from dataclasses import replace

import numpy as np
import pytest

from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import Removal, Units, find_units
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.structured.selection import first_of, removal_of
from pruning.engine.structured.surgery import smaller
from pruning.errors import PruningError
from pruning.planning.cost.model_size import sizes
from pruning.planning.cost.parts import Parts, parts_of, share_gone, without
from pruning.planning.recipe.plan import Plan
from pruning.tasks.inspect import _biases, _norms, _shape, _tables
from tests.support.parts import PARTS, WITH_BIASES
from tests.support.tiny import FAMILIES, HIDDEN, VOCABULARY, tiny_model

BOTH = {(0, "neurons"): 0.25, (1, "neurons"): 0.25}


def test_units_take_their_rows_and_columns_along() -> None:
    assert without(PARTS, BOTH).prunable == 960 - 2 * 3 * 3 * 8
    # Two of four heads: half of 8 query rows and of 8 columns; keys and values stay.
    assert without(PARTS, {(0, "heads"): 0.5}).prunable == 960 - (4 * 8 + 8 * 4)
    assert without(PARTS, {(1, "kv_groups"): 0.5}).prunable == 960 - (8 * 8 + 8 * 4)
    # Three of four heads: one of two groups has none left.
    assert without(PARTS, {(1, "heads"): 0.75}).prunable == 960 - (6 * 8 + 8 * 6 + 4 * 8)
    gone = without(PARTS, {(1, "layers"): 1.0})
    assert (gone.prunable, gone.embedding, gone.layers) == (480, 800, [0])


def test_kinds_and_layers_mix() -> None:
    plan = {(0, "neurons"): 0.25, (0, "heads"): 0.5, (0, "up"): 0.9, (1, "layers"): 1.0, (1, "neurons"): 0.5}
    left = without(PARTS, plan)
    assert left.prunable == 480 - 3 * 3 * 8 - (4 * 8 + 8 * 4)
    assert left.parameters == left.prunable + 840
    # Of up's 9 rows that stay nine weights in ten are zero.
    assert share_gone(PARTS, plan) == pytest.approx(1 - (left.prunable - 0.9 * 9 * 8) / 960)
    assert share_gone(PARTS, {}) == 0


def test_biases_go_with_their_rows_and_norms_with_their_layer() -> None:
    assert without(WITH_BIASES, {(0, "neurons"): 0.25}).rest == WITH_BIASES.rest - 3
    assert without(WITH_BIASES, {(0, "kv_groups"): 0.5}).rest == WITH_BIASES.rest - 8
    assert without(WITH_BIASES, {(0, "layers"): 1.0}).rest == WITH_BIASES.rest - 16 - 12 - 8


def test_only_whole_units_go_and_one_stays() -> None:
    # 3.6 of 12 neurons are 4, or 6 where what stays is a multiple of 6; of 4 heads one stays.
    assert without(PARTS, {(0, "neurons"): 0.3}).prunable == 960 - 4 * 3 * 8
    assert without(PARTS, {(0, "neurons"): 0.3}, round_to=6).prunable == 960 - 6 * 3 * 8
    assert without(PARTS, {(0, "heads"): 0.95}).prunable == without(PARTS, {(0, "heads"): 0.75}).prunable
    assert without(PARTS, {(0, "kv_groups"): 0.1}) == PARTS


def test_units_that_nobody_counted_are_named() -> None:
    with pytest.raises(PruningError, match="heads"):
        without(replace(PARTS, units={}), {(0, "heads"): 0.5})


@pytest.mark.parametrize("family", FAMILIES)
def test_random_plans_take_the_very_bytes_of_models_that_are_cut(family: str) -> None:
    model = tiny_model(family)
    units, rng = find_units(model, find_groups(model)), np.random.default_rng(5)
    parts = _parts(family)
    assert 4 * parts.parameters == dense_bytes(model)
    for _ in range(8):
        plan, removal = _drawn(units, rng)
        forecast = next(size for size in sizes(parts, plan) if size.form == "ordinary")
        assert forecast.total == dense_bytes(smaller(model, units, removal)), plan


def _parts(family: str) -> Parts:
    """The parts of a tiny model, from the facts that an inspection gives."""
    model = tiny_model(family)
    groups = find_groups(model)
    units = find_units(model, groups)
    kinds = ("neurons", "heads", "kv_groups")
    return parts_of(
        {
            "groups": [
                {"layer": g.layer, "kind": g.kind, "shape": _shape(model, g), "biases": _biases(model, g)}
                for g in groups
            ],
            "norms": _norms(model, groups),
            "units": {kind: list(units.totals(kind).values()) for kind in kinds},
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "bytes": dense_bytes(model),
            **_tables(model),
        }
    )


def _drawn(units: Units, rng: np.random.Generator) -> tuple[Plan, Removal]:
    """Levels of any mix of units, a layer gone at times, and such units of each layer."""
    last = len(units.layers) - 1
    layers = tuple(layer for layer in range(last) if rng.random() < 0.25)
    plan: Plan = {(layer, "layers"): 1.0 for layer in layers}
    chosen: dict[tuple[int, str], tuple[int, ...]] = {}
    for layer in range(last + 1):
        if layer in layers:
            continue
        heads = units.heads[layer]
        for kind in ("neurons", "kv_groups" if rng.random() < 0.5 else "heads"):
            total = units.totals(kind)[layer]
            step = heads.groups if kind == "heads" and heads.groups < heads.count else 1
            count = step * int(rng.integers(0, (total - 1) // step + 1))
            if count:
                # What a level leaves is whole: those that round to the same number mean the same.
                plan[layer, kind] = (count + rng.uniform(-0.4, 0.4)) / total
                chosen[layer, kind] = first_of(units, layer, kind, count)
    removal = removal_of(units, chosen)
    return plan, replace(removal, layers=layers)


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
