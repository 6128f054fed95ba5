"""The tensors of a GGUF file: their names, and how each is made of the model's parameters and back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.models.gguf.layout import Layout
from pruning.errors import PruningError


@dataclass(frozen=True)
class Stored:
    """One tensor of the file.

    Attributes
    ----------
    name
        Its name in the file.
    sources
        The model's parameters it is made of, one below the other.
    shape
        [out, in] or [width].
    transposed
        The parameters are [in, out].
    order
        Which row of the parameters each of its rows is; None: as they are.
    offset
        What is added to each value.
    """

    name: str
    sources: tuple[str, ...]
    shape: tuple[int, ...]
    transposed: bool = False
    order: tuple[int, ...] | None = None
    offset: float = 0.0

    def values(self, parameter: Callable[[str], torch.Tensor]) -> np.ndarray:
        """What is stored, float32."""
        parts = [parameter(name).detach().cpu().float() for name in self.sources]
        tensor = torch.cat([part.T if self.transposed else part for part in parts])
        if self.order is not None:
            tensor = tensor[list(self.order)]
        return np.ascontiguousarray((tensor + self.offset if self.offset else tensor).numpy())

    def parameters(self, values: np.ndarray, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """The model's parameters again, float32; `rows` are how many each of them has."""
        tensor = torch.from_numpy(np.array(values, np.float32))
        if self.order is not None:
            back = torch.empty_like(tensor)
            back[list(self.order)] = tensor
            tensor = back
        parts = (tensor - self.offset if self.offset else tensor).split(list(rows))
        return {
            name: (part.T if self.transposed else part).contiguous()
            for name, part in zip(self.sources, parts, strict=True)
        }


def stored_tensors(model: nn.Module, layout: Layout) -> list[Stored]:
    """All tensors of the file, in the order in which they are written.

    Raises PruningError for a parameter that the architecture has no place for.
    """
    parameters = dict(model.named_parameters())
    names = gguf.get_tensor_name_map(_architecture(layout.architecture), len(layout.heads))
    tensors = []
    for name, parameter in parameters.items():
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if stored is None and not (layout.architecture == "openelm" and _projection(name)):
            raise PruningError(
                f"{name} has no place in llama.cpp's {layout.architecture}. Export to hf instead."
            )
        if stored is not None and not (layout.architecture == "openelm" and _projection(name)):
            tensors.append(_one(model, layout, name, stored, parameter))
    if layout.architecture == "openelm":
        tensors += [_fused(model, path, index) for index, (path, _) in enumerate(decoder_layers(model))]
    return tensors


def _architecture(name: str) -> gguf.MODEL_ARCH:
    return next(kind for kind, text in gguf.MODEL_ARCH_NAMES.items() if text == name)


def _projection(name: str) -> bool:
    return name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))


def _fused(model: nn.Module, path: str, layer: int) -> Stored:
    """Queries, keys and values of a layer as one tensor."""
    sources = tuple(f"{path}.self_attn.{letter}_proj.weight" for letter in "qkv")
    shapes = [model.get_parameter(name).shape for name in sources]
    return Stored(f"blk.{layer}.attn_qkv.weight", sources, (sum(s[0] for s in shapes), shapes[0][1]))


def _one(model: nn.Module, layout: Layout, name: str, stored: str, parameter: torch.Tensor) -> Stored:
    module = model.get_submodule(name.rpartition(".")[0])
    transposed = isinstance(module, Conv1D) and parameter.ndim == 2
    shape = tuple(parameter.T.shape if transposed else parameter.shape)
    is_norm = parameter.ndim == 1 and name.endswith(".weight")
    offset = layout.family.norm_offset if is_norm else 0.0
    return Stored(stored, (name,), shape, transposed, _order(layout, name, shape[0]), offset)


def _order(layout: Layout, name: str, rows: int) -> tuple[int, ...] | None:
    """The order of the rows of queries and keys, where it is another than the model's."""
    if layout.paired and any(part in name for part in (".q_proj.", ".k_proj.")):
        halves = np.arange(rows).reshape(rows // layout.head_size, 2, layout.head_size // 2)
        return tuple(halves.swapaxes(1, 2).reshape(-1).tolist())
    if "query_key_value" in name:  # head by head queries, keys, values: all queries go first
        heads = np.arange(rows).reshape(rows // (3 * layout.head_size), 3, layout.head_size)
        return tuple(heads.swapaxes(0, 1).reshape(-1).tolist())
    return None


def rotary_factors(model: nn.Module) -> Iterator[tuple[str, np.ndarray]]:
    """What rotary embedding's frequencies are divided by where a family's scaling cannot be told in words."""
    config: Any = model.config
    rope = getattr(config.get_text_config(), "rope_parameters", None) or {}
    kind = rope.get("rope_type")
    if kind == "longrope":
        for length in ("long", "short"):
            yield f"rope_factors_{length}.weight", np.array(rope[f"{length}_factor"], np.float32)
    if kind == "llama3":
        embedding = next(m for name, m in model.named_modules() if name.endswith("rotary_emb"))
        actual: Any = embedding.inv_freq
        plain = rope["rope_theta"] ** -(torch.arange(len(actual), device=actual.device) / len(actual))
        yield "rope_freqs.weight", (plain / actual).float().cpu().numpy()
