"""Exports: verified, whole or not at all, and inside the workspace when they are named."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from pruning.engine.export import compact, new_folder
from pruning.engine.export import folder as exporting
from pruning.engine.export.model_card import UNPACK
from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store

pytestmark = pytest.mark.usefixtures("dense_again")


def recipe_of(session: Session, settings: list[str], criterion: str = "fisher") -> dict[str, Any]:
    groups = session.plan_groups()
    made = Recipe.from_plan(
        parse_settings(settings, groups),
        groups,
        ModelEntry(reference=session.loaded.reference, fingerprint=session.loaded.fingerprint),
        DataEntry(name=session.data),
        criterion,
    )
    return made.to_dict()


def test_an_export_holds_its_pattern(session: Session, tmp_path: Path) -> None:
    recipe = {**recipe_of(session, ["up=0.5"]), "structure": "n:m", "pattern": "2:4"}
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "pruned"))
    written = load(done["out"]).model.model.layers[0].mlp.up_proj.weight
    zeros = (written == 0).unflatten(1, (-1, 4)).sum(-1)
    assert (zeros == 2).all()


def test_export_loads_with_the_masked_models_logits(session: Session, loaded: Loaded, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out, recipe = tmp_path / "pruned", recipe_of(session, ["all=0.4", "down@1=0.8"])
    done = TASKS["export"](session, recipe=recipe, out=str(out))
    assert done["verified"] is True
    assert done["out"] == str(out)
    assert done["bytes"] == sum(path.stat().st_size for path in out.glob("*.safetensors"))
    assert Recipe.load(out / "recipe.yaml").to_dict() == recipe
    assert f"{done['kl']:.4f}" in (out / "README.md").read_text()
    model = AutoModelForCausalLM.from_pretrained(out)
    zeros = (model.model.layers[1].mlp.down_proj.weight == 0).float().mean()
    assert float(zeros) == pytest.approx(0.8, abs=0.01)
    assert AutoTokenizer.from_pretrained(out)("a river") == loaded.tokenizer("a river")
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []
    with pytest.raises(PruningError, match="exists already"):
        TASKS["export"](session, recipe=recipe, out=str(out))


def test_an_export_is_kept_under_its_whole_path(
    session: Session, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out="pruned")
    assert done["out"] == str(tmp_path / "pruned")
    assert store.find("export", out=str(tmp_path / "pruned"))


def test_export_to_the_workspace_by_name_stays_inside_it(session: Session, store: Store) -> None:
    recipe = recipe_of(session, ["up=0.5"])
    done = TASKS["export"](session, recipe=recipe, name="half-up")
    assert Path(done["out"]).parent == store.exports()
    for name in ("../outside", "/etc/x", "a/b", ""):
        with pytest.raises(PruningError):
            TASKS["export"](session, recipe=recipe, name=name)


@pytest.mark.parametrize("failure", ["differs", "full", "breaks"])
def test_a_failed_export_leaves_nothing(
    session: Session, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    if failure == "differs":
        truly = exporting.write_files

        def write_other(weights: Any, folder: Path, *others: Any) -> None:
            truly(weights, folder, *others)
            tensors = load_file(folder / "model.safetensors")
            tensors["lm_head.weight"] += 1e-3
            save_file(tensors, folder / "model.safetensors", {"format": "pt"})

        monkeypatch.setattr(exporting, "write_files", write_other)
    elif failure == "full":
        monkeypatch.setattr(new_folder, "SPARE_BYTES", 10**18)
    else:

        def no_space(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(loaded.tokenizer, "save_pretrained", no_space)
    words = {"differs": "differs from the one in memory", "full": "Make room", "breaks": "No space left"}
    out = tmp_path / "exports" / "pruned"
    with pytest.raises(PruningError, match=words[failure]):
        TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out=str(out))
    assert not out.exists()
    assert list(out.parent.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from pruning.engine.export.new_folder import new_folder
with new_folder(Path(sys.argv[1]), 1) as draft:
    (draft / "model.safetensors").write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_export_left_goes_with_the_next(session: Session, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], check=False)
    assert done.returncode == -9
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.glob(".out.*.part"))) == 1
    TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out=str(tmp_path / "out"))
    assert list(tmp_path.glob(".*.part")) == []


def test_a_place_that_cannot_be_written_to_is_named(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(
        PruningError, match="could not be written to .*out: Not a directory. Nothing was left"
    ):
        TASKS["export"](
            session, recipe=recipe_of(session, ["up=0.5"]), out=str(tmp_path / "file" / "sub" / "out")
        )
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def test_a_recipe_for_another_model_is_refused(session: Session) -> None:
    recipe = recipe_of(session, ["up=0.5"])
    recipe["model"]["fingerprint"] = "0" * 16
    with pytest.raises(PruningError, match="another model"):
        TASKS["export"](session, recipe=recipe, name="x")


# ---- the compact form -------------------------------------------------------------------------------


def test_a_compact_export_takes_what_was_measured_and_has_the_same_weights(
    session: Session, tmp_path: Path
) -> None:
    recipe = recipe_of(session, ["all=0.6"])
    whole = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "whole"))
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "small"), to="compact")
    assert (whole["to"], done["to"], done["verified"]) == ("hf", "compact", True)
    header = int.from_bytes((tmp_path / "small" / "compact.safetensors").read_bytes()[:8], "little")
    assert done["bytes"] - 8 - header == pytest.approx(done["sparse_bytes"], rel=0.002)
    assert done["bytes"] < done["file_bytes"] <= whole["bytes"]
    assert load(done["out"]).fingerprint == load(whole["out"]).fingerprint
    card = (tmp_path / "small" / "README.md").read_text(encoding="utf-8")
    assert UNPACK in card
    assert "prunescope unpack" in card
    assert UNPACK not in (tmp_path / "whole" / "README.md").read_text(encoding="utf-8")


def test_a_compact_export_that_lost_a_bit_leaves_nothing(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truly = compact.pack

    def broken(folder: Path) -> None:
        truly(folder)
        path = folder / "compact.safetensors"
        raw = bytearray(path.read_bytes())
        raw[8 + int.from_bytes(raw[:8], "little")] ^= 1  # the first number after the header
        path.write_bytes(raw)

    monkeypatch.setattr(compact, "pack", broken)
    with pytest.raises(PruningError, match="differs from the one in memory"):
        TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out=str(tmp_path / "x"), to="compact")
    assert [path.name for path in tmp_path.iterdir() if path.name != "workspace"] == []


def test_a_form_that_cannot_be_is_refused_before_anything_is_done(session: Session) -> None:
    with pytest.raises(PruningError, match="There is no form"):
        TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), name="x", to="papyrus")
    groups = session.plan_groups("neurons")
    recipe = Recipe.from_plan(
        parse_settings(["neurons=0.25"], groups),
        groups,
        ModelEntry(reference=session.loaded.reference, fingerprint=session.loaded.fingerprint),
        DataEntry(name=session.data),
        "fisher",
        MaskOptions(structure="neurons"),
    ).to_dict()
    with pytest.raises(PruningError, match="cut out"):
        TASKS["export"](session, recipe=recipe, name="x", to="compact")
    cut = TASKS["export"](session, recipe=recipe, name="cut")
    assert cut["file_bytes"] == cut["sparse_bytes"], "what is cut out takes no room in any form"
    assert cut["bytes"] == pytest.approx(cut["file_bytes"], rel=0.1)
    assert TASKS["export"](session, recipe=recipe, name="zeros", to="compact", masked=True)["verified"]
