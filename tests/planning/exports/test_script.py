"""The script that rebuilds a model: readable, complete, and data where others wrote."""

import ast

from pruning.planning.exports.script import Rebuilt, script
from pruning.planning.recipe.recipe import Recipe

RECIPE = {
    "version": 2,
    "name": "half",
    "model": {"reference": "demo", "fingerprint": "f"},
    "data": {"name": "demo"},
    "criterion": "wanda",
    "sparsity": {"up": 0.5, "neurons": 0.25},
    "exceptions": [{"kind": "up", "layers": "0-3", "level": 0.1}],
}
NASTY = '"""\nimport os; os.system("x")\n\\"""'


def values(text: str) -> dict[str, object]:
    """What the script sets at its top level."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)  # type: ignore[attr-defined]
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
    }


def test_a_script_holds_the_recipe_as_data() -> None:
    text = script(Recipe.from_dict(RECIPE), Rebuilt("demo", "float32", False, "abc"))
    assert Recipe.from_dict(values(text)["RECIPE"]).to_dict() == Recipe.from_dict(RECIPE).to_dict()  # type: ignore[arg-type]
    assert values(text)["WEIGHTS"] == "abc"
    assert "recover" not in text
    assert max(map(len, text.splitlines())) < 120


def test_a_trained_recipe_is_trained_first() -> None:
    text = script(
        Recipe.from_dict({**RECIPE, "recovery": {"steps": 5}}), Rebuilt("demo", "float32", True, "abc")
    )
    found = values(text)
    assert found["SETTINGS"] == ["up=0.5", "neurons=0.25", "up@0-3=0.1"]
    assert found["OPTIONS"] == {"structure": "mixed"}
    assert "recover(session, SETTINGS" in text


def test_what_others_wrote_never_becomes_code() -> None:
    recipe = Recipe.from_dict({**RECIPE, "name": NASTY, "notes": NASTY})
    text = script(recipe, Rebuilt(NASTY, "float32", False, "abc"))
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]
    assert [name.name for node in imported for name in node.names] == ["sys"]
    assert values(text)["MODEL"] == NASTY
