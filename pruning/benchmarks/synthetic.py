"""A made-up model and its map, of any number of layers, for benches and tests: nothing in it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pruning.planning.cost.latency_table import processor
from pruning.planning.cost.parts import Parts
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


def with_units(smap: SensitivityMap) -> SensitivityMap:
    """The same map with whole layers, heads, KV groups and neurons, which cost more in the first and last."""
    layers = 1 + max(layer for layer, _ in smap.groups)
    sizes = {
        "layers": sum(SIZES.values()) + 2 * WIDTH,
        "heads": 2 * SIZES["attn_out"],
        "kv_groups": SIZES["qkv"] + SIZES["attn_out"],
        "neurons": 3 * SIZES["up"],
    }
    # What half of them costs in a middle layer, and the power of the level that costs grow with.
    steep = {"layers": (0.1, 0.0), "heads": (0.01, 1.6), "kv_groups": (0.015, 1.6), "neurons": (0.02, 1.4)}
    every = [(layer, kind) for layer in range(layers) for kind in sizes]
    ends = [1 + 9 * np.exp(-layer) + 9 * np.exp(layer - layers + 1) for layer, _ in every]
    costs = np.array(
        [
            [half * end * (level / 0.5) ** power for level in smap.levels]
            for (half, power), end in zip((steep[kind] for _, kind in every), ends, strict=True)
        ]
    )
    return replace(
        smap,
        groups=(*smap.groups, *every),
        parameters=np.concatenate([smap.parameters, [sizes[kind] for _, kind in every]]),
        kronecker=np.concatenate([smap.kronecker, costs]),
        token=np.concatenate([smap.token, costs]),
        unit_totals={kind: dict.fromkeys(range(layers), n) for kind, n in {"layers": 1, **UNITS}.items()},
    )


def parts(layers: int) -> Parts:
    """The model that the made-up maps are about."""
    table = VOCABULARY * WIDTH
    return Parts(
        shapes={(layer, kind): shape for layer in range(layers) for kind, shape in SHAPES.items()},
        embedding=table,
        head=table,
        tied=True,
        rest=UNPRUNED - table,
        weight_bytes=4,
        units={kind: dict.fromkeys(range(layers), count) for kind, count in UNITS.items()},
        norms=dict.fromkeys(range(layers), 2 * WIDTH),
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


def put_map(store: Store, layers: int = 30, criterion: str = "fisher", units: bool = False) -> SensitivityMap:
    """As if the map had been drawn; with `units`, of whole units as well, as maps are now."""
    smap = sensitivity_map(layers=layers, criterion=criterion)
    smap = with_units(smap) if units else smap
    key = {"fingerprint": FINGERPRINT, "criterion": criterion, "data": "demo", "levels": list(LEVELS)}
    store.put("map", key, smap.to_dict())
    return smap


def put_latency(store: Store, layers: int = 30, sparse: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """As if the model had been timed: half of the neurons save 2 ms of 300 in each layer.

    `sparse` are rows of sparse formats.
    """
    shares = {"neurons": [0.0, 0.25, 0.5], "heads": [0.0, 1 / 3], "kv_groups": [0.0, 1 / 3], "layers": [0, 1]}
    prefill = {"neurons": [0.0, 1.0, 2.0], "heads": [0.0, 0.6], "kv_groups": [0.0, 1.0], "layers": [0.0, 9.0]}
    decode = {kind: [0.1 * value for value in own] for kind, own in prefill.items()}
    value = {
        "dense": {"prefill": 10.0 * layers, "decode": 40.0 * layers / 30},
        "shares": shares,
        "saved": {"prefill": prefill, "decode": decode},
        "spread": {"prefill": 0.02, "decode": 0.03},
        "layers": layers,
        "tokens": 256,
        "machine": "A made-up machine, 2 cores",
        "device": "cpu",
        "threads": 2,
        "measured": "2026-05-01T10:20:30+00:00",
        "sparse": [dict(row) for row in sparse],
    }
    key = {
        "fingerprint": FINGERPRINT,
        "dtype": "float32",
        "device": "cpu",
        "threads": 2,
        "machine": processor(),
    }
    store.put("latency", key, value)
    return value
