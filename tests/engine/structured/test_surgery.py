"""Surgery: the smaller model puts out what the full-size one with zeros does, in every family."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from pruning.engine.architecture.equivalence import TOLERANCES, relative_error, same_values
from pruning.engine.architecture.groups import Part, find_groups, weight_view
from pruning.engine.architecture.units import Removal, Units, find_units, pruned_columns
from pruning.engine.masking.change import applied_change
from pruning.engine.models.load import fingerprint
from pruning.engine.structured.selection import UnitRemoval, as_change
from pruning.engine.structured.surgery import check_same, form_of, smaller
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, LAYERS, tiny_model

IDS = torch.arange(3, 40).unsqueeze(0)
GROUPED = {"llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"}
# One head of each KV group; in models without groups any.
HALF_OF_EACH = (0, 3)
REMOVALS = {
    "neurons": Removal(neurons={layer: tuple(range(layer, 40, 5)) for layer in range(LAYERS)}),
    "neurons by layer": Removal(neurons={0: (1, 5, 63), 2: tuple(range(30))}),
    "heads": Removal(heads=dict.fromkeys(range(LAYERS), HALF_OF_EACH)),
    "heads by layer": Removal(heads={1: HALF_OF_EACH}),
    "kv groups": Removal(heads=dict.fromkeys(range(LAYERS), (2, 3))),
    "layers": Removal(layers=(1,)),
    "everything": Removal({0: (1, 5, 63)}, {2: (0, 1)}, (1,)),
}


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False).logits


def with_biases(family: str) -> nn.Module:
    """A tiny model whose biases are not zero, as they are when models are new."""
    model = tiny_model(family)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return model


def refitted(model: nn.Module, units: Units, removal: Removal) -> dict[str, torch.Tensor]:
    """Other weights for the columns that stay."""
    weights = {}
    for name, columns in pruned_columns(units, removal).items():
        weights[name] = 1.1 * weight_view(model, Part(name))
        weights[name][:, columns] = 0
    return weights


@pytest.mark.parametrize("what", REMOVALS)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_the_model_with_zeros(family: str, what: str) -> None:
    model, removal = with_biases(family), REMOVALS[what]
    groups, before = find_groups(model), fingerprint(model)
    units = find_units(model, groups)
    weights = {} if removal.layers else refitted(model, units, removal)
    small = smaller(model, units, removal, weights)
    with applied_change(model, groups, as_change(model, groups, units, UnitRemoval(removal, weights))):
        expected = logits(model)
    assert relative_error(expected, logits(small), logits(model)) < TOLERANCES[torch.float32]
    check_same(expected, logits(small), logits(model))
    with pytest.raises(PruningError, match="does not put out"):
        check_same(expected, logits(model), logits(model))
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())
    assert fingerprint(model) == before


# Without layer 0 a cache that goes by old numbers counts no tokens: findings/first-layer-removed.sh.
@pytest.mark.parametrize("removal", [REMOVALS["everything"], Removal(layers=(0,))], ids=["some", "first"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_smaller_model_writes_on_with_its_cache(family: str, removal: Removal) -> None:
    model = tiny_model(family)
    units = find_units(model, find_groups(model))
    small = smaller(model, units, removal)
    with torch.no_grad():
        first = small(input_ids=IDS[:, :-1], use_cache=True)
        step = small(input_ids=IDS[:, -1:], past_key_values=first.past_key_values, use_cache=True).logits[
            :, -1
        ]
    assert same_values(logits(small)[:, -1], step)


# Which families have a configuration for fewer heads; all have one for fewer neurons and layers.
HEADS_DESCRIBED = {"mistral", "qwen2", "qwen3", "phi3", "llama", "gemma2", "gemma3"}
LOAD = """
import sys, torch, transformers
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
assert not any(name.startswith("pruning") for name in sys.modules)
with torch.no_grad():
    torch.save(model(input_ids=torch.arange(3, 40).unsqueeze(0), use_cache=False).logits, sys.argv[2])
"""


@pytest.mark.parametrize("what", ["neurons", "heads", "kv groups", "layers"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_smaller_folder_loads_where_the_family_can_describe_it(
    family: str, what: str, tmp_path: Path
) -> None:
    model, removal = with_biases(family), REMOVALS[what]
    units = find_units(model, find_groups(model))
    if what in ("heads", "kv groups") and family not in HEADS_DESCRIBED:
        with pytest.raises(PruningError, match="--masked"):
            form_of(model, units, removal)
        return
    assert form_of(model, units, removal) == "alike"
    small = smaller(model, units, removal)
    small.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(again), logits(small))


def test_a_smaller_folder_loads_in_a_fresh_process(tmp_path: Path) -> None:
    model = tiny_model("llama")
    units = find_units(model, find_groups(model))
    removal = Removal(REMOVALS["neurons"].neurons, REMOVALS["kv groups"].heads, (1,))
    assert form_of(model, units, removal) == "alike"
    small = smaller(model, units, removal)
    small.save_pretrained(tmp_path / "small")
    command = [sys.executable, "-c", LOAD, str(tmp_path / "small"), str(tmp_path / "logits.pt")]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), logits(small))


def test_what_cannot_be_cut_is_refused_before_anything_is_done() -> None:
    model = tiny_model("llama")
    units = find_units(model, find_groups(model))
    with pytest.raises(PruningError, match="do not come evenly from its 2 KV groups"):
        smaller(model, units, Removal(heads={0: (0,)}))
    for family in set(FAMILIES) - HEADS_DESCRIBED:
        other = tiny_model(family)
        units = find_units(other, find_groups(other))
        with pytest.raises(PruningError, match="No configuration of .* describes the smaller model"):
            form_of(other, units, REMOVALS["heads by layer"])


def test_what_one_number_cannot_say_is_said_by_layer() -> None:
    # 3 of 4 heads do not divide the hidden size, which Llama insists on.
    model = tiny_model("llama", num_key_value_heads=4)
    units, removal = find_units(model, find_groups(model)), Removal(heads=dict.fromkeys(range(LAYERS), (1,)))
    assert form_of(model, units, removal) == "by layer"
    small = smaller(model, units, removal, by_layer=True)
    assert [own.num_attention_heads for own in small.config.per_layer_config] == [3] * LAYERS
    assert not hasattr(model.config, "_heterogeneity_spec"), "the dense model's is left alone"


def test_other_logits_are_noticed() -> None:
    values = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    check_same(values, values + 1e-6, values)
    with pytest.raises(PruningError, match="does not put out"):
        check_same(values, values + 0.1, values)


@pytest.mark.parametrize("times", [1e-4, 1e6], ids=["small", "large"])
@pytest.mark.parametrize("what", ["neurons", "heads"])
def test_the_size_of_the_logits_does_not_matter(times: float, what: str) -> None:
    model, removal = tiny_model("llama"), REMOVALS[what]
    model.lm_head.weight.data *= times
    groups = find_groups(model)
    units = find_units(model, groups)
    small = smaller(model, units, removal)
    with applied_change(model, groups, as_change(model, groups, units, UnitRemoval(removal))):
        expected = logits(model)
    check_same(expected, logits(small), logits(model))
    with pytest.raises(PruningError, match="does not put out"):
        check_same(expected, logits(model), logits(model))
