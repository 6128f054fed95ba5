"""Which model families GGUF has a form for, and where in their layers what decides it stands."""

from dataclasses import dataclass
from typing import Any

from pruning.errors import PruningError


@dataclass(frozen=True)
class Family:
    """How a family of transformers is told in GGUF.

    Attributes
    ----------
    architecture
        `general.architecture` where all layers are alike.
    by_layer
        The architecture that takes widths of every layer its own; None where llama.cpp has none for it.
    paired
        Queries and keys are stored so that the two numbers that rotary embedding turns stand side by side.
    norm_offset
        What is added to the weights of norms as they are stored.
    attention, out, down
        The attention module in a layer, the projection out of it, and the one that neurons feed.
    free_heads
        Heads of all layers together need not make the hidden size.
    """

    architecture: str
    by_layer: str | None = None
    paired: bool = False
    norm_offset: float = 0.0
    attention: str = "self_attn"
    out: str = "self_attn.o_proj"
    down: str = "mlp.down_proj"
    free_heads: bool = False


_LLAMA = Family("llama", by_layer="deci", paired=True, free_heads=True)
_GEMMA: dict[str, Any] = {"norm_offset": 1.0, "free_heads": True}
FAMILIES = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": Family("qwen2", by_layer="deci"),
    "qwen3": Family("qwen3", by_layer="openelm", free_heads=True),
    "gemma": Family("gemma", **_GEMMA),
    "gemma2": Family("gemma2", **_GEMMA),
    "gemma3_text": Family("gemma3", **_GEMMA),
    "phi3": Family("phi3"),
    "gpt2": Family("gpt2", attention="attn", out="attn.c_proj", down="mlp.c_proj"),
    "gpt_neox": Family("gptneox", attention="attention", out="attention.dense", down="mlp.dense_4h_to_h"),
}


def family_of(model: Any) -> Family:
    """The family of a model. Raises PruningError where GGUF has no form for it that is known here."""
    kind = model.config.get_text_config().model_type
    if kind not in FAMILIES:
        raise PruningError(
            f"How {type(model).__name__} is written as GGUF is not known here; {', '.join(FAMILIES)} are. "
            "Export to hf instead."
        )
    return FAMILIES[kind]
