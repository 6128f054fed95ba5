"""Every family written as a folder, uniform and layer by layer: loaded alone, opened here, pruned again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import GenerationConfig

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import Removal, find_units
from pruning.engine.export.folder import Sample, write_model
from pruning.engine.export.per_layer import MODULE
from pruning.engine.export.weights import Pruned
from pruning.engine.masking.change import applied_change
from pruning.engine.models.load import fingerprint, load
from pruning.engine.structured.selection import UnitRemoval, as_change
from pruning.errors import PruningError
from pruning.model_files.number_formats import Formats
from tests.support.tiny import FAMILIES, HEADS, INNER, KV_HEADS, tiny_model, tiny_tokenizer

SAMPLE = torch.arange(3, 35).reshape(2, 16)
EACH = Removal({0: (1, 5, 63), 2: tuple(range(30))}, {0: (0, 3), 2: (2, 3)})
PLANS = {
    "weights": Removal(),
    "uniform, a layer dropped": Removal({n: tuple(range(n, 40, 5)) for n in range(3)}, layers=(1,)),
    "layer by layer": EACH,
    "neurons layer by layer, a layer dropped": Removal(EACH.neurons, layers=(1,)),
}
# Families whose configuration has no place for another number of heads: the size of one is the hidden size
# over their number. docs/exports.md says so.
WITHOUT_HEADS = {"gpt2", "opt", "gpt_neox"}
CASES = [(family, what) for family in FAMILIES for what in PLANS]


def written(family: str, removal: Removal, out: Path, dtype: str = "float32") -> tuple[Any, torch.Tensor]:
    """Write the family's tiny model without these units; returns it, and the logits with zeros in it."""
    model: Any = tiny_model(family)
    model.generation_config = GenerationConfig(temperature=0.5, do_sample=True, top_k=7)
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    groups, before = find_groups(model), fingerprint(model)
    units = find_units(model, groups)
    with torch.no_grad():
        dense = model(input_ids=SAMPLE, use_cache=False).logits
    whole = bool(removal.neurons or removal.heads or removal.layers)
    pruned = Pruned(model, tokenizer, Formats(dtype), None, units if whole else None, removal)
    with applied_change(model, groups, as_change(model, groups, units, UnitRemoval(removal))):
        write_model(pruned, out, {}, Sample(SAMPLE, dense))
        with torch.no_grad():
            expected = model(input_ids=SAMPLE, use_cache=False).logits
    assert fingerprint(model) == before
    return model, expected


@pytest.mark.parametrize(("family", "what"), CASES)
def test_every_family_is_written_and_loaded(family: str, what: str, tmp_path: Path) -> None:
    removal, out = PLANS[what], tmp_path / "out"
    if removal.heads and family in WITHOUT_HEADS:
        with pytest.raises(PruningError, match="No configuration of .* describes the smaller model"):
            written(family, removal, out)
        assert not out.exists()
        return
    model, expected = written(family, removal, out)
    assert (out / f"{MODULE}.py").exists() == ("by layer" in what)
    again = load(str(out))
    with torch.no_grad():
        given = again.model(input_ids=SAMPLE, use_cache=False).logits
    assert same_values(expected, given)
    assert type(again.model).__name__ == type(model).__name__
    units = find_units(again.model, again.groups)
    kept = [layer for layer in range(3) if layer not in removal.layers]
    neurons = [INNER - len(removal.neurons.get(layer, ())) for layer in kept]
    assert list(units.totals("neurons").values()) == neurons


def test_what_comes_out_goes_in_again(tmp_path: Path) -> None:
    written("llama", EACH, tmp_path / "once")
    once = load(str(tmp_path / "once"))
    units = find_units(once.model, once.groups)
    assert units.totals("heads") == {0: HEADS - 2, 1: HEADS, 2: HEADS - 2}
    assert units.totals("kv_groups") == {0: KV_HEADS, 1: KV_HEADS, 2: KV_HEADS - 1}
    # Pruned further, layers may become alike, and then the family's own class will do.
    with torch.no_grad():
        dense = once.model(input_ids=SAMPLE, use_cache=False).logits
    for name, removal, by_layer in (
        ("twice", Removal({1: tuple(range(7))}, layers=(0,)), True),
        ("alike", Removal({1: tuple(range(30))}, {1: (2, 3)}, (0,)), False),
    ):
        change = as_change(once.model, once.groups, units, UnitRemoval(removal))
        pruned = Pruned(once.model, once.tokenizer, Formats("float32"), None, units, removal)
        with applied_change(once.model, once.groups, change):
            write_model(pruned, tmp_path / name, {}, Sample(SAMPLE, dense))
        assert (tmp_path / name / f"{MODULE}.py").exists() == by_layer
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert ("auto_map" in config) == ("per_layer_config" in config) == by_layer
        assert config["num_hidden_layers"] == 2
    assert fingerprint(once.model) == once.fingerprint


def test_no_code_of_a_folder_is_run_here(tmp_path: Path) -> None:
    written("llama", EACH, tmp_path / "out")
    (tmp_path / "out" / f"{MODULE}.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    assert load(str(tmp_path / "out")).groups
    assert load(str(tmp_path / "out"), trust_remote_code=True).groups


def test_tokenizer_chat_template_and_generation_survive(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    model, _ = written("llama", EACH, tmp_path / "out", "bfloat16")
    again = AutoTokenizer.from_pretrained(tmp_path / "out")
    said = [{"role": "user", "content": "hi 12"}]
    assert again.apply_chat_template(said, tokenize=False) == "<user>hi 12"
    assert again.special_tokens_map == tiny_tokenizer().special_tokens_map
    assert again.get_vocab() == tiny_tokenizer().get_vocab()
    assert again("a tiny model")["input_ids"] == tiny_tokenizer()("a tiny model")["input_ids"]
    kept = GenerationConfig.from_pretrained(tmp_path / "out").to_dict()
    assert (kept["temperature"], kept["top_k"], kept["do_sample"]) == (0.5, 7, True)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "rms_norm_eps", "rope_parameters"):
        assert config[name] == model.config.to_dict()[name]
    assert config["dtype"] == "bfloat16"
    assert {w.dtype for w in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.bfloat16}


def test_large_models_are_written_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pruning.engine.export import folder

    monkeypatch.setattr(folder, "SHARD", 60_000)
    written("llama", EACH, tmp_path / "out")
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    files = {path.name: load_file(path) for path in (tmp_path / "out").glob("*.safetensors")}
    assert len(files) > 2
    assert {name: file for file, weights in files.items() for name in weights} == index["weight_map"]
    assert load(str(tmp_path / "out")).groups
