"""A made-up model and its map, of any number of layers, for benches and tests: nothing in it is measured."""

from __future__ import annotations

import numpy as np

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, Group
from pruning.workspace.store import Store

FINGERPRINT = "feedfacecafe0123"
DATA_FINGERPRINT = "0123456789abcdef"
LEVELS = tuple(round(0.1 * i, 1) for i in range(1, 10))
SIZES = {"qkv": 552_960, "attn_out": 331_776, "gate": 884_736, "up": 884_736, "down": 884_736}
SHAPES = {
    "qkv": (960, 576),
    "attn_out": (576, 576),
    "gate": (1536, 576),
    "up": (1536, 576),
    "down": (576, 1536),
}
VOCABULARY, WIDTH = 49_152, 576
UNITS = {"neurons": 1536, "heads": 9, "kv_groups": 3}
UNPRUNED = 28_346_688  # embeddings and norms
TIMES = {"fisher": 1.0, "wanda": 1.2, "magnitude": 4.0}  # what criteria cost beside the first
WEIGHT = {"qkv": 0.4, "attn_out": 0.5, "gate": 0.6, "up": 0.8, "down": 1.3}


def groups(layers: int = 30) -> list[Group]:
    return [(layer, kind) for layer in range(layers) for kind in KINDS]


def sensitivity_map(model: str = "demo", layers: int = 30, criterion: str = "fisher") -> SensitivityMap:
    """Costs that grow with the level, with a delicate start, end and down projection."""
    random = np.random.default_rng(7)
    every = groups(layers)
    base = np.array(
        [
            0.008 * WEIGHT[kind] * (1 + 4 * np.exp(-layer / 1.5) + 6 * np.exp((layer - layers + 1) / 1.2))
            for layer, kind in every
        ]
    ) * np.exp(0.35 * random.standard_normal(len(every)))
    parameters = np.array([SIZES[kind] for _, kind in every])
    whole = int(parameters.sum()) + UNPRUNED
    shape = np.array([(level / 0.5) ** 3.2 for level in LEVELS])
    kronecker = TIMES.get(criterion, 2.0) * base[:, None] * shape[None, :]
    return SensitivityMap(
        model=model,
        fingerprint=FINGERPRINT,
        criterion=criterion,
        data="demo",
        data_fingerprint=DATA_FINGERPRINT,
        levels=LEVELS,
        groups=tuple(every),
        parameters=parameters,
        kronecker=kronecker,
        token=kronecker * np.exp(0.2 * random.standard_normal(kronecker.shape)),
        dense={
            "perplexity": 33.8,
            "accuracy": 0.391,
            "bytes": 4 * whole + 30_376,
            "parameters": whole,
            "weight_bytes": 4,
        },
        seconds=21.0,
        dense_forwards=6.4,
    )


def put_model(store: Store, reference: str = "demo", layers: int = 30) -> None:
    """As if the model had been loaded."""
    every = groups(layers)
    prunable = sum(SIZES[kind] for _, kind in every)
    facts = {
        "reference": reference,
        "architecture": "LlamaForCausalLM",
        "parameters": prunable + UNPRUNED,
        "prunable_parameters": prunable,
        "layers": layers,
        "groups": [
            {
                "layer": layer,
                "kind": kind,
                "modules": [f"{layer}.{kind}"],
                "parameters": SIZES[kind],
                "shape": list(SHAPES[kind]),
            }
            for layer, kind in every
        ],
        "embedding_parameters": VOCABULARY * WIDTH,
        "head_parameters": VOCABULARY * WIDTH,
        "tied_head": True,
        "fingerprint": FINGERPRINT,
        "dtype": "float32",
        "device": "cpu",
        "bytes": 4 * (prunable + UNPRUNED),
        "hidden_size": WIDTH,
        "vocabulary": VOCABULARY,
        "units": {name: [count] * layers for name, count in UNITS.items()},
        "no_heads": None,
        "writable": {"heads": [3, 6, 8], "kv_groups": [1, 2]},
    }
    store.put("inspect", {"reference": reference, "dtype": "float32"}, facts)


def put_map(store: Store, layers: int = 30, criterion: str = "fisher") -> SensitivityMap:
    """As if the map had been drawn."""
    smap = sensitivity_map(layers=layers, criterion=criterion)
    key = {"fingerprint": FINGERPRINT, "criterion": criterion, "data": "demo", "levels": list(LEVELS)}
    store.put("map", key, smap.to_dict())
    return smap
