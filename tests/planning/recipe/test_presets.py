"""Strategies: what each gives every group, with its own numbers and with others."""

import pytest

from pruning.errors import PruningError
from pruning.planning.recipe.plan import KINDS, UNIT_KINDS
from pruning.planning.recipe.presets import PRESETS, parse_preset, preset_plan

GROUPS = [(layer, kind) for layer in range(8) for kind in KINDS]
TWO_MATRIX = [(layer, kind) for layer in range(4) for kind in ("qkv", "attn_out", "up", "down")]


WITH_UNITS = [*GROUPS, *((layer, kind) for layer in range(8) for kind in UNIT_KINDS)]


def over_depth(plan, kind="up"):
    return [plan.get((layer, kind), 0.0) for layer in range(8)]


def test_uniform_and_the_guides():
    assert set(preset_plan("uniform", 0.4, GROUPS).values()) == {0.4}
    assert preset_plan("uniform", 0.0, GROUPS) == {}
    guide = preset_plan("guide", 0.4, WITH_UNITS)
    assert [guide.get((0, kind), 0.0) for kind in (*KINDS, "heads")] == [0.1, 0, 0.6, 0.6, 0.2, 0.25]
    assert preset_plan("guide", 0.9, GROUPS)[0, "up"] == 0.95
    attention = preset_plan("guide_attention", 0.9, WITH_UNITS)
    assert {kind: attention.get((3, kind)) for _, kind in attention} == {"qkv": 0.1, "heads": 0.25}
    mlp = preset_plan("guide_mlp", 0.4, GROUPS)
    assert [mlp.get((3, kind), 0.0) for kind in KINDS] == [0, 0, 0.6, 0.6, 0.2]


def test_protection_and_ramp():
    assert over_depth(preset_plan("protect_ends", 0.4, GROUPS)) == [0.1, 0.1, 0.4, 0.4, 0.4, 0.4, 0.1, 0.1]
    assert over_depth(preset_plan("protect_early", 0.4, GROUPS, layers=3, share=0)) == [0] * 3 + [0.4] * 5
    assert over_depth(preset_plan("protect_ends", 0.4, GROUPS, layers=0)) == [0.4] * 8
    assert over_depth(preset_plan("protect_ends", 0.4, GROUPS, layers=9, share=0.5)) == [0.2] * 8
    ramp = over_depth(preset_plan("ramp", 0.35, GROUPS, first_times=0, last_times=2))
    assert ramp == pytest.approx([0.1 * layer for layer in range(8)])


def test_numbers_can_be_changed():
    plan = preset_plan("guide", 0.2, GROUPS, qkv=0.0, gate_up_times=1.0, down_times=2.0)
    assert [plan.get((1, kind), 0.0) for kind in KINDS] == [0, 0, 0.2, 0.2, 0.4]
    assert preset_plan("guide_attention", 0.2, WITH_UNITS, heads=0.5)[1, "heads"] == 0.5


@pytest.mark.parametrize("name", PRESETS)
def test_strategies_are_about_single_weights_but_for_the_guides_heads(name):
    kinds = {kind for _, kind in preset_plan(name, 0.5, WITH_UNITS)}
    assert kinds - set(KINDS) == ({"heads"} if name in ("guide", "guide_attention") else set())


@pytest.mark.parametrize("name", PRESETS)
def test_a_strategy_leaves_out_what_the_model_has_not(name):
    plan = preset_plan(name, 0.5, TWO_MATRIX)
    assert plan
    assert set(plan) <= set(TWO_MATRIX)
    assert preset_plan(name, 0.5, [(0, "up")]).keys() <= {(0, "up")}, "one layer is enough"


@pytest.mark.parametrize(
    ("name", "numbers", "said"),
    [
        ("wild", {}, "There is no strategy"),
        ("uniform", {"layers": 2}, "has no number"),
        ("protect_ends", {"layers": 1.5}, "a whole number"),
        ("ramp", {"first_times": -1}, "from 0 to 3"),
    ],
)
def test_what_cannot_be_is_an_error(name, numbers, said):
    with pytest.raises(PruningError, match=said):
        preset_plan(name, 0.5, GROUPS, **numbers)


def test_a_level_outside_is_an_error():
    with pytest.raises(PruningError, match="outside 0 to 0.95"):
        preset_plan("uniform", 1.2, GROUPS)


def test_a_strategy_as_text():
    read = parse_preset("protect_ends=0.3, layers=4, share=0", GROUPS)
    assert read == preset_plan("protect_ends", 0.3, GROUPS, layers=4, share=0)
    for text in ("guide", "guide=x", "guide=0.3,down_times", ""):
        with pytest.raises(PruningError, match=r"cannot be read"):
            parse_preset(text, GROUPS)
