"""Groups are found from structure, cover every linear weight, and are told apart by what they do."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    DeepseekV3Config,
    MambaConfig,
    MixtralConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.groups import (
    GroupInfo,
    Part,
    decoder_layers,
    find_groups,
    group_weight,
    weight_view,
)
from pruning.engine.models.load import fingerprint
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, HIDDEN, INNER, LAYERS, tiny_model

TWO_MATRIX = {"gpt2", "opt", "gpt_neox"}
IDS = torch.arange(3, 15).unsqueeze(0)


def of(groups: Sequence[GroupInfo], layer: int, kind: str) -> GroupInfo:
    return next(group for group in groups if group.key == (layer, kind))


def zero(model: nn.Module, group: GroupInfo) -> None:
    for part in group.parts:
        weight_view(model, part).zero_()


def module_inputs(model: nn.Module, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """The last inputs of the named modules, in one forward pass."""
    recorded: dict[str, torch.Tensor] = {}
    handles = [
        model.get_submodule(name).register_forward_pre_hook(
            lambda _, args, name=name: recorded.__setitem__(name, args[0].clone())
        )
        for name in names
    ]
    try:
        with torch.no_grad():
            model(input_ids=IDS)
    finally:
        for handle in handles:
            handle.remove()
    return recorded


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_has_its_kinds_in_order(family: str) -> None:
    groups = find_groups(tiny_model(family))
    kinds = (
        ["qkv", "attn_out", "up", "down"]
        if family in TWO_MATRIX
        else ["qkv", "attn_out", "gate", "up", "down"]
    )
    assert [group.key for group in groups] == [(i, kind) for i in range(LAYERS) for kind in kinds]


@pytest.mark.parametrize("family", FAMILIES)
def test_groups_cover_each_linear_weight_of_the_layers_once(family: str) -> None:
    model = tiny_model(family)
    groups = find_groups(model)
    linear = sum(
        module.weight.numel()
        for _, layer in decoder_layers(model)
        for module in layer.modules()
        if isinstance(module, (nn.Linear, Conv1D))
    )
    assert sum(group.parameters for group in groups) == linear
    for group in groups:
        zero(model, group)
    left = [p for _, layer in decoder_layers(model) for p in layer.parameters() if p.ndim >= 2 and p.any()]
    assert left == []


@pytest.mark.parametrize("family", FAMILIES)
def test_views_are_out_by_in_and_share_memory(family: str) -> None:
    model = tiny_model(family)
    shapes = {
        "attn_out": (HIDDEN, HIDDEN),
        "gate": (INNER, HIDDEN),
        "up": (INNER, HIDDEN),
        "down": (HIDDEN, INNER),
    }
    for group in find_groups(model):
        for part in group.parts:
            view = weight_view(model, part)
            assert view.shape == shapes.get(group.kind, (view.shape[0], HIDDEN))
            assert not view.requires_grad
            view[0, -1] = 123.0
            stored = model.get_submodule(part.module).weight
            stored = stored.T if family == "gpt2" else stored
            assert stored[part.rows[0] if part.rows else 0, -1] == 123.0
            assert int((stored == 123.0).sum()) == 1
            view[0, -1] = 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_groups_do_what_they_are_named_for(family: str) -> None:
    model = tiny_model(family)
    groups = find_groups(model)
    out = of(groups, 1, "attn_out").parts[0].module
    before = module_inputs(model, [out])[out]
    zero(model, of(groups, 1, "up"))
    assert torch.equal(module_inputs(model, [out])[out], before)  # the MLP comes after, or beside
    zero(model, of(groups, 1, "qkv"))
    after = module_inputs(model, [out])[out]
    assert not torch.allclose(after, before)
    # Without q and k every position attends alike; without v what comes out is the same bias everywhere.
    assert torch.allclose(after, after[:, :1].expand_as(after))


@pytest.mark.parametrize("family", FAMILIES)
def test_zero_attn_out_and_down_make_the_layer_pass_its_input_on(family: str) -> None:
    model = tiny_model(family)
    groups = find_groups(model)
    for _, layer in decoder_layers(model):
        for name, parameter in layer.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    zero(model, of(groups, 1, "attn_out"))
    zero(model, of(groups, 1, "down"))
    with torch.no_grad():
        states = model(input_ids=IDS, output_hidden_states=True).hidden_states
    assert torch.equal(states[1], states[2])
    assert not torch.allclose(states[0], states[1])


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in TWO_MATRIX])
def test_down_input_is_linear_in_up_and_not_in_gate(family: str) -> None:
    model = tiny_model(family)
    groups = find_groups(model)
    down = of(groups, 2, "down").parts[0].module
    before = module_inputs(model, [down])[down]
    for kind, linear in (("up", True), ("gate", False)):
        (part,) = of(groups, 2, kind).parts
        weight_view(model, part).mul_(-3.0)
        after = module_inputs(model, [down])[down]
        assert torch.allclose(after, -3.0 * before, rtol=1e-4, atol=1e-5) is linear
        weight_view(model, part).div_(-3.0)


def test_gate_is_told_from_up_whatever_its_name_and_order(llama: PreTrainedModel) -> None:
    for _, layer in decoder_layers(llama):
        layer.mlp.gate_proj, layer.mlp.up_proj = layer.mlp.up_proj, layer.mlp.gate_proj

        def forward(x: torch.Tensor, mlp: nn.Module = layer.mlp) -> torch.Tensor:
            up = mlp.gate_proj(x)
            return mlp.down_proj(nn.functional.relu(mlp.up_proj(x)) * up)

        layer.mlp.forward = forward
    groups = find_groups(llama)
    assert of(groups, 0, "gate").parts == (Part("model.layers.0.mlp.up_proj"),)
    assert of(groups, 0, "up").parts == (Part("model.layers.0.mlp.gate_proj"),)


def test_gate_is_told_from_up_when_all_their_weights_are_zero(llama: PreTrainedModel) -> None:
    expected = find_groups(llama)
    for group in expected:
        zero(llama, group)
    assert find_groups(llama) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_finding_groups_leaves_the_model_as_it_was(family: str) -> None:
    model = tiny_model(family)
    before = fingerprint(model)
    model.train()
    find_groups(model)
    assert fingerprint(model) == before
    assert all(module.training for module in model.modules())
    assert not any(
        m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__ for m in model.modules()
    )


def test_a_failing_model_is_left_without_hooks(llama: PreTrainedModel) -> None:
    def fail(_: nn.Module, args: tuple) -> None:
        raise RuntimeError("broken")

    handle = llama.model.layers[2].mlp.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="broken"):
        find_groups(llama)
    handle.remove()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in llama.modules())


SMALL = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def test_mixture_of_experts_is_named_and_refused() -> None:
    config = MixtralConfig(**SMALL, intermediate_size=16, num_key_value_heads=2, num_local_experts=2)
    with pytest.raises(PruningError, match=r"model\.layers\.0\.mlp\..*weights are not in a linear module"):
        find_groups(AutoModelForCausalLM.from_config(config))


def test_latent_attention_is_named_and_refused() -> None:
    config = DeepseekV3Config(
        **SMALL,
        intermediate_size=64,
        num_key_value_heads=4,
        q_lora_rank=8,
        kv_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=4,
        v_head_dim=8,
        first_k_dense_replace=2,
    )
    with pytest.raises(PruningError, match=r"model\.layers\.0\.self_attn\.q_b_proj"):
        find_groups(AutoModelForCausalLM.from_config(config))


def test_state_space_models_are_refused() -> None:
    model = AutoModelForCausalLM.from_config(MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2))
    with pytest.raises(PruningError, match=r"not understood at backbone\.layers\.0\.mixer"):
        find_groups(model)


def test_encoder_decoder_models_are_refused() -> None:
    model = T5ForConditionalGeneration(
        T5Config(vocab_size=64, d_model=16, d_ff=16, d_kv=4, num_layers=1, num_heads=4)
    )
    with pytest.raises(PruningError, match="T5ForConditionalGeneration has"):
        find_groups(model)


def test_an_adapter_beside_a_linear_module_is_named(llama: PreTrainedModel) -> None:
    llama.model.layers[1].self_attn.adapter = nn.Linear(HIDDEN, 2)
    with pytest.raises(PruningError, match=r"model\.layers\.1\.self_attn\.adapter: it is not called"):
        find_groups(llama)


def test_weights_shared_between_layers_are_named(llama: PreTrainedModel) -> None:
    llama.model.layers[2].mlp.up_proj.weight = llama.model.layers[0].mlp.up_proj.weight
    with pytest.raises(
        PruningError, match=r"model\.layers\.0\.mlp\.up_proj: its weight is used by more than one"
    ):
        find_groups(llama)


def test_a_gate_that_does_nothing_nonlinear_cannot_be_told_apart(llama: PreTrainedModel) -> None:
    for _, layer in decoder_layers(llama):
        layer.mlp.act_fn = nn.Identity()
    with pytest.raises(
        PruningError, match="gate and up cannot be told apart in mlp.gate_proj and mlp.up_proj"
    ):
        find_groups(llama)


@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3"])
def test_a_groups_weight_is_a_copy_of_its_parts_one_below_the_other(family: str) -> None:
    model = tiny_model(family)
    for group in find_groups(model):
        weight = group_weight(model, group)
        assert group.key == group.key
        assert weight.numel() == group.parameters
        assert torch.equal(weight, torch.cat([weight_view(model, part) for part in group.parts]))
        before = weight.clone()
        weight.zero_()
        assert torch.equal(group_weight(model, group), before)
