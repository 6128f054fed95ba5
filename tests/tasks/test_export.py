"""Exports: verified, whole or not at all, and inside the workspace when they are named."""

from pathlib import Path
from typing import Any

import pytest

from pruning.engine.models import compact
from pruning.engine.models import save as exporting
from pruning.engine.models.load import Loaded, load
from pruning.engine.models.model_card import UNPACK
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
        truly = exporting.AutoModelForCausalLM.from_pretrained

        def load_other(*args: Any, **kwargs: Any) -> Any:
            model = truly(*args, **kwargs)
            model.get_output_embeddings().weight.data += 1e-3
            return model

        monkeypatch.setattr(exporting.AutoModelForCausalLM, "from_pretrained", load_other)
    elif failure == "full":
        monkeypatch.setattr(exporting, "SPARE_BYTES", 10**18)
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
    with pytest.raises(PruningError, match="has other weights"):
        TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out=str(tmp_path / "x"), to="compact")
    assert [path.name for path in tmp_path.iterdir() if path.name != "workspace"] == []


def test_a_form_that_cannot_be_is_refused_before_anything_is_done(session: Session) -> None:
    with pytest.raises(PruningError, match="hf or compact"):
        TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), name="x", to="gguf")
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
