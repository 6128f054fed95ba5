"""The number format of the checkpoint is kept, whatever is computed in, and results are never mixed up."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.tasks import TASKS, Session
from pruning.workspace import results
from pruning.workspace.store import Store
from tests.support.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in bfloat16."""
    folder = tmp_path_factory.mktemp("narrow")
    tiny_model("llama").to(torch.bfloat16).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def recipe_of(loaded: Loaded, text: str, settings: list[str], criterion: str = "magnitude") -> dict[str, Any]:
    groups = [group.key for group in loaded.groups] + [(layer, "neurons") for layer in range(3)]
    entry = ModelEntry(reference=loaded.reference, fingerprint=loaded.fingerprint)
    plan = parse_settings(settings, groups)
    return Recipe.from_plan(plan, groups, entry, DataEntry(name=text), criterion).to_dict()


def weights_in(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model.safetensors")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("to", ["hf", "compact"])
def test_a_checkpoint_is_written_in_its_own_format(
    folder: Path, store: Store, text: str, tmp_path: Path, dtype: str, to: str
) -> None:
    session = Session(load(str(folder), dtype=dtype), store, text)
    recipe = recipe_of(session.loaded, text, ["up=0.5", "down=0.6"])
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "out"), to=to)
    if to == "compact":
        from pruning.engine.export.compact import unpack

        assert done["bytes"] == pytest.approx(done["sparse_bytes"], rel=0.1)
        unpack(tmp_path / "out", tmp_path / "unpacked")
    written = weights_in(tmp_path / ("out" if to == "hf" else "unpacked"))
    before = weights_in(folder)
    assert written.keys() == before.keys()
    for name, weight in written.items():
        assert weight.dtype == torch.bfloat16
        kept = (weight != 0) | (before[name] == 0)
        assert torch.equal(weight[kept], before[name][kept]), "what stays is bit for bit the checkpoint's"
        assert bool(kept.all()) != any(kind in name for kind in ("up_proj", "down_proj"))
    assert done["export_dtype"] == "bfloat16"
    assert (
        "| number format | bfloat16, as in the original model |" in (tmp_path / "out/README.md").read_text()
    )


def test_the_sizes_that_are_measured_are_those_that_are_written(
    folder: Path, store: Store, text: str, tmp_path: Path
) -> None:
    session = Session(load(str(folder)), store, text)
    facts = TASKS["inspect"](session)
    assert facts["bytes"] == 2 * facts["parameters"]
    recipe = recipe_of(session.loaded, text, ["neurons=0.25"])
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "out"))
    assert done["file_bytes"] == sum(weight.nbytes for weight in weights_in(done["out"]).values())


def test_changed_weights_are_rounded_and_verified_as_they_are_written(
    folder: Path, store: Store, text: str, tmp_path: Path
) -> None:
    session = Session(load(str(folder)), store, text)
    recipe = recipe_of(session.loaded, text, ["up=0.5"], "sparsegpt")
    out = tmp_path / "out"
    assert TASKS["export"](session, recipe=recipe, out=str(out))["verified"]
    wide = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "wide"), export_dtype="float32")
    assert "float32 (in the original model bfloat16)" in (tmp_path / "wide" / "README.md").read_text()
    narrow, exact = weights_in(out), weights_in(wide["out"])
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(exact[name].bfloat16().float(), exact[name]), "nothing was to be rounded"
    assert all(torch.equal(narrow[n], weight.bfloat16()) for n, weight in exact.items())


def test_what_is_rounded_to_compute_is_written_as_the_checkpoint_has_it(
    llama_folder: Path, store: Store, text: str, tmp_path: Path
) -> None:
    session = Session(load(str(llama_folder), dtype="bfloat16"), store, text)
    recipe = recipe_of(session.loaded, text, ["up=0.5"])
    before = weights_in(llama_folder)
    for name, dtype in (("own", None), ("narrow", "bfloat16")):
        out = tmp_path / name
        done = TASKS["export"](session, recipe=recipe, out=str(out), export_dtype=dtype)
        assert done["export_dtype"] == (dtype or "float32")
        for key, weight in weights_in(out).items():
            expected = before[key] if dtype is None else before[key].bfloat16()
            kept = weight != 0
            assert torch.equal(weight[kept], expected[kept])
    with pytest.raises(PruningError, match='"int8" is not a dtype'):
        TASKS["export"](session, recipe=recipe, out=str(tmp_path / "x"), export_dtype="int8")


def test_results_of_another_format_are_never_taken(folder: Path, store: Store, text: str) -> None:
    wide, narrow = (Session(load(str(folder), dtype=dtype), store, text) for dtype in ("float32", "bfloat16"))
    plan = ["up=0.5"]
    for session in (wide, narrow):
        facts = TASKS["inspect"](session)
        assert results.computed(facts) == session.loaded.computed
        TASKS["baseline"](session)
        TASKS["measure"](session, plan, "magnitude")
        TASKS["map"](session, criterion="magnitude", levels=[0.5])
    rows = [row for kind in ("baseline", "measure", "map", "text") for row in store.find(kind)]
    by_name = {
        name: [r for r in rows if r["key"]["fingerprint"] == name]
        for name in (wide.loaded.computed, narrow.loaded.computed)
    }
    assert len(by_name) == 2
    assert sorted(row["kind"] for row in by_name[wide.loaded.computed]) == sorted(
        row["kind"] for row in by_name[narrow.loaded.computed]
    )
    assert sum(map(len, by_name.values())) == len(rows), "a row is about neither"
    maps = {
        name: results.best_map(store, session.subject, "magnitude")
        for name, session in (("wide", wide), ("narrow", narrow))
    }
    assert maps["wide"]["value"]["model_fingerprint"] == maps["narrow"]["value"]["model_fingerprint"]
    assert maps["wide"]["value"]["fingerprint"] != maps["narrow"]["value"]["fingerprint"]
    first = results.measured_rows(store, wide.subject)[0]["value"]["kl"]
    assert first != results.measured_rows(store, narrow.subject)[0]["value"]["kl"]


def test_a_recipe_fits_its_checkpoint_in_any_format(folder: Path, text: str) -> None:
    wide, narrow = (load(str(folder), dtype=dtype) for dtype in ("float32", "bfloat16"))
    recipe = Recipe.from_dict(recipe_of(wide, text, ["up=0.5"]))
    recipe.check_model(narrow.fingerprint, narrow.computed)
    older = Recipe.from_dict(
        {**recipe.to_dict(), "model": {"reference": "x", "fingerprint": narrow.computed}}
    )
    older.check_model(narrow.fingerprint, narrow.computed)
    with pytest.raises(PruningError, match="another model"):
        older.check_model(wide.fingerprint, wide.computed)
