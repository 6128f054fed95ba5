"""Exports in words: each is read or run again before it is there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pruning.engine.export.digest import weights_digest
from pruning.errors import PruningError
from pruning.planning.exports import llm_compressor, script
from pruning.planning.recipe.recipe import Recipe
from pruning.tasks import TASKS, Session
from pruning.wording import kl
from pruning.workspace.store import Store
from tests.tasks.test_export import recipe_of

pytestmark = pytest.mark.usefixtures("dense_again")


def test_a_recipe_is_written_with_what_was_measured(session: Session, tmp_path: Path) -> None:
    recipe = recipe_of(session, ["up=0.5"], "magnitude")
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "words"), to="recipe")
    assert Recipe.load(tmp_path / "words" / "recipe.yaml").to_dict() == recipe
    assert f"{done['kl']:.4f}" in (tmp_path / "words" / "README.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir() if "words" in path.name) == ["words"]


def test_the_script_rebuilds_equal_weights_with_nothing_but_the_model(
    session: Session, store: Store, tmp_path: Path
) -> None:
    recipe = recipe_of(session, ["up=0.5"], "wanda")
    recipe["sparsity"]["neurons"] = 0.25
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "script"), to="script")
    assert [row["value"]["out"] for row in store.find("export")] == [done["out"]]
    names = sorted(path.name for path in (tmp_path / "script").iterdir())
    assert names == ["README.md", script.FILE, "recipe.yaml"]
    # A workspace that knows nothing.
    rebuilt = tmp_path / "rebuilt"
    run = subprocess.run(
        [sys.executable, str(tmp_path / "script" / script.FILE), str(rebuilt)],
        env={**os.environ, "PRUNESCOPE_HOME": str(tmp_path / "new home")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "bit for bit" in run.stdout
    said = (tmp_path / "script" / script.FILE).read_text(encoding="utf-8")
    assert weights_digest(rebuilt) in said


def test_a_script_that_does_not_rebuild_is_not_kept(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truly = script.script

    def other(recipe: Recipe, rebuilt: script.Rebuilt) -> str:
        return truly(recipe, rebuilt).replace('WEIGHTS = "', 'WEIGHTS = "not ')

    monkeypatch.setattr(script, "script", other)
    with pytest.raises(PruningError, match="differ in some bits"):
        TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out=str(tmp_path / "x"), to="script")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".x", "x"))] == []


def test_llm_compressors_recipe_names_the_models_modules(session: Session, tmp_path: Path) -> None:
    recipe = recipe_of(session, ["all=0.5", "down@1=0.25"], "wanda")
    TASKS["export"](session, recipe=recipe, out=str(tmp_path / "llmc"), to="llm-compressor")
    text = (tmp_path / "llmc" / llm_compressor.FILE).read_text(encoding="utf-8")
    said: dict[str, Any] = yaml.safe_load(text)["default_stage"]["default_modifiers"]["WandaPruningModifier"]
    order = [name for name, _ in session.model.named_modules() if name in said["targets"]]
    assert said["targets"] == order
    assert len(order) == 21
    assert dict(zip(order, said["sparsity"], strict=True))["model.layers.1.mlp.down_proj"] == 0.25


def test_the_report_is_one_file_with_what_was_measured(session: Session, tmp_path: Path) -> None:
    recipe = recipe_of(session, ["up=0.5"], "magnitude")
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "report"), to="report")
    text = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert f"<td>{kl(done['kl'])}</td>" in text
    assert "How to repeat it" in text
