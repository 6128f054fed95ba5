"""The metadata of a GGUF file that says what the model is, but for its tokenizer."""

from collections.abc import Sequence
from typing import Any

import gguf
from torch import nn

from pruning.engine.models.gguf.layout import Layout
from pruning.errors import PruningError


def add_hyperparameters(writer: gguf.GGUFWriter, model: nn.Module, layout: Layout) -> None:
    """Say widths, norms, rotary embedding and windows.

    Raises PruningError for a scaling or a window that llama.cpp would not follow.
    """
    holder: Any = model.config
    config = holder.get_text_config()
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(len(layout.heads))
    writer.add_feed_forward_length(_widths(layout, layout.neurons))
    writer.add_head_count(_widths(layout, layout.heads))
    writer.add_head_count_kv(_widths(layout, layout.kv_heads))
    writer.add_key_length(layout.head_size)
    writer.add_value_length(layout.head_size)
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        eps = getattr(config, "layer_norm_epsilon", None) or config.layer_norm_eps
        writer.add_layer_norm_eps(eps)
    if hasattr(config, "use_parallel_residual"):
        writer.add_parallel_residual(config.use_parallel_residual)
    _check_activation(config)
    _add_caps(writer, config, layout)
    _add_windows(writer, config)
    _add_rotary(writer, config, layout)


def _widths(layout: Layout, widths: Sequence[int]) -> int | list[int]:
    return list(widths) if layout.by_layer else widths[0]


def _check_activation(config: Any) -> None:
    name = getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", None)
    name = name or getattr(config, "activation_function", "silu")
    if name not in ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh"):
        raise PruningError(f'llama.cpp has no "{name}" for this family. Export to hf instead.')


def _add_caps(writer: gguf.GGUFWriter, config: Any, layout: Layout) -> None:
    if getattr(config, "attn_logit_softcapping", None):
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    if getattr(config, "final_logit_softcapping", None):
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    scalar = getattr(config, "query_pre_attn_scalar", layout.head_size)
    if scalar != layout.head_size:
        raise PruningError(
            f"Attention of this model is scaled by {scalar}, and llama.cpp would scale it by the size of a "
            f"head, {layout.head_size}. Export to hf instead."
        )


def _add_windows(writer: gguf.GGUFWriter, config: Any) -> None:
    """Sliding windows, and which layers have them; what llama.cpp reads of a pattern are the layers kept."""
    kinds = getattr(config, "layer_types", None) or []
    if "sliding_attention" not in kinds:
        return
    writer.add_sliding_window(config.sliding_window)
    writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in kinds])


def _add_rotary(writer: gguf.GGUFWriter, config: Any, layout: Layout) -> None:
    rope = getattr(config, "rope_parameters", None)
    if not rope:
        return
    full = rope.get("full_attention", rope)
    if "sliding_attention" in rope:
        writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
    writer.add_rope_dimension_count(int(layout.head_size * full.get("partial_rotary_factor", 1.0)))
    writer.add_rope_freq_base(full["rope_theta"])
    kind = full.get("rope_type", "default")
    original = full.get("original_max_position_embeddings") or config.max_position_embeddings
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(full["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(full["factor"])
        writer.add_rope_scaling_orig_ctx_len(original)
    elif kind == "longrope":
        writer.add_rope_scaling_orig_ctx_len(original)
    elif kind not in ("default", "llama3"):
        raise PruningError(f'llama.cpp does not know the rotary scaling "{kind}". Export to hf instead.')
