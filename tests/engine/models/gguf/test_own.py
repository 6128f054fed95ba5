"""A GGUF file that was written here opens as the model that it was made of, with its tokenizer."""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import Removal, find_units
from pruning.engine.export.gguf.fit import check_fits
from pruning.engine.export.gguf.write import GgufFormat
from pruning.engine.models.gguf.own import FILES, TOKENIZER_JSON, write_own_tokenizer
from pruning.engine.models.load import load
from pruning.engine.structured.surgery import smaller
from pruning.errors import PruningError
from pruning.model_files.gguf_header import OWN_CONFIG, Gguf
from pruning.model_files.preview import preview
from pruning.planning.exports.read_facts import facts_of
from tests.support.tiny import FAMILIES, tiny_model, tiny_tokenizer

SAMPLE = torch.randint(3, 384, (1, 32), generator=torch.Generator().manual_seed(0))


def narrower(family: str) -> Any:
    """A tiny model without a layer and half of its neurons."""
    model = tiny_model(family)
    half = Removal(neurons=dict.fromkeys(range(3), tuple(range(32))), layers=(1,))
    return smaller(model, find_units(model, find_groups(model)), half)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "opt"])
def test_what_was_written_opens_again(family: str, tmp_path: Path) -> None:
    model, tokenizer = narrower(family), tiny_tokenizer()
    tokenizer.chat_template = "{% for message in messages %}<{{ message['content'] }}>{% endfor %}"
    model.generation_config.max_new_tokens = 7
    GgufFormat("f32").write(model, tokenizer, tmp_path / "out", {}, SAMPLE)
    loaded = load(str(tmp_path / "out"))
    assert type(loaded.model) is type(model)
    assert loaded.model.generation_config.max_new_tokens == 7
    again = loaded.model.state_dict()
    for name, value in model.state_dict().items():
        # Norms of Gemma are stored with 1 added.
        assert torch.allclose(again[name], value, atol=1e-6), name
    assert loaded.tokenizer("It's 1984.")["input_ids"] == tokenizer("It's 1984.")["input_ids"]
    assert loaded.tokenizer.chat_template == tokenizer.chat_template
    assert (
        preview(str(tmp_path / "out")).bytes_on_disk == next((tmp_path / "out").glob("*.gguf")).stat().st_size
    )
    assert facts_of(str(tmp_path / "out")).layers == 2


@pytest.mark.parametrize(
    ("family", "changes"),
    [("llama", {}), ("mistral", {}), ("qwen2", {}), ("qwen3", {"tie_word_embeddings": True})],
)
def test_layers_that_differ_open_again_and_are_pruned_further(
    family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    model = tiny_model(family, **changes)
    uneven = Removal(heads={0: (0, 2)}, neurons={1: tuple(range(32))}, layers=(2,))
    model = smaller(model, find_units(model, find_groups(model)), uneven)  # type: ignore[assignment]
    GgufFormat("f32").write(model, tiny_tokenizer(), tmp_path / "out", {}, SAMPLE)
    loaded = load(str(tmp_path / "out"))
    again = loaded.model.state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())
    assert facts_of(str(tmp_path / "out")).units["neurons"] == {0: 64, 1: 32}
    units = find_units(loaded.model, loaded.groups)
    further = Removal(neurons={0: tuple(range(32))})
    check_fits(loaded.model, units, further, "q8_0")
    small = smaller(loaded.model, units, further)
    GgufFormat("q8_0").write(small, loaded.tokenizer, tmp_path / "more", {}, SAMPLE)
    assert load(str(tmp_path / "more")).model.model.layers[0].mlp.up_proj.out_features == 32


def test_quantized_files_open_with_their_own_numbers(tmp_path: Path) -> None:
    model = narrower("llama")
    GgufFormat("q8_0").write(model, tiny_tokenizer(), tmp_path / "out", {}, SAMPLE)
    weight = model.model.layers[0].mlp.down_proj.weight
    again = load(str(tmp_path / "out")).model.model.layers[0].mlp.down_proj.weight
    values = gguf.quants.quantize(weight.numpy(), gguf.GGMLQuantizationType.Q8_0)
    assert torch.equal(
        again, torch.from_numpy(gguf.quants.dequantize(values, gguf.GGMLQuantizationType.Q8_0))
    )


def test_files_of_others_write_nothing_outside_and_no_configuration(tmp_path: Path) -> None:
    names = ["../outside.json", "/tmp/outside.json", "config.json", "code.py", "chat_template.jinja"]
    said = {TOKENIZER_JSON: "{}", FILES: json.dumps(dict.fromkeys(names, "{}")), OWN_CONFIG: "{}"}
    (tmp_path / "inside").mkdir()
    write_own_tokenizer(Gguf(said, {}), tmp_path / "inside")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "chat_template.jinja",
        "tokenizer.json",
    ]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {FILES: "{}"},
        {TOKENIZER_JSON: "{}", FILES: "["},
        {TOKENIZER_JSON: "{}", FILES: "[" * 100_000},
        {TOKENIZER_JSON: "{}", FILES: '{"a.json": 7}'},
        {TOKENIZER_JSON: 7, FILES: "{}"},
        {TOKENIZER_JSON: "{}", FILES: '{"a\\u0000.json": "{}"}'},
    ],
    ids=range(7),
)
def test_what_a_file_says_of_its_tokenizer_may_be_anything(tmp_path: Path, said: dict[str, object]) -> None:
    with pytest.raises(PruningError, match="tokenizer's files in the GGUF file cannot be read"):
        write_own_tokenizer(Gguf(said, {}), tmp_path)
