"""A preview counts without reading weights, and without torch."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.model_files import preview as module
from pruning.model_files.checkpoint import demo_folder
from pruning.model_files.gguf_header import gguf_header
from pruning.model_files.preview import DEMO_DISK_BYTES, DEMO_FETCH, DEMO_PARAMETERS, preview
from tests.support.fake_hub import fake_hub, run_with_hub
from tests.support.tiny import FAMILIES, tiny_folder, tiny_gguf, tiny_model


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_of_a_folder_are_those_of_the_model(family: str, tmp_path: Path) -> None:
    seen = preview(str(tiny_folder(tmp_path, family)))
    model = tiny_model(family)
    assert seen.parameters == model.num_parameters()
    assert seen.architecture == type(model).__name__
    assert seen.bytes_on_disk == (tmp_path / "model.safetensors").stat().st_size
    assert (seen.local, seen.fits, seen.warning) == (True, True, None)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_memory_is_twice_the_weights(llama_folder: Path, dtype: str, size: int) -> None:
    seen = preview(str(llama_folder), dtype)
    assert seen.parameters is not None
    assert seen.memory_needed == 2 * seen.parameters * size
    assert seen.memory_available > 0
    with pytest.raises(PruningError, match="not a dtype"):
        preview(str(llama_folder), "int4")


def test_a_model_that_is_too_big_does_not_fit(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = type("Memory", (), {"available": preview(str(llama_folder)).memory_needed - 1})
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: free)
    assert not preview(str(llama_folder)).fits
    assert preview(str(llama_folder), "bfloat16").fits


def test_a_tied_head_that_was_stored_is_not_counted_again(llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    untied = preview(str(folder)).parameters
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    tied = preview(str(folder)).parameters
    assert untied is not None
    assert tied == untied - config["vocab_size"] * config["hidden_size"]


def test_what_will_go_wrong_is_said_before(llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer" in str(preview(str(folder)).warning)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    seen = preview(str(folder))
    assert "pickled" in str(seen.warning)
    assert seen.parameters is None
    assert seen.memory_needed == 2 * (seen.bytes_on_disk or 0) // 2 * 4
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(PruningError, match="has no weights"):
        preview(str(folder))


def test_damaged_files_are_named(llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(PruningError, match=r"model\.safetensors is damaged or cut short"):
        preview(str(folder))
    with pytest.raises(PruningError, match="There is no model at"):
        preview(str(tmp_path / "nothing"))
    with pytest.raises(PruningError, match="not a model"):
        preview(str(weights))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"model_type": ["llama"]}',
        '{"model_type": "llama", "architectures": [7]}',
        '{"model_type": "llama", "architectures": 7}',
    ],
)
def test_a_configuration_may_say_anything(llama_folder: Path, tmp_path: Path, text: str) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    (folder / "config.json").write_text(text)
    with pytest.raises(PruningError, match=r"config\.json (cannot be read|does not hold)"):
        preview(str(folder))


HEADERS = (
    b"[]",
    b"[" * 100_000,
    b'{"__metadata__": 7}',
    b'{"a": {"dtype": "F32", "shape": ["a"], "data_offsets": [0, 4]}}',
    b'{"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}',
    b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, "4"]}}',
    b'{"__metadata__": {"packed_shapes": "[1]"}}',
)


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_header_of_safetensors_may_say_anything(llama_folder: Path, tmp_path: Path, header: bytes) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(PruningError, match=r"model\.safetensors is damaged or cut short"):
        preview(str(folder))


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices have no place in folders there")
def test_a_folder_with_a_pipe_in_it_is_not_waited_for(llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    (folder / "tokenizer.json").unlink()
    os.mkfifo(folder / "tokenizer.json")
    with pytest.raises(PruningError, match=r"tokenizer\.json is no ordinary file"):
        preview(str(folder))
    with pytest.raises(PruningError, match=r"tokenizer\.json is no GGUF file"):
        gguf_header(folder / "tokenizer.json")


KEYS = {
    "aligned to 0": ("general.alignment", 4, struct.pack("<I", 0)),
    "aligned to minus one": ("general.alignment", 5, struct.pack("<i", -1)),
    "aligned to infinity": ("general.alignment", 6, struct.pack("<f", float("inf"))),
    "lists in lists": ("x", 9, struct.pack("<IQ", 9, 1) * 100_000),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_header_of_gguf_may_say_anything(tmp_path: Path, key: str) -> None:
    name, kind, value = KEYS[key]
    entry = struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + value
    path = tmp_path / "bad.gguf"
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + entry + bytes(64))
    with pytest.raises(PruningError, match=r"bad\.gguf is damaged or cut short"):
        gguf_header(path)


def test_a_gguf_file_is_counted_from_its_header(tmp_path: Path) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    seen = preview(str(file))
    assert seen.parameters == tiny_model("llama", tie_word_embeddings=True).num_parameters()
    assert (seen.architecture, seen.bytes_on_disk, seen.warning) == ("llama", file.stat().st_size, None)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(PruningError, match=r"tiny\.gguf is damaged or cut short"):
        preview(str(file))


def test_the_demo_is_known_before_it_is_fetched() -> None:
    seen = preview("demo")
    assert seen.parameters == DEMO_PARAMETERS
    assert not seen.local
    assert DEMO_FETCH in str(seen.warning)
    assert seen.bytes_on_disk is None, "what is fetched depends on what can be reached"
    for size in ("269 MB", "93 MB", "542 MB"):
        assert size in DEMO_FETCH


@pytest.mark.demo
def test_the_demo_is_as_big_as_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the demo model is where it always is
    seen = preview("demo")
    assert (seen.parameters, seen.local, seen.warning) == (DEMO_PARAMETERS, True, None)
    if json.loads((demo_folder() / "prunescope.json").read_text())["origin"] == "wheel":
        kept = sum(file.stat().st_size for file in demo_folder().iterdir())
        assert abs(kept - DEMO_DISK_BYTES) < 500_000


def test_a_hub_model_is_previewed_from_what_the_hub_says(llama_folder: Path, tmp_path: Path) -> None:
    code = """
from pruning.errors import PruningError
from pruning.model_files.gguf_header import gguf_header
from pruning.model_files.preview import preview
try:
    seen = preview("owner/tiny")
    print(seen.architecture, seen.parameters, seen.bytes_on_disk, seen.local, seen.warning)
except PruningError as error:
    print(error)
"""
    size = (llama_folder / "model.safetensors").stat().st_size
    with fake_hub({"owner/tiny": llama_folder}) as endpoint:
        assert run_with_hub(code, endpoint, tmp_path) == f"LlamaForCausalLM 52448 {size} False None"
        bare = Path(shutil.copytree(llama_folder, tmp_path / "bare"))
        (bare / "tokenizer.json").unlink()
    with fake_hub({"owner/tiny": bare}) as endpoint:
        assert "There is no tokenizer" in run_with_hub(code, endpoint, tmp_path)
        (bare / "model.safetensors").unlink()
        assert "no safetensors weights on the hub" in run_with_hub(code, endpoint, tmp_path)
    assert "The hub could not be reached" in run_with_hub(code, endpoint, tmp_path)


def test_nothing_of_torch_is_imported(llama_folder: Path, tmp_path: Path) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    code = f"""
import sys
from pruning.model_files import hub
from pruning.model_files.gguf_header import gguf_header
from pruning.model_files.preview import preview
preview({str(llama_folder)!r}), preview({str(file)!r}), preview("demo")
print(sorted({{"torch", "transformers", "datasets"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
