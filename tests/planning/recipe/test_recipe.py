"""The recipe file: read, written, refused."""

import random

import pytest

from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import KINDS, UNIT_KINDS, parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry

GROUPS = [(layer, kind) for layer in range(6) for kind in KINDS]

GOOD = """\
version: 1
model: {reference: demo, fingerprint: 0011aabbccddeeff}
data: {name: demo}
criterion: fisher
sparsity: {qkv: 0.1, up: 0.5, down: 0.25}
exceptions:
  - {kind: down, layers: 0-3, level: 0.1}
  - {kind: down, layers: 2, level: 0}
"""


MODEL, DATA = ModelEntry(reference="demo", fingerprint="1234567890123456"), DataEntry(name="demo")


def recipe_of(plan, groups=GROUPS, data=DATA, options=DEFAULT, **more):
    return Recipe.from_plan(plan, groups, MODEL, data, "fisher", options).with_details(**more)


def test_defaults_and_exceptions_make_the_plan():
    plan = Recipe.loads(GOOD).to_plan(GROUPS)
    assert [plan.get((layer, "down"), 0.0) for layer in range(6)] == [0.1, 0.1, 0.0, 0.1, 0.25, 0.25]
    assert plan[5, "up"] == 0.5
    assert (0, "gate") not in plan


def test_a_written_recipe_reads_back_the_same():
    generator = random.Random(5)
    for _ in range(50):
        plan = {
            group: generator.choice([0.1, 0.2, 0.7 * 0.1, 0.95])
            for group in GROUPS
            if generator.random() < 0.7
        }
        recipe = recipe_of(
            plan,
            data=DataEntry(name="demo", fingerprint="0e12"),
            name="half: the #1 try",
            notes="two\nlines",
        )
        again = Recipe.loads(recipe.dumps())
        assert again == recipe
        assert again.to_plan(GROUPS) == plan
        assert parse_settings(again.settings(), GROUPS) == plan
        assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_a_written_recipe_is_short_and_says_what_it_is():
    text = recipe_of(parse_settings(["all=0.5", "down@0-2=0.1"], GROUPS[5 * 2 :] + GROUPS[: 5 * 2])).dumps()
    assert text.startswith("# A Prunescope recipe")
    assert len(text.splitlines()) < 25
    keys = [line.split(":")[0] for line in text.splitlines() if line[0] not in "# -"]
    assert keys == ["version", "model", "data", "criterion", "structure", "sparsity", "exceptions"]


def test_options_are_written_only_where_they_were_set():
    assert recipe_of({(0, "up"): 0.5}).options() == MaskOptions()
    chosen = MaskOptions(structure="block", block="16x16", protect="0-1", ceiling=0.9)
    recipe = recipe_of({(0, "up"): 0.5}, options=chosen)
    assert Recipe.loads(recipe.dumps()).options() == chosen
    assert {"structure", "block", "protect", "ceiling"} <= set(recipe.to_dict())
    assert not {"pattern", "scope", "floor"} & set(recipe.to_dict())
    with pytest.raises(PruningError, match=r"needs a pattern"):
        Recipe.loads(GOOD + "structure: n:m\n")
    with pytest.raises(PruningError, match=r"ceiling: .*1.5"):
        Recipe.loads(GOOD + "ceiling: 1.5\n")


def test_all_errors_are_reported_together():
    bad = """\
version: 3
modle: {reference: demo}
model: {reference: demo, fingerprint: 12}
data: {name: demo, rows: 3}
criterion: wonda
sparsity: {up: 1.2, upp: 0.1, gate: "0.5", qkv: .nan, down: true}
exceptions: [{kind: down, layers: 3-1, level: -1}]
"""
    with pytest.raises(PruningError) as caught:
        Recipe.loads(bad, criteria=["magnitude", "fisher"])
    text = str(caught.value)
    for place in (
        "version",
        "modle",
        "model.fingerprint",
        "data.rows",
        "criterion",
        "sparsity.up",
        "sparsity.upp",
        "sparsity.gate",
        "sparsity.qkv",
        "sparsity.down",
        "exceptions.0.layers",
        "exceptions.0.level",
    ):
        assert f"\n  {place}: " in text
    assert "the level 1.2 is outside 0 to 0.95" in text
    assert "use one of magnitude, fisher" in text
    assert len(text.splitlines()) == 13


def test_a_key_written_twice_is_an_error():
    with pytest.raises(PruningError, match=r"sparsity\.up: is written twice"):
        Recipe.loads(GOOD.replace("qkv: 0.1", "up: 0.1"))


LAUGHS = "a0: &a0 {x: 1}\n" + "\n".join(f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version: [", "line 1"),
        ("just words", "not a recipe"),
        ("", "not a recipe"),
        ("a: &a {b: *a}", "not readable YAML"),
        ("!!python/object/apply:os.getcwd []", "not readable YAML"),
        ("created: 2026-13-01", "not readable YAML"),
        ("notes: !!int ''", "not readable YAML"),
        ("notes: !!bool x", "not readable YAML"),
        (LAUGHS, "stand for too much"),
    ],
)
def test_what_is_no_recipe_is_refused(text, words):
    with pytest.raises(PruningError, match=words):
        Recipe.loads(text)


def test_the_file_is_named_when_it_cannot_be_read(tmp_path):
    missing = tmp_path / "none.yaml"
    with pytest.raises(PruningError, match=r"none\.yaml cannot be read: No such file"):
        Recipe.load(missing)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(PruningError, match="not a text file"):
        Recipe.load(picture)
    broken = tmp_path / "broken.yaml"
    broken.write_text(GOOD.replace("up: 0.5", "up: 1.2"))
    with pytest.raises(PruningError, match=r"broken\.yaml has errors"):
        Recipe.load(broken)


def test_a_recipe_for_another_model_is_refused():
    recipe = Recipe.loads(GOOD)
    recipe.check_model("0011aabbccddeeff")
    with pytest.raises(PruningError, match="made for another model: demo .* 0011aabbccddeeff"):
        recipe.check_model("ffff")


def test_layers_that_the_model_has_not_are_refused():
    with pytest.raises(PruningError, match="layers are 0 to 1"):
        Recipe.loads(GOOD).to_plan([group for group in GROUPS if group[0] < 2])


EVERY = [
    (layer, kind) for kind in (*UNIT_KINDS, "qkv", "attn_out", "gate", "up", "down") for layer in range(4)
]


def test_units_and_weights_are_one_recipe() -> None:
    settings = ["neurons=0.2", "heads@0-2=0.25", "layers@1=1", "down=0.3"]
    plan = parse_settings(settings, EVERY)
    recipe = Recipe.from_plan(plan, EVERY, MODEL, DATA, "fisher")
    assert recipe.version == 2
    assert recipe.structure == "unstructured"
    again = Recipe.loads(recipe.dumps())
    assert again.to_plan(EVERY) == plan
    assert again.options() == MaskOptions(structure="mixed")
    assert {"layers", "kv_groups"} & set(again.sparsity) == set(), "kinds of units that stay are not named"


def test_units_alone_are_their_own_structure() -> None:
    recipe = Recipe.from_plan({(2, "layers"): 1.0}, EVERY, MODEL, DATA, "fisher")
    assert recipe.settings() == ["layers@2=1"]
    again = Recipe.loads(recipe.dumps())
    assert again.to_plan(EVERY) == {(2, "layers"): 1.0}
    assert again.options() == MaskOptions(structure="layers")
    written = recipe.to_dict()
    for change, words in (
        ({"structure": "neurons"}, "'neurons' but should be 'unstructured', 'n:m' or 'block'"),
        ({"sparsity": {"neurons": 1.0}, "exceptions": []}, "outside 0 to 0.95"),
        ({"round_to": 8}, "this plan removes none"),
        ({"compensate": False}, "Only neurons and heads"),
        ({"structure": "n:m", "pattern": "2:4"}, "A pattern goes with the structure n:m"),
        ({"structure": "n:m", "sparsity": {"neurons": 0.2, "up": 0.5}}, "needs a pattern"),
    ):
        with pytest.raises(PruningError, match=words):
            Recipe.from_dict({**written, **change})


@pytest.mark.parametrize(
    ("structure", "more"),
    [("neurons", {"round_to": 8}), ("heads", {"compensate": False}), ("unstructured", {"scope": "row"})],
)
def test_a_recipe_of_the_first_version_means_what_it_meant(structure: str, more: dict[str, object]) -> None:
    kind = structure if structure in UNIT_KINDS else "up"
    old = {
        "version": 1,
        "model": MODEL.model_dump(),
        "data": DATA.model_dump(),
        "criterion": "l2",
        "structure": structure,
        **more,
        "sparsity": {kind: 0.2},
        "exceptions": [{"kind": kind, "layers": "1-2", "level": 0.3}],
    }
    recipe = Recipe.from_dict(old)
    assert recipe.options() == MaskOptions.of({"structure": structure, **more})
    assert recipe.to_plan(EVERY) == {(n, kind): 0.3 if n in (1, 2) else 0.2 for n in range(4)}
    assert Recipe.loads(recipe.dumps()) == recipe


def test_a_criterion_that_there_is_not_is_refused_where_the_names_are_known() -> None:
    recipe = recipe_of({(0, "up"): 0.5})
    assert recipe.checked(["magnitude", "fisher"]) == recipe
    with pytest.raises(PruningError, match='no criterion "fisher"; use one of magnitude'):
        recipe.checked(["magnitude"])


def test_details_are_checked_like_those_of_a_file() -> None:
    recipe = recipe_of({(0, "up"): 0.5}, name="half", recovery={"steps": 20})
    assert (recipe.name, recipe.recovery) == ("half", {"steps": 20})
    assert recipe.with_details(notes="more").name == "half"
    with pytest.raises(PruningError, match="no setting"):
        recipe.with_details(recovery={"stops": 20})


def test_a_criterions_alias_is_read_and_written_as_the_stored_name():
    text = GOOD.replace("criterion: fisher", "criterion: sparsegpt-ec")
    recipe = Recipe.loads(text, ["fisher", "corrected"])
    assert recipe.criterion == "corrected"
    assert "criterion: corrected\n" in recipe.dumps()
    assert "sparsegpt-ec" not in recipe.dumps()
