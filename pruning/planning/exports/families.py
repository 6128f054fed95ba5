"""What the configuration of each model family can say of fewer heads; fewer neurons or layers all can.

`pruning.engine.structured.surgery.form_of` asks transformers itself; tests hold this table to it.
"""

from dataclasses import dataclass
from typing import Literal

# "any": any number of heads; "divisors": one that divides the hidden size; "fixed": hidden size / head size.
HeadCounts = Literal["any", "divisors", "fixed"]


@dataclass(frozen=True)
class Family:
    """A family of models: its name for people, and the numbers of heads that its configuration allows.

    `gated`: its MLPs have a gate beside up and down; `fused`: in one module with up. `linear`: its modules
    are torch's own Linear.
    """

    name: str
    heads: HeadCounts
    gated: bool = True
    fused: bool = False
    linear: bool = True


FAMILIES = {
    "llama": Family("Llama", "divisors"),
    "mistral": Family("Mistral", "any"),
    "qwen2": Family("Qwen2", "any"),
    "qwen3": Family("Qwen3", "any"),
    "gemma": Family("Gemma", "divisors"),
    "gemma2": Family("Gemma 2", "divisors"),
    "gemma3": Family("Gemma 3", "divisors"),
    "phi3": Family("Phi-3", "any", fused=True),
    "gpt2": Family("GPT-2", "fixed", gated=False, linear=False),
    "opt": Family("OPT", "fixed", gated=False),
    "gptneox": Family("GPT-NeoX", "fixed", gated=False),
}


def family_key(name: str) -> str:
    """The key of a family in `FAMILIES`, from a model_type or the name of a model's class."""
    for ending in ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"):
        name = name.removesuffix(ending)
    return name.lower().replace("_", "").removesuffix("text")
