"""GGUF files of every family, of what is cut out, in all numbers: llama.cpp agrees, or nothing is kept."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import Removal, Units, find_units
from pruning.engine.export.gguf import verify, write
from pruning.engine.export.gguf.fit import check_fits
from pruning.engine.export.gguf.write import GgufFormat
from pruning.engine.llamacpp.engine import LlamaCpp, llama_cpp, opened
from pruning.engine.models.gguf import tensors
from pruning.engine.models.gguf.families import FAMILIES as TOLD
from pruning.engine.models.gguf.numbers import FORMATS
from pruning.engine.structured.surgery import smaller
from pruning.errors import PruningError
from pruning.model_files.gguf_header import gguf_header
from pruning.planning.exports.llamacpp import NUMBERS, TIMED
from tests.support.tiny import FAMILIES, LAYERS, tiny_model, tiny_tokenizer

SAMPLE = torch.randint(3, 384, (2, 48), generator=torch.Generator().manual_seed(0))
UNTOLD = ("opt",)
# Families of which llama.cpp takes fewer heads only where there is an architecture for every layer's own.
BOUND = ("phi3", "gpt2", "gpt_neox")


def units_of(model: Any) -> Units:
    return find_units(model, find_groups(model))


def some_heads(units: Units) -> tuple[int, ...]:
    """Heads that can go together: one of each KV group, or one."""
    heads = units.heads[0]
    return (0, heads.count // heads.groups) if heads.groups < heads.count else (0,)


def removals(units: Units) -> dict[str, Removal]:
    every, heads = range(LAYERS), some_heads(units)
    half = tuple(range(0, 64, 2))
    return {
        "dense": Removal(),
        "neurons": Removal(neurons=dict.fromkeys(every, half), layers=(1,)),
        "heads": Removal(heads=dict.fromkeys(every, heads)),
        "by layer": Removal(heads={0: heads}, neurons={1: half}),
    }


def cut(family: str, what: str, **changes: Any) -> Any:
    model = tiny_model(family, **changes)
    units = units_of(model)
    return smaller(model, units, removals(units)[what])


def refused(family: str, what: str) -> bool:
    if what == "heads":
        return family in BOUND
    return what == "by layer" and family not in ("llama", "mistral", "qwen2")


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaCpp]:
    with llama_cpp() as started:
        yield started


@pytest.fixture(autouse=True)
def one_engine(engine: LlamaCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process for each file would take most of these tests' time."""
    monkeypatch.setattr(write, "llama_cpp", lambda: nullcontext(engine))


@pytest.fixture
def unchanged() -> Iterator[Any]:
    """Afterwards the models that were passed through it have the weights they had."""
    seen: list[tuple[Any, dict[str, torch.Tensor]]] = []

    def watch(model: Any) -> Any:
        seen.append((model, {name: value.clone() for name, value in model.state_dict().items()}))
        return model

    yield watch
    for model, before in seen:
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def written(model: Any, out: Path, numbers: str = "f16") -> dict[str, float]:
    return GgufFormat(numbers).write(model, tiny_tokenizer(), out, {"recipe.yaml": "version: 2\n"}, SAMPLE)


@pytest.mark.parametrize("what", ["dense", "neurons", "heads", "by layer"])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in UNTOLD])
def test_every_family_is_loaded_by_llama_cpp_or_refused(
    family: str, what: str, unchanged: Any, tmp_path: Path
) -> None:
    model = unchanged(cut(family, what))
    if refused(family, what):
        with pytest.raises(PruningError, match=r"llama\.cpp has no form of"):
            written(model, tmp_path / "out")
        assert not list(tmp_path.iterdir())
        return
    figures = written(model, tmp_path / "out")
    [path] = (tmp_path / "out").glob("*.gguf")
    assert figures["bytes"] == path.stat().st_size
    assert figures["log_probability_error"] < 0.02
    assert figures["same_top"] > 0.95
    assert (tmp_path / "out" / "recipe.yaml").read_text() == "version: 2\n"


def test_layers_of_qwen3_differ_where_the_head_is_the_embedding(unchanged: Any, tmp_path: Path) -> None:
    model = unchanged(cut("qwen3", "by layer", tie_word_embeddings=True))
    assert written(model, tmp_path / "out")["log_probability_error"] < 0.02
    header = gguf_header(next((tmp_path / "out").glob("*.gguf")))
    assert header.metadata["general.architecture"] == "openelm"


def test_a_family_without_a_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="OPTForCausalLM"):
        written(tiny_model("opt"), tmp_path / "out")
    assert {tiny_model(family).config.model_type for family in FAMILIES if family not in UNTOLD} <= set(TOLD)


@pytest.mark.parametrize("numbers", ["f32", "bf16", "q8_0", "q4_0", "q4_k"])
def test_every_number_format(numbers: str, unchanged: Any, tmp_path: Path) -> None:
    model = unchanged(tiny_model("llama", hidden_size=256, intermediate_size=256, initializer_range=0.05))
    figures = written(model, tmp_path / "out", numbers)
    assert figures["kl"] < 0.01
    size = sum(parameter.numel() for parameter in model.parameters())
    bits = 8 * GgufFormat(numbers).size(model) / size
    assert bits == pytest.approx(
        {"f32": 32, "bf16": 16, "q8_0": 8.5, "q4_0": 5.2, "q4_k": 5.2}[numbers], abs=0.2
    )


def test_in_float32_every_position_agrees(engine: LlamaCpp, tmp_path: Path) -> None:
    """Where llama.cpp keeps keys and values in float32; another version might, and then less is asked."""
    written(tiny_model("llama"), tmp_path / "out", "f32")
    with opened(engine, next((tmp_path / "out").glob("*.gguf")), exact=True) as file:
        assert file.exact
        theirs = file.log_probabilities(SAMPLE[0].tolist())
    with torch.no_grad():
        ours = tiny_model("llama")(SAMPLE[:1]).logits[0].log_softmax(-1).numpy()
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("scaling", ["llama3", "linear", "yarn"])
def test_rotary_scaling_is_told(scaling: str, tmp_path: Path) -> None:
    more = {
        "llama3": {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
        "linear": {},
        "yarn": {"original_max_position_embeddings": 128},
    }[scaling]
    rope = {"rope_type": scaling, "rope_theta": 10_000.0, "factor": 4.0, **more}
    model = tiny_model("llama", rope_parameters=rope)
    assert written(model, tmp_path / "out", "f32")["log_probability_error"] < 0.02


@pytest.mark.parametrize("family", ["gemma2", "gemma3"])
@pytest.mark.parametrize("gone", [(), (0,), (1, 3)])
def test_windows_follow_the_layers_that_stay(family: str, gone: tuple[int, ...], tmp_path: Path) -> None:
    kinds = ["sliding_attention", "full_attention"] * 2 + ["sliding_attention"]
    model = tiny_model(family, num_hidden_layers=5, layer_types=kinds, sliding_window=8)
    model = smaller(model, units_of(model), Removal(layers=gone))  # type: ignore[assignment]
    assert written(model, tmp_path / "out")["log_probability_error"] < 0.02


def test_numbers_that_f16_cannot_say_are_refused(tmp_path: Path) -> None:
    model: Any = tiny_model("llama")
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] = 1e5
    with pytest.raises(PruningError, match="Use bf16 or f32"):
        written(model, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_llama_cpp_computes_otherwise_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = tensors._order
    monkeypatch.setattr(
        tensors, "_order", lambda layout, name, rows: None if ".k_proj" in name else plain(layout, name, rows)
    )
    with pytest.raises(PruningError, match="predicts something else"):
        written(tiny_model("llama"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_that_splits_otherwise_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(verify, "ids_of", lambda *_: [1])
    with pytest.raises(PruningError, match="splits text into other tokens"):
        written(tiny_model("llama"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("numbers", "kept", "near"), [("q8_0", 50, "32 or 64"), ("q4_k", 300, "256 or 512"), ("f16", 50, None)]
)
def test_widths_that_fill_no_block_are_named_with_the_nearest(
    numbers: str, kept: int, near: str | None
) -> None:
    total = 64 if kept < 64 else 512
    model = tiny_model("llama", intermediate_size=total)
    removal = Removal(neurons={1: tuple(range(total - kept))})
    if near is None:
        check_fits(model, units_of(model), removal, numbers)
        return
    with pytest.raises(PruningError, match=f"Layer 1 would keep {kept} neurons, .* {near} would do"):
        check_fits(model, units_of(model), removal, numbers)


def test_a_model_computes_with_other_values_and_has_its_own_again(unchanged: Any) -> None:
    from pruning.engine.export.gguf.as_written import computing_with

    model = unchanged(tiny_model("llama", tie_word_embeddings=True))
    addresses = [parameter.data_ptr() for parameter in model.parameters()]
    values = {name: parameter.clone() * 0.5 for name, parameter in model.named_parameters()}
    other = tiny_model("llama", tie_word_embeddings=True)
    other.load_state_dict({**values, "lm_head.weight": values["model.embed_tokens.weight"]})
    loads = {name: (lambda value=value: value) for name, value in values.items()}
    with torch.no_grad(), computing_with(model, loads):
        assert np.allclose(model(SAMPLE).logits, other(SAMPLE).logits, atol=1e-6)
    assert addresses == [parameter.data_ptr() for parameter in model.parameters()]


def test_commands_offer_the_formats_that_are_written() -> None:
    assert tuple(FORMATS) == NUMBERS
    assert TIMED in NUMBERS


def test_a_model_worse_than_guessing_is_told_from_a_wrong_file() -> None:
    figures = {"log_probability_error": 3.75, "farthest": 17.3, "perplexity": 1.27e6, "own_perplexity": 1.2e6}
    assert "worse than guessing among its 49,152 tokens" in str(verify.differs(figures, 49152))
    assert "report this" in str(verify.differs({**figures, "own_perplexity": 36.0}, 49152))
