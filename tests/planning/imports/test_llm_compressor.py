"""Recipes of llm-compressor as plans: targets, levels, structures, and what is left out."""

from typing import Any

import pytest

from pruning.errors import PruningError
from pruning.planning.exports.llm_compressor import llm_compressor_recipe
from pruning.planning.imports.imported import Imported, Module
from pruning.planning.imports.read import read_plan
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import KINDS

PARTS = {
    "qkv": {"self_attn.q_proj": 16, "self_attn.k_proj": 8, "self_attn.v_proj": 8},
    "attn_out": {"self_attn.o_proj": 16},
    "gate": {"mlp.gate_proj": 32},
    "up": {"mlp.up_proj": 32},
    "down": {"mlp.down_proj": 32},
}
MODULES = [
    Module(f"model.layers.{layer}.{name}", (layer, kind), size)
    for layer in range(12)
    for kind, parts in PARTS.items()
    for name, size in parts.items()
]
EVERY = {(layer, kind): 0.5 for layer in range(12) for kind in KINDS}
STAGE = "test_stage:\n  pruning_modifiers:\n    {modifier}:\n"


def read(tmp_path: Any, text: str) -> Imported:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return read_plan(str(path), MODULES)


def of_fields(tmp_path: Any, fields: str, modifier: str = "SparseGPTModifier") -> Imported:
    lines = "".join(f"      {line}\n" for line in fields.splitlines())
    return read(tmp_path, STAGE.format(modifier=modifier) + lines)


@pytest.mark.parametrize(
    ("modifier", "field", "criterion"),
    [
        ("SparseGPTModifier", "sparsity", "sparsegpt"),
        ("WandaPruningModifier", "sparsity", "wanda"),
        ("MagnitudePruningModifier", "final_sparsity", "magnitude"),
    ],
)
def test_what_prunes_there_has_its_criterion_here(
    tmp_path: Any, modifier: str, field: str, criterion: str
) -> None:
    found = of_fields(tmp_path, f"{field}: 0.5", modifier)
    assert (found.plan, found.criterion, found.options) == (EVERY, criterion, DEFAULT)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("[Linear]", EVERY),
        ("__ALL_PRUNABLE__", EVERY),
        ("[LlamaDecoderLayer]", EVERY),
        (r"['re:model.layers.\d*$']", EVERY),
        ("['re:.*mlp.*']", {group: 0.5 for group in EVERY if group[1] in ("gate", "up", "down")}),
        ("[model.layers.1]", {group: 0.5 for group in EVERY if group[0] == 1}),
        ("['re:.*down_proj']\nignore: ['re:.*layers.[0-9][.].*']", {(10, "down"): 0.5, (11, "down"): 0.5}),
        ("[Linear]\nignore: [lm_head, model.layers.0]", {g: 0.5 for g in EVERY if g[0]}),
    ],
)  # fmt: skip
def test_targets_are_classes_names_and_patterns(tmp_path: Any, targets: str, expected: Any) -> None:
    assert of_fields(tmp_path, f"sparsity: 0.5\ntargets: {targets}").plan == expected


def test_modules_of_one_group_get_their_mean_and_it_is_said(tmp_path: Any) -> None:
    found = of_fields(tmp_path, "sparsity: 0.5\ntargets: ['re:.*q_proj']")
    assert found.plan == {(layer, "qkv"): 0.25 for layer in range(12)}
    assert "12 groups had different levels" in found.notes[0]


@pytest.mark.parametrize(
    ("structure", "pattern"), [("'2:4'", "2:4"), ("'3:4'", "1:4"), ("'0:0'", None), ("unstructured", None)]
)
def test_n_of_m_counts_what_stays(tmp_path: Any, structure: str, pattern: str | None) -> None:
    found = of_fields(tmp_path, f"sparsity: 0.5\nmask_structure: {structure}")
    assert found.options == (MaskOptions("n:m", pattern) if pattern else DEFAULT)


def test_what_quantizes_is_left_out_and_said(tmp_path: Any) -> None:
    text = STAGE.format(modifier="SparseGPTModifier") + "      sparsity: 0.5\n"
    found = read(tmp_path, text + "  quant_modifiers:\n    GPTQModifier:\n      scheme: W4A16\n")
    assert found.plan == EVERY
    assert "GPTQModifier quantizes" in found.notes[0]


def test_what_was_exported_comes_back(tmp_path: Any) -> None:
    levels = {module.name: 0.25 + 0.05 * module.group[0] for module in MODULES if module.group[0] > 3}
    found = read(tmp_path, llm_compressor_recipe(levels, "wanda", MaskOptions("n:m", "1:4")))
    assert found.plan == pytest.approx({g: 0.25 + 0.05 * g[0] for g in EVERY if g[0] > 3})
    assert (found.criterion, found.options) == ("wanda", MaskOptions("n:m", "1:4"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("sparsity: 1.5", "0 to 0.95"),
        ("sparsity: true", "0 to 0.95"),
        ("sparsity: .nan", "0 to 0.95"),
        ("targets: [Linear]", "is None"),
        ("sparsity: [0.5, 0.6]", "2 levels for 1 target"),
        ("sparsity: 0.5\ntargets: [lm_head]", "meets no module"),
        ("sparsity: 0.5\ntargets: 3", "have to be names"),
        ("sparsity: 0.5\ntargets: ['re:(']", "no regular expression"),
        ("sparsity: 0.5\ntargets: ['re:(a+)+$']", "for ever"),
        ("sparsity: 0.5\ntargets: ['re:(a|a)*$']", "for ever"),
        ("sparsity: 0.5\ntargets: ['re:((a+))+$']", "for ever"),
        ("sparsity: 0.5\ntargets: ['re:.*.*.*.*.*x']", "for ever"),
        ("sparsity: 0.5\nignore: [Linear]", "ignores every module"),
        ("sparsity: 0.5\nmask_structure: '4:4'", "not known here"),
        ("sparsity: 0.5\nmask_structure: block", "not known here"),
        ("sparsity: 0.5\nsparsity_profile: owl", "Solve for levels here"),
    ],
)
def test_what_cannot_be_had_is_said(tmp_path: Any, fields: str, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        of_fields(tmp_path, fields)


def test_recipes_that_do_not_prune_or_prune_twice_are_said(tmp_path: Any) -> None:
    with pytest.raises(PruningError, match="prunes nothing.*GPTQModifier"):
        of_fields(tmp_path, "scheme: W4A16", "GPTQModifier")
    twice = STAGE.format(modifier="SparseGPTModifier") + "      sparsity: 0.5\n"
    with pytest.raises(PruningError, match="more than once"):
        read(tmp_path, twice + "    WandaPruningModifier:\n      sparsity: 0.5\n")
