"""Other tools' files as recipes of a model that is there, and pruned by them."""

from pathlib import Path

import pytest

from pruning.planning.exports.llm_compressor import FILE
from pruning.planning.recipe.recipe import Recipe
from pruning.tasks import TASKS, Session

pytestmark = pytest.mark.usefixtures("dense_again")


def test_a_recipe_of_llm_compressor_prunes_as_it_says(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "stage:\n  modifiers:\n    WandaPruningModifier:\n      sparsity: 0.5\n      mask_structure: '2:4'\n"
        "      targets: ['re:.*mlp.*']\n"
    )
    made = TASKS["import"](session, source=str(path), name="theirs")
    recipe = Recipe.from_dict(made["recipe"])
    assert (recipe.criterion, recipe.pattern, recipe.name) == ("wanda", "2:4", "theirs")
    assert recipe.settings() == ["gate=0.5", "up=0.5", "down=0.5"]
    assert made["form"] == "llm-compressor"
    measured = TASKS["measure"](
        session, settings=recipe.settings(), criterion="wanda", structure="n:m", pattern="2:4"
    )
    assert measured["kl"] > 0


def test_what_we_export_for_llm_compressor_comes_back(session: Session, tmp_path: Path) -> None:
    settings = ["qkv=0.3", "down=0.4", "down@2=0.6"]
    made = TASKS["recipe"](session, settings=settings, criterion="sparsegpt")
    done = TASKS["export"](session, recipe=made["recipe"], out=str(tmp_path / "out"), to="llm-compressor")
    back = Recipe.from_dict(TASKS["import"](session, source=str(Path(done["out"]) / FILE))["recipe"])
    assert (back.settings(), back.criterion) == (settings, "sparsegpt")


def test_layers_to_drop_become_a_recipe(session: Session) -> None:
    made = TASKS["import"](session, source="1", criterion="wanda")
    assert made["settings"] == ["layers@1=1"]
    assert made["recipe"]["criterion"] == "wanda"
    assert made["sparsity"] == pytest.approx(1 / 3)
    assert "counted from 0" in made["notes"][0]
