"""Plans and their short settings."""

import random

import pytest

from pruning.errors import PruningError
from pruning.planning.recipe.plan import (
    KINDS,
    format_layers,
    format_levels,
    format_settings,
    kinds_of,
    parse_layers,
    parse_levels,
    parse_settings,
)

GROUPS = [(layer, kind) for layer in range(8) for kind in KINDS]
TWO_MATRIX = [(layer, kind) for layer in range(4) for kind in KINDS if kind != "gate"]


def test_later_settings_win():
    plan = parse_settings(["all=0.3", "up=0.5", "up@0-1,7=0.1", "down=0"], GROUPS)
    assert plan[0, "qkv"] == 0.3
    assert plan[2, "up"] == 0.5
    assert [plan[layer, "up"] for layer in (0, 1, 7)] == [0.1, 0.1, 0.1]
    assert (3, "down") not in plan
    assert list(plan) == [group for group in GROUPS if group[1] != "down"]


def test_all_covers_the_kinds_that_the_model_has():
    assert set(parse_settings(["all=0.5"], TWO_MATRIX)) == set(TWO_MATRIX)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("up", "cannot be read"),
        ("up=half", "cannot be read"),
        ("=0.5", "cannot be read"),
        ("up@=0.5", "cannot be read"),
        ("mlp=0.5", 'no group "mlp"'),
        ("up=1.2", "outside 0 to 0.95"),
        ("up=-0.1", "outside 0 to 0.95"),
        ("up=nan", "outside 0 to 0.95"),
        ("up@8=0.5", "layers are 0 to 7"),
        ("up@0-99999=0.5", "layers are 0 to 7"),
        ("up@3-1=0.5", "Write 1-3"),
        ("up@a-b=0.5", "not a list of layers"),
        ("up@1,,2=0.5", "not a list of layers"),
        ("up@-1=0.5", "not a list of layers"),
    ],
)
def test_a_bad_setting_is_named_in_the_error(setting, words):
    with pytest.raises(PruningError) as caught:
        parse_settings(["all=0.1", setting], GROUPS)
    assert words in str(caught.value)
    assert setting in str(caught.value)


def test_a_kind_that_the_model_has_not_is_an_error():
    with pytest.raises(PruningError, match="It has qkv, attn_out, up, down"):
        parse_settings(["gate=0.5"], TWO_MATRIX)


def random_plan(generator, groups):
    """Some few levels, some of any float, on some of the groups: flat, banded and wild plans all come up."""
    pool = [generator.uniform(1e-6, 0.95) for _ in range(3)] + [0.1, 0.3 * 0.1, 0.5, 0.95]
    share = generator.choice([0.0, 0.2, 0.9, 1.0])
    return {group: generator.choice(pool) for group in groups if generator.random() < share}


@pytest.mark.parametrize("groups", [GROUPS, TWO_MATRIX, [(3, "up")], GROUPS[::3]])
def test_settings_describe_the_same_plan(groups):
    generator = random.Random(7)
    for _ in range(200):
        plan = random_plan(generator, groups)
        assert parse_settings(format_settings(plan, groups), groups) == plan


def test_settings_are_short():
    plan = dict.fromkeys(GROUPS, 0.5)
    assert format_settings(plan, GROUPS) == ["all=0.5"]
    for layer in (0, 1, 7):
        plan[layer, "down"] = 0.1
    plan[4, "qkv"] = 0.0
    assert format_settings(plan, GROUPS) == ["all=0.5", "qkv@4=0", "down@0-1,7=0.1"]
    assert format_settings({}, GROUPS) == []


def test_a_group_of_another_model_is_an_error():
    with pytest.raises(PruningError, match="layer 9 up"):
        format_settings({(9, "up"): 0.5}, GROUPS)


def test_layers_as_text_and_back():
    generator = random.Random(3)
    for _ in range(100):
        layers = sorted(generator.sample(range(40), generator.randint(1, 40)))
        assert parse_layers(format_layers(layers)) == layers
    assert format_layers([7, 0, 1, 2, 3]) == "0-3,7"


def test_levels_as_text_and_back():
    nine = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert parse_levels("0.1:0.9:0.1") == nine
    assert format_levels(nine) == "0.1:0.9:0.1"
    assert parse_levels("0.5, 0.3,0.5") == [0.3, 0.5]
    assert parse_levels("0.3:0.5:0.15") == [0.3, 0.45]
    generator = random.Random(11)
    for _ in range(100):
        levels = sorted({generator.uniform(0, 0.95) for _ in range(generator.randint(1, 12))})
        assert parse_levels(format_levels(levels)) == levels


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "0.1:0.9",
        "0.1:0.9:0",
        "0.9:0.1:0.1",
        "0.5,1.2",
        "0:2:0.1",
        "nan",
        "0.1:inf:0.1",
        "0:0.9:1e-9",
    ],
)
def test_bad_levels_are_refused(text):
    with pytest.raises(PruningError, match="Levels"):
        parse_levels(text)


def test_units_have_levels_of_their_own() -> None:
    neurons = [(layer, "neurons") for layer in range(4)]
    plan = parse_settings(["neurons=0.2", "neurons@0-1=0.1"], neurons)
    assert plan == {(0, "neurons"): 0.1, (1, "neurons"): 0.1, (2, "neurons"): 0.2, (3, "neurons"): 0.2}
    assert parse_settings(format_settings(plan, neurons), neurons) == plan
    layers = [(layer, "layers") for layer in range(13)]
    assert parse_settings(["layers@7,12=1"], layers) == {(7, "layers"): 1.0, (12, "layers"): 1.0}
    for setting, groups, words in (
        ("layers=0.5", layers, "goes .1. or stays .0."),
        ("neurons=0.2", [(0, "up")], "no group .neurons.. It has up. Draw the map again"),
        ("up=0.2", neurons, "only neurons can go here, not up"),
        ("all=0.2", neurons, "say what is to go"),
        ("neurons=1", neurons, "outside 0 to 0.95"),
    ):
        with pytest.raises(PruningError, match=words):
            parse_settings([setting], groups)


EVERY = [
    (n, kind) for kind in ("layers", "heads", "kv_groups", "neurons", "qkv", "up", "down") for n in range(4)
]


def test_units_and_weights_are_one_plan() -> None:
    plan = parse_settings(["neurons=0.2", "heads@1-2=0.25", "layers@2=1", "all=0.3", "down=0.4"], EVERY)
    assert {kind for layer, kind in plan if layer == 2} == {"layers"}, "with a layer all that is in it goes"
    assert plan[0, "neurons"] == 0.2
    assert (plan[1, "heads"], plan[1, "up"], plan[1, "down"]) == (0.25, 0.3, 0.4)
    assert parse_settings(format_settings(plan, EVERY), EVERY) == plan
    assert format_settings(plan, EVERY)[:1] == ["neurons=0.2"], "layers that go are no exception of a kind"
    weights = {(n, kind): 0.3 for n in range(4) for kind in ("qkv", "up", "down")}
    assert format_settings(weights, EVERY) == ["all=0.3"]
    assert parse_settings(["layers@2=1", "layers@2=0", "up=0.5"], EVERY)[2, "up"] == 0.5


def test_what_contradicts_itself_is_named() -> None:
    for settings, words in (
        (["layers@2=1", "neurons@2=0.2"], "Layer 2 goes .layers@2=1.*neurons@2=0.2"),
        (["heads=0.25", "kv_groups@3=0.5"], "In layer 3 both heads=0.25 and kv_groups=0.5"),
    ):
        with pytest.raises(PruningError, match=words):
            parse_settings(settings, EVERY)
    assert parse_settings(["heads=0.25", "heads@3=0", "kv_groups@3=0.5"], EVERY)[3, "kv_groups"] == 0.5


def test_the_kinds_that_settings_name() -> None:
    assert kinds_of(["up@1=0.5", "heads=0", "layers@2=1"]) == {"up", "layers"}
    assert kinds_of(["all=0.1"]) == set(KINDS)
