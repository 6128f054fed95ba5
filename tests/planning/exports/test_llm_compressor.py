"""The recipe for llm-compressor: its levels, its structure, and when there is none."""

import pytest
import yaml

from pruning.errors import PruningError
from pruning.planning.exports.llm_compressor import levels_in, llm_compressor_recipe
from pruning.planning.exports.model_facts import of_config
from pruning.planning.exports.targets import Wanted, light
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import parse_settings

CONFIG = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}


def modifiers(text: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load(text)["default_stage"]["default_modifiers"]
    return found


def test_levels_stand_beside_their_modules_in_order() -> None:
    text = llm_compressor_recipe({"b": 0.5, "c": 0.0, "a": 0.25}, "fisher", DEFAULT)
    said = modifiers(text)["SparseGPTModifier"]
    assert said == {"sparsity": [0.5, 0.25], "mask_structure": "0:0", "targets": ["b", "a"]}
    assert levels_in(text) == {"b": 0.5, "a": 0.25}
    with pytest.raises(PruningError, match="nothing to write"):
        llm_compressor_recipe({"a": 0.0}, "fisher", DEFAULT)


def test_one_level_is_one_number_and_n_of_m_counts_zeros() -> None:
    text = llm_compressor_recipe({"a": 0.75, "b": 0.75}, "wanda", MaskOptions("n:m", "1:4"))
    said = modifiers(text)["WandaPruningModifier"]
    assert (said["sparsity"], said["mask_structure"]) == (0.75, "3:4")


@pytest.mark.parametrize(
    ("family", "settings", "options", "words"),
    [
        ("llama", ["up=0.5"], {}, None),
        ("llama", ["up=0.5"], {"structure": "n:m", "pattern": "2:4"}, None),
        ("llama", ["neurons=0.5"], {"structure": "neurons"}, "cuts no units out"),
        ("llama", ["up=0.5"], {"structure": "block", "block": "4x4"}, "no blocks"),
        ("llama", ["up=0.5"], {"scope": "model"}, "one threshold"),
        ("llama", [], {}, "prunes nothing"),
        ("phi3", ["up=0.5"], {}, "gate and up in one module"),
        ("phi3", ["up=0.5", "gate=0.5"], {}, None),
        ("gpt2", ["up=0.5"], {}, "a class of their own"),
    ],
)
def test_the_light(family: str, settings: list[str], options: dict[str, str], words: str | None) -> None:
    facts = of_config({**CONFIG, "model_type": family})
    plan = parse_settings(settings, facts.groups)
    found = light("llm-compressor", Wanted(facts, plan, MaskOptions.of(options), "wanda"))
    assert found.state == ("loads" if words is None else "cannot")
    assert (words or "by Wanda") in found.reason


def test_a_recipe_that_trains_is_none_of_llm_compressors() -> None:
    facts = of_config({**CONFIG, "model_type": "llama"})
    plan = parse_settings(["up=0.5"], facts.groups)
    assert light("llm-compressor", Wanted(facts, plan, trained=True)).state == "cannot"
