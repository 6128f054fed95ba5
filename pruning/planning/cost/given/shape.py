"""The sizes of a model's matrices, from its configuration: what memory, disk and time are worked out from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pruning.errors import PruningError

# Names of the same in the configurations of different families.
_NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model", "dim"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads", "multi_query_group_num", "n_head_kv"),
    "head": ("head_dim", "kv_channels"),
    "inner": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim"),
    "vocabulary": ("vocab_size",),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "active": ("num_experts_per_tok", "num_experts_per_token", "moe_topk"),
    "expert": ("moe_intermediate_size", "expert_ffn_hidden_size"),
    "shared": ("shared_expert_intermediate_size",),
}
# Families whose MLP has two matrices, and those whose head is the embedding where nothing is said of it.
PLAIN_MLP = frozenset(
    (
        "bloom",
        "codegen",
        "falcon",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "mpt",
        "nemotron",
        "opt",
        "phi",
        "phimoe",
        "starcoder2",
    )
)
TIED = frozenset(
    (
        "bloom",
        "cohere",
        "cohere2",
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "mpt",
        "opt",
    )
)
# What a matrix reads: groups with the same inputs have one covariance.
INPUTS = {"qkv": "qkv", "attn_out": "attn_out", "gate": "gate", "up": "gate", "down": "down"}


@dataclass(frozen=True)
class Matrix:
    """A matrix of a layer, [rows, columns], by the kind of its group; `count`: so many experts have one each,
    of which a token goes through `active`."""

    kind: str
    rows: int
    columns: int
    count: int = 1
    active: int = 1

    @property
    def weights(self) -> int:
        """Weights of all that there are."""
        return self.rows * self.columns * self.count

    @property
    def shares_inputs(self) -> bool:
        """Whether another matrix before it reads just what it reads."""
        return INPUTS[self.kind] != self.kind


@dataclass(frozen=True)
class ModelShape:
    """The widths of a decoder model.

    Attributes
    ----------
    layers, hidden, vocabulary
        How many layers, features of a state, and words.
    queries, keys_values
        Rows that a layer computes of queries, and of keys and values together.
    inner, gated
        Neurons of an MLP, or of one expert; whether it has a gate.
    experts, active, shared
        Experts of a layer, how many a token goes through, and neurons of one that all go through.
    tied
        Whether the head is the embedding.
    weight_bytes
        Bytes of a weight in the files.
    parameters
        All weights, as counted in the headers; None: worked out from the widths.
    """

    layers: int
    hidden: int
    vocabulary: int
    queries: int
    keys_values: int
    inner: int
    gated: bool = True
    experts: int = 1
    active: int = 1
    shared: int = 0
    tied: bool = False
    weight_bytes: int = 2
    parameters: int | None = None

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """The matrices of one layer, in the order in which they are run."""
        return (
            Matrix("qkv", self.queries + self.keys_values, self.hidden),
            Matrix("attn_out", self.hidden, self.queries),
            *self._mlp(self.inner, self.experts, self.active),
            *(self._mlp(self.shared, 1, 1) if self.shared else ()),
        )

    def _mlp(self, inner: int, count: int, active: int) -> Iterator[Matrix]:
        if self.gated:
            yield Matrix("gate", inner, self.hidden, count, active)
        yield Matrix("up" if self.gated else "gate", inner, self.hidden, count, active)
        yield Matrix("down", self.hidden, inner, count, active)

    @property
    def embedding(self) -> int:
        """Weights of the table of words, and as many of the head."""
        return self.vocabulary * self.hidden

    @property
    def tables(self) -> int:
        """Weights of embedding and head, each once."""
        return self.embedding * (1 if self.tied else 2)

    @property
    def total(self) -> int:
        """All weights."""
        return self.parameters if self.parameters is not None else self._counted()

    @property
    def layer(self) -> int:
        """Weights of one layer, on average."""
        return max(0, self.total - self.tables) // self.layers

    @property
    def prunable(self) -> int:
        """Weights of all groups."""
        return self.layers * sum(matrix.weights for matrix in self.matrices)

    @property
    def operations(self) -> int:
        """Operations of one token through all layers: two for every weight that it meets."""
        return 2 * self.layers * sum(m.rows * m.columns * m.active for m in self.matrices)

    @property
    def head_operations(self) -> int:
        """Operations of one token in the head."""
        return 2 * self.embedding

    def _counted(self) -> int:
        routers = self.layers * self.hidden * self.experts if self.experts > 1 else 0
        norms = (2 * self.layers + 1) * self.hidden
        return self.prunable + self.tables + routers + norms


def shape_of(
    config: Mapping[str, Any], parameters: int | None = None, weight_bytes: int = 2, tied: bool | None = None
) -> ModelShape:
    """The shape that a configuration asks for.

    Parameters
    ----------
    config
        As in config.json; that of the text where the model reads pictures too.
    parameters
        How many weights the files hold, where that is known.
    weight_bytes
        Bytes of a weight in the files.
    tied
        Whether the head is the embedding, where the files tell.

    Raises
    ------
    PruningError
        The configuration does not say how wide the model is.
    """
    outer, config = config, config.get("text_config") or config
    hidden, layers = _said(config, "hidden"), _said(config, "layers")
    heads = _said(config, "heads")
    inner = _said(config, "inner", 4 * hidden)
    experts = _said(config, "experts", 1)
    head = _said(config, "head", max(1, hidden // max(1, heads)))
    kind = str(config.get("model_type", outer.get("model_type", "")))
    said = outer.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    shape = ModelShape(
        layers=layers,
        hidden=hidden,
        vocabulary=_said(config, "vocabulary"),
        queries=heads * head,
        keys_values=2 * head * _said(config, "kv_heads", 1 if config.get("multi_query") else heads),
        inner=_said(config, "expert", inner) if experts > 1 else inner,
        gated=kind not in PLAIN_MLP,
        experts=experts,
        active=min(experts, _said(config, "active", 1)) if experts > 1 else 1,
        shared=_said(config, "shared", 0) if experts > 1 else 0,
        tied=tied if tied is not None else bool(said if said is not None else kind in TIED),
        weight_bytes=weight_bytes,
    )
    return replace(shape, parameters=parameters)


def _said(config: Mapping[str, Any], what: str, otherwise: int | None = None) -> int:
    """A number of the configuration by any of its names; PruningError for one that has to be there."""
    for name in _NAMES[what]:
        value = config.get(name)
        # Where layers differ the widest decides.
        value = max(value, default=None) if isinstance(value, list) else value
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    if otherwise is None:
        raise PruningError(
            f"The configuration does not say {_NAMES[what][0]}, so that nothing can be worked out from it. "
            "Give one of a decoder model."
        )
    return otherwise
