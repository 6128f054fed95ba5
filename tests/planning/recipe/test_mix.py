"""What stays of the weights beside whole units, worked out by hand."""

import pytest

from pruning.planning.recipe.mix import (
    in_whole_units,
    kept_shares,
    query_shares,
    settable,
    sparsity,
    takings,
    unit_kinds,
    unit_part,
    weight_part,
)

# One layer with 9 heads of 64 in 3 KV groups, hidden size 576 and 1,536 neurons; another without heads.
ATTENTION = {(0, "qkv"): 576 * (576 + 2 * 192), (0, "attn_out"): 576 * 576}
MLP = {(0, "gate"): 576 * 1536, (0, "up"): 576 * 1536, (0, "down"): 576 * 1536}
UNITS = {
    (0, "layers"): sum(ATTENTION.values()) + sum(MLP.values()) + 1152,
    (0, "heads"): 2 * 576 * 576,
    (0, "kv_groups"): sum(ATTENTION.values()),
    (0, "neurons"): sum(MLP.values()),
}
SECOND = {(1, "qkv"): 30, (1, "attn_out"): 10, (1, "up"): 40, (1, "down"): 40, (1, "neurons"): 80}
PARAMETERS = {**ATTENTION, **MLP, **UNITS, **SECOND}


def test_units_and_weights_of_a_plan_come_apart() -> None:
    plan = {(0, "neurons"): 0.2, (0, "down"): 0.3, (1, "layers"): 1.0}
    assert unit_part(plan) == {(0, "neurons"): 0.2, (1, "layers"): 1.0}
    assert weight_part(plan) == {(0, "down"): 0.3}
    assert unit_kinds(list(PARAMETERS)) == ("layers", "heads", "kv_groups", "neurons")


def test_queries_are_what_heads_have_beside_their_output() -> None:
    assert query_shares(PARAMETERS) == {0: pytest.approx(0.6)}
    own = {(0, "qkv"): 300, (0, "attn_out"): 100, (0, "heads"): 400}
    assert query_shares(own) == {0: 1.0}


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({}, {}),
        ({(0, "down"): 0.9}, {}),
        ({(0, "neurons"): 0.25}, {"gate": 0.75, "up": 0.75, "down": 0.75}),
        ({(0, "heads"): 1 / 3}, {"qkv": 0.8, "attn_out": 2 / 3}),
        ({(0, "kv_groups"): 1 / 3}, {"qkv": 2 / 3, "attn_out": 2 / 3}),
        ({(0, "layers"): 1.0}, dict.fromkeys(("qkv", "attn_out", "gate", "up", "down"), 0.0)),
        (
            {(0, "heads"): 1 / 3, (0, "neurons"): 0.1, (0, "qkv"): 0.5},
            {"qkv": 0.8, "attn_out": 2 / 3, "gate": 0.9, "up": 0.9, "down": 0.9},
        ),
    ],
)
def test_what_stays_beside_units(plan: dict, expected: dict) -> None:
    kept = kept_shares(plan, PARAMETERS)
    assert set(kept) == {*ATTENTION, *MLP, *(group for group in SECOND if group[1] != "neurons")}
    for (layer, kind), share in kept.items():
        assert share == pytest.approx(expected.get(kind, 1.0) if layer == 0 else 1.0), kind


def test_sparsity_weighs_groups_by_their_weights_and_counts_none_twice() -> None:
    parameters = {(0, "qkv"): 100, (0, "up"): 300}
    assert sparsity({(0, "up"): 0.5}, parameters) == pytest.approx(0.375)
    assert sparsity({}, parameters) == sparsity({}, {}) == 0.0
    units = {**parameters, (0, "neurons"): 300, (0, "layers"): 400}
    assert sparsity({(0, "neurons"): 0.5, (0, "up"): 0.5}, units) == pytest.approx(0.75 * 300 / 400)
    assert sparsity({(0, "layers"): 1.0}, units) == 1.0


def test_takings_name_only_groups_that_are_there() -> None:
    shares = takings(PARAMETERS)
    assert shares[(0, "qkv"), (0, "heads")] == pytest.approx(0.6)
    assert shares[(1, "down"), (1, "neurons")] == 1.0
    assert ((1, "gate"), (1, "neurons")) not in shares
    assert sum(units == (0, "layers") for _, units in shares) == 5


def test_levels_become_whole_units() -> None:
    totals = {"heads": {0: 9}, "neurons": {0: 10, 1: 10}}
    plan = {
        (0, "heads"): 0.2,
        (0, "neurons"): 0.04,
        (1, "neurons"): 0.98,
        (0, "down"): 0.3,
        (2, "layers"): 1.0,
    }
    assert in_whole_units(plan, totals) == {
        (0, "heads"): pytest.approx(2 / 9),
        (1, "neurons"): pytest.approx(0.9),
        (0, "down"): 0.3,
        (2, "layers"): 1.0,
    }


def test_whole_units_are_spelled_at_levels_that_can_be_set() -> None:
    totals = {"neurons": {0: 64}, "heads": {0: 9}, "layers": {1: 1}}
    plan = {(0, "neurons"): 0.95, (0, "heads"): 0.2, (0, "down"): 0.1234567, (1, "layers"): 1.0}
    assert settable(plan, totals) == {
        (0, "neurons"): 0.9375,
        (0, "heads"): 0.222222,
        (0, "down"): 0.123457,
        (1, "layers"): 1.0,
    }
