"""The export to ONNX as it is asked for: a tied bfloat16 model, a mixed plan that differs by layer."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pruning.engine.export.model_card import GENERATE
from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from pruning.planning.exports import onnx as onnx_rules
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("dense_again")
SETTINGS = ["neurons@0=0.25", "neurons@2=0.5", "heads@0=0.5", "layers@1=1", "up=0.5"]
CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder, tokenizer = tmp_path_factory.mktemp("tied"), tiny_tokenizer()
    tokenizer.chat_template = CHAT
    tiny_model("llama", tie_word_embeddings=True).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load(str(folder))


def recipe_of(session: Session, settings: list[str] = SETTINGS) -> dict[str, Any]:
    groups = [*session.every_group]
    entry = ModelEntry(reference=session.loaded.reference, fingerprint=session.loaded.fingerprint)
    plan = parse_settings(settings, groups)
    return Recipe.from_plan(plan, groups, entry, DataEntry(name=session.data), "magnitude").to_dict()


@pytest.fixture(scope="module")
def done(loaded: Loaded, text: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the task says of the one export of these tests."""
    place = tmp_path_factory.mktemp("onnx")
    session = Session(loaded, Store(place / "workspace"), text)
    return TASKS["export"](session, recipe=recipe_of(session), out=str(place / "out"), to="onnx")


def test_it_is_verified_and_as_large_as_is_said(done: dict[str, Any]) -> None:
    out = Path(done["out"])
    assert (done["verified"], done["to"], done["export_dtype"]) == (True, "onnx", "bfloat16")
    assert done["onnxruntime"]["logit_error"] < 1e-3
    weights = (out / "model.onnx_data").stat().st_size
    assert weights == done["file_bytes"]
    assert done["bytes"] == weights + (out / "model.onnx").stat().st_size


def test_a_tied_embedding_is_stored_once(done: dict[str, Any], loaded: Loaded) -> None:
    graph = onnx.load(Path(done["out"]) / "model.onnx", load_external_data=False).graph
    embedding = list(loaded.model.get_input_embeddings().weight.shape)
    assert [list(tensor.dims) for tensor in graph.initializer].count(embedding) == 1
    assert sum(embedding[0] in tensor.dims for tensor in graph.initializer) == 1


def test_tokenizer_chat_template_and_generation_stand_beside_it(done: dict[str, Any]) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    again = AutoTokenizer.from_pretrained(done["out"])
    assert again.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "<user>hi"
    assert GenerationConfig.from_pretrained(done["out"]).eos_token_id == 2
    assert Recipe.load(Path(done["out"]) / "recipe.yaml").to_dict() == done["recipe"]


def test_the_card_says_how_to_run_it_and_that_runs(
    done: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = (Path(done["out"]) / "README.md").read_text(encoding="utf-8")
    assert GENERATE in card
    assert "| number format | bfloat16, as in the original model |" in card
    monkeypatch.chdir(done["out"])
    exec(GENERATE, {})
    said = capsys.readouterr().out
    assert said.startswith("Once upon a time")
    assert len(said) > len("Once upon a time\n")


def test_it_writes_what_the_model_in_memory_would(done: dict[str, Any], loaded: Loaded) -> None:
    """The zeros of the recipe are there: the dense model says something else."""
    import onnxruntime

    from pruning.engine.export.onnx_graph.alone import read

    ids = np.arange(3, 35).reshape(2, 16)
    logits = read(onnxruntime.InferenceSession(Path(done["out"]) / "model.onnx"), ids, [8, 1, 1, 6])
    with torch.no_grad():
        dense = loaded.model(input_ids=torch.from_numpy(ids), use_cache=False).logits
    assert np.abs(logits - dense.numpy()).max() > 0.1


def test_without_its_packages_it_is_refused_at_once(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(onnx_rules, "find_spec", lambda name: None if name == "onnxruntime" else True)
    monkeypatch.setattr("pruning.tasks.export.applied_spec", None)  # nothing is begun
    with pytest.raises(PruningError, match=r"onnxruntime is not installed here.*prunescope\[onnx\]"):
        TASKS["export"](session, recipe=recipe_of(session), out=str(tmp_path / "out"), to="onnx")
    with pytest.raises(PruningError, match="come evenly from its 2 KV groups"):
        TASKS["export"](session, recipe=recipe_of(session, ["heads=0.25"]), out="x", to="onnx")
