"""llama.cpp in its process: what it computes is what transformers computes, and its end is only its own."""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from pruning.engine.llamacpp import engine as engines
from pruning.engine.llamacpp.engine import LlamaCpp, llama_cpp, opened, race
from pruning.errors import PruningError
from tests.support.tiny import tiny_gguf, tiny_model, tiny_tokenizer

IDS = list(range(5, 45))


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaCpp]:
    with llama_cpp() as started:
        yield started


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_log_probabilities_and_tokens_are_those_of_transformers(engine: LlamaCpp, path: Path) -> None:
    with torch.no_grad():
        expected = tiny_model(tie_word_embeddings=True)(torch.tensor([IDS])).logits[0].log_softmax(-1).numpy()
    with opened(engine, path) as file:
        assert np.abs(file.log_probabilities(IDS) - expected).max() < 0.02
        assert np.array_equal(file.log_probabilities(IDS, first=30), file.log_probabilities(IDS)[30:])
        assert file.tokens("a river, 12\n") == tiny_tokenizer()("a river, 12\n")["input_ids"]


def test_a_round_times_every_file(engine: LlamaCpp, path: Path) -> None:
    with opened(engine, path) as first, opened(engine, path, threads=1) as second:
        times = race([first, second], IDS, 3)
    assert times["prefill"].shape == (2,)
    assert times["decode"].shape == (2, 3)
    assert min(times["prefill"].min(), times["decode"].min()) > 0


def test_it_quantizes_as_the_package_gguf_does_and_what_that_cannot(engine: LlamaCpp) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 256)).astype(np.float32)
    kinds = gguf.GGMLQuantizationType
    assert np.array_equal(engine.quantize(rows, kinds.Q8_0), gguf.quants.quantize(rows, kinds.Q8_0))
    again = gguf.quants.dequantize(engine.quantize(rows, kinds.Q4_K), kinds.Q4_K)
    assert 0 < np.abs(again - rows).mean() < 0.1


def test_what_it_refuses_is_said_and_it_goes_on(engine: LlamaCpp, path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    with (
        pytest.raises(PruningError, match=r"llama\.cpp refuses: .*magic"),
        opened(engine, tmp_path / "text.gguf"),
    ):
        pass
    with opened(engine, path) as file:
        assert file.vocabulary == 384


def test_its_end_is_an_error_and_no_more(path: Path) -> None:
    with llama_cpp() as engine, pytest.raises(PruningError, match="ended while"):
        # Two dimensions where none are: the library ends its process.
        engine.ask("quantize", bytes(16), kind=999, columns=4)


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "library_file", lambda: None)
    with pytest.raises(PruningError, match=r"pip install 'prunescope\[llamacpp\]'"):
        LlamaCpp()
