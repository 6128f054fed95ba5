"""Graphs of every family, of what is cut out: onnxruntime agrees also with its cache, or nothing is kept.

Tracing takes seconds and does not depend on values, so each graph is traced once for all that want it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import Removal, find_units
from pruning.engine.export.folder import Sample
from pruning.engine.export.onnx_graph import alone, write
from pruning.engine.export.onnx_graph.alone import read
from pruning.engine.export.weights import Pruned, Weights
from pruning.engine.masking.change import applied_change
from pruning.engine.models.load import fingerprint
from pruning.engine.structured.selection import UnitRemoval, as_change
from pruning.errors import PruningError
from pruning.model_files.number_formats import Formats
from tests.support.tiny import FAMILIES, tiny_model, tiny_tokenizer

SAMPLE = torch.randint(3, 384, (2, 24), generator=torch.Generator().manual_seed(0))
NEAR = 1e-3
# A layer is passed over, those that stay lose neurons and heads.
CUT = Removal({1: tuple(range(0, 64, 3)), 2: (1, 5, 63)}, {1: (0, 1), 2: (2, 3)}, (0, 2))
# Windows shorter than the text, of all layers or of some.
CHANGES: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": 8},
    "gemma2": {"sliding_window": 8, "layer_types": ["full_attention", "sliding_attention", "full_attention"]},
    "gemma3": {"sliding_window": 8, "layer_types": ["full_attention", "sliding_attention", "full_attention"]},
}
BOTH_KINDS = Removal(CUT.neurons, {1: (0, 1), 2: (2, 3)}, (0,))


@pytest.fixture(scope="module")
def traced() -> dict[Any, Any]:
    """The graphs that were traced."""
    return {}


@pytest.fixture(autouse=True)
def traced_once(traced: dict[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    truly = write.trace

    def trace(weights: Weights) -> Any:
        shapes = tuple((name, tuple(value.shape)) for name, value in weights.skeleton.state_dict().items())
        key = (type(weights.skeleton), shapes, len(weights.file_names))
        if key not in traced:
            traced[key] = truly(weights)
        return traced[key].clone()

    monkeypatch.setattr(write, "trace", trace)


def written(
    model: Any, out: Path, removal: Removal = CUT, formats: Formats | None = None
) -> tuple[dict[str, float], torch.Tensor]:
    """Write the model without these units; returns what is said, and the logits with zeros in it."""
    groups, before = find_groups(model), fingerprint(model)
    units = find_units(model, groups)
    with torch.no_grad():
        dense = model(input_ids=SAMPLE, use_cache=False).logits
    pruned = Pruned(model, tiny_tokenizer(), formats or Formats("float32"), None, units, removal)
    with applied_change(model, groups, as_change(model, groups, units, UnitRemoval(removal))):
        said = write.write_onnx(pruned, out, {"recipe.yaml": "version: 2\n"}, Sample(SAMPLE, dense))
        with torch.no_grad():
            expected = model(input_ids=SAMPLE, use_cache=False).logits
    assert fingerprint(model) == before
    return said, expected


def session_of(out: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(out / write.GRAPH, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_runs_at_once_and_with_its_cache(family: str, tmp_path: Path) -> None:
    out, model = tmp_path / "out", tiny_model(family, **CHANGES.get(family, {}))
    said, expected = written(model, out, BOTH_KINDS if family == "gemma3" else CUT)
    assert said["logit_error"] < NEAR
    session = session_of(out)
    for steps in ([24], [1] * 24, [7, 9, 1, 1, 6]):
        assert np.abs(read(session, SAMPLE.numpy(), steps) - expected.numpy()).max() < NEAR
    assert {path.name for path in out.iterdir()} >= {
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "recipe.yaml"
    }  # fmt: skip


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    written(tiny_model("llama"), tmp_path / "out")
    return tmp_path / "out"


def test_names_and_sizes_are_those_that_other_tools_look_for(llama: Path) -> None:
    onnx.checker.check_model(llama / write.GRAPH, full_check=True)
    session = session_of(llama)
    inputs = {given.name: given.shape for given in session.get_inputs()}
    assert inputs == {
        "input_ids": ["batch", "sequence"],
        "attention_mask": ["batch", "total"],
        "past_key_values.0.key": ["batch", 1, "past", 8],
        "past_key_values.0.value": ["batch", 1, "past", 8],
    }
    assert [put.name for put in session.get_outputs()] == ["logits", "present.0.key", "present.0.value"]


def test_a_batch_may_be_padded_on_the_left(llama: Path) -> None:
    session = session_of(llama)
    short = SAMPLE[:1, :10].numpy()
    padded = np.concatenate([np.zeros((1, 6), np.int64), short], axis=1)
    past = {
        given.name: np.zeros((2, given.shape[1], 0, given.shape[3]), np.float32)
        for given in session.get_inputs()[2:]
    }
    ids = np.concatenate([padded, SAMPLE[:1, :16].numpy()])
    mask = np.ones((2, 16), np.int64)
    mask[0, :6] = 0
    logits = session.run(["logits"], {"input_ids": ids, "attention_mask": mask, **past})[0]
    assert np.abs(logits[0, 6:] - read(session, short, [10])[0]).max() < NEAR
    assert np.abs(logits[1] - read(session, SAMPLE[:1, :16].numpy(), [16])[0]).max() < NEAR


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_bytes_are_those_of_the_weights_in_their_format(dtype: str, tmp_path: Path) -> None:
    model = tiny_model("llama")
    said, expected = written(model, tmp_path / "out", formats=Formats(dtype))
    data = tmp_path / "out" / write.DATA
    units = find_units(model, find_groups(model))
    pruned = Pruned(model, None, Formats(dtype), None, units, CUT)
    assert data.stat().st_size == sum(entry.nbytes for entry in Weights.of(pruned).entries())
    assert said["bytes"] == data.stat().st_size + (tmp_path / "out" / write.GRAPH).stat().st_size
    assert said["logit_error"] < NEAR, "held against the rounded weights"
    rounded = read(session_of(tmp_path / "out"), SAMPLE.numpy(), [24])
    assert (np.abs(rounded - expected.numpy()).max() < 1e-5) == (dtype == "float32")


def test_weights_of_several_formats_keep_theirs(tmp_path: Path) -> None:
    formats = Formats("bfloat16", {"model.norm.weight": "float32"})
    written(tiny_model("llama"), tmp_path / "out", formats=formats)
    graph = onnx.load(tmp_path / "out" / write.GRAPH, load_external_data=False).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert kinds["model.norm.weight"] == onnx.TensorProto.FLOAT
    assert kinds["lm_head.weight"] == onnx.TensorProto.BFLOAT16


def test_heads_that_no_configuration_describes_may_go(tmp_path: Path) -> None:
    model = tiny_model("gpt2")
    pruned = Pruned(model, None, Formats("float32"), None, find_units(model, find_groups(model)), CUT)
    with pytest.raises(PruningError, match="No configuration of"):
        Weights.of(pruned)
    written(model, tmp_path / "out")
    assert session_of(tmp_path / "out").get_inputs()[2].shape == ["batch", 2, "past", 8]


@pytest.mark.parametrize("broken", ["weights", "graph", "process"])
def test_what_onnxruntime_computes_otherwise_is_not_kept(
    broken: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    truly = write.check_runs

    def breaking(folder: Path, *others: Any) -> float:
        if broken == "weights":
            data = bytearray((folder / write.DATA).read_bytes())
            data[: 4 * 384 * 32] = bytes(4 * 384 * 32)
            (folder / write.DATA).write_bytes(data)
        elif broken == "graph":
            (folder / write.GRAPH).write_bytes(b"no graph")
        return truly(folder, *others)

    if broken == "process":
        script = tmp_path_factory.mktemp("ending") / "ending.py"
        script.write_text("raise SystemExit(3)", encoding="utf-8")
        monkeypatch.setattr(alone, "__file__", str(script))
    monkeypatch.setattr(write, "check_runs", breaking)
    words = {"weights": "computes something else", "graph": "could not be loaded", "process": r"ended \(3\)"}
    with pytest.raises(PruningError, match=words[broken]):
        written(tiny_model("llama"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_positions_that_are_scaled_by_the_length_of_the_text_are_refused(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 4.0}
    with pytest.raises(PruningError, match=r"torch cannot trace LlamaForCausalLM .*Export to hf instead"):
        written(tiny_model("llama", rope_parameters=rope, num_attention_heads=2), tmp_path / "out", Removal())
    assert not list(tmp_path.iterdir())
