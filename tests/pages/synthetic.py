"""A workspace filled with made-up results, so that pages can be tested without an engine. Tests only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pruning.forecast import SensitivityMap, forecast
from pruning.plan import KINDS, Group, format_settings, parse_settings
from pruning.recipe import Recipe
from pruning.store import Store

FINGERPRINT = "feedfacecafe0123"
LEVELS = tuple(round(0.1 * i, 1) for i in range(1, 10))
SIZES = {"qkv": 552_960, "attn_out": 331_776, "gate": 884_736, "up": 884_736, "down": 884_736}
PROBES = {"facts": 0.62, "grammar": 0.81, "common_sense": 0.58, "arithmetic": 0.34, "reading": 0.66}


def groups(layers: int = 30) -> list[Group]:
    return [(layer, kind) for layer in range(layers) for kind in KINDS]


def sensitivity_map(model: str = "demo", layers: int = 30, criterion: str = "fisher") -> SensitivityMap:
    """Costs that grow with the level, with a delicate start, end and down projection."""
    random = np.random.default_rng(7)
    every = groups(layers)
    weight = {"qkv": 0.4, "attn_out": 0.5, "gate": 0.6, "up": 0.8, "down": 1.3}
    base = np.array(
        [
            0.008 * weight[kind] * (1 + 4 * np.exp(-layer / 1.5) + 6 * np.exp((layer - layers + 1) / 1.2))
            for layer, kind in every
        ]
    ) * np.exp(0.35 * random.standard_normal(len(every)))
    shape = np.array([(level / 0.5) ** 3.2 for level in LEVELS])
    kronecker = base[:, None] * shape[None, :]
    return SensitivityMap(
        model=model,
        fingerprint=FINGERPRINT,
        criterion=criterion,
        data="demo",
        data_fingerprint="0123456789abcdef",
        levels=LEVELS,
        groups=tuple(every),
        parameters=np.array([SIZES[kind] for _, kind in every]),
        kronecker=kronecker,
        token=kronecker * np.exp(0.2 * random.standard_normal(kronecker.shape)),
        dense={
            "perplexity": 33.8,
            "accuracy": 0.391,
            "bytes": 538_090_408,
            "parameters": 134_515_008,
            "weight_bytes": 4,
        },
        seconds=21.0,
        dense_forwards=6.4,
    )


def put_model(store: Store, reference: str = "demo", layers: int = 30) -> None:
    """As if the model had been loaded."""
    every = groups(layers)
    facts = {
        "reference": reference,
        "architecture": "LlamaForCausalLM",
        "parameters": 134_515_008,
        "prunable_parameters": sum(SIZES[kind] for _, kind in every),
        "layers": layers,
        "groups": [
            {"layer": layer, "kind": kind, "modules": [f"{layer}.{kind}"], "parameters": SIZES[kind]}
            for layer, kind in every
        ],
        "fingerprint": FINGERPRINT,
        "dtype": "float32",
        "device": "cpu",
        "bytes": 538_060_032,
        "hidden_size": 576,
        "vocabulary": 49152,
    }
    store.put("inspect", {"reference": reference, "dtype": "float32"}, facts)


def put_baseline(store: Store) -> None:
    value = {
        "perplexity": 33.8,
        "accuracy": 0.391,
        "bytes": 538_060_032,
        "prefill_ms": 412.0,
        "decode_ms": 48.0,
        "tokens": 4096,
        "probe_accuracy": 0.602,
        "probes": PROBES,
        "data_fingerprint": "0123456789abcdef",
    }
    store.put("baseline", {"fingerprint": FINGERPRINT, "data": "demo"}, value)


def put_map(store: Store, layers: int = 30, criterion: str = "fisher") -> SensitivityMap:
    table = sensitivity_map(layers=layers, criterion=criterion)
    key = {
        "fingerprint": FINGERPRINT,
        "criterion": criterion,
        "data": "demo",
        "levels": list(LEVELS),
    }
    store.put("map", key, table.to_dict())
    return table


def put_measure(store: Store, table: SensitivityMap, settings: list[str], factor: float = 1.08) -> None:
    """As if a plan had been measured, a little worse than its forecast."""
    plan = parse_settings(settings, table.groups)
    seen = forecast(table, plan)
    text = format_settings(plan, table.groups)
    value = {
        "kl": seen.kl * factor,
        "perplexity": float(33.8 * np.exp(seen.kl * factor)),
        "agreement": seen.agreement - 0.01,
        "accuracy": seen.accuracy - 0.004,
        "bytes": int(seen.bytes),
        "sparsity": seen.sparsity,
        "file_bytes": 538_090_408,
        "probe_accuracy": 0.52,
        "probes": {name: max(share - 0.07, 0.25) for name, share in PROBES.items()},
        "settings": text,
        "criterion": table.criterion,
        "data_fingerprint": table.data_fingerprint,
    }
    key = {"fingerprint": FINGERPRINT, "criterion": table.criterion, "data": "demo", "settings": text}
    store.put("measure", key, value)


def put_export(store: Store, table: SensitivityMap, settings: list[str], folder: Path) -> None:
    """As if a plan had been written to a folder."""
    put_measure(store, table, settings)
    [row] = store.find(
        "measure", settings=format_settings(parse_settings(settings, table.groups), table.groups)
    )
    recipe = Recipe.from_plan(
        parse_settings(settings, table.groups),
        table.groups,
        reference="demo",
        fingerprint=FINGERPRINT,
        criterion=table.criterion,
        data="demo",
        name=folder.name,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(bytes(5000))
    (folder / "recipe.yaml").write_text(recipe.dumps(), encoding="utf-8")
    figures = row["value"]
    value = {**figures, "out": str(folder), "verified": True, "sparse_bytes": figures["bytes"], "bytes": 5000}
    store.put(
        "export", {"fingerprint": FINGERPRINT, "out": str(folder)}, {**value, "recipe": recipe.to_dict()}
    )


def put_points(store: Store, table: SensitivityMap, layer: int, kind: str) -> None:
    """As if a sweep had measured one group at three levels."""
    index = table.groups.index((layer, kind))
    for level in (0.3, 0.5, 0.7):
        kl = float(table.cost[index][table.levels.index(level)]) * 1.2
        key = {
            "fingerprint": FINGERPRINT,
            "criterion": table.criterion,
            "data": "demo",
            "data_fingerprint": table.data_fingerprint,
            "layer": layer,
            "kind": kind,
            "level": level,
        }
        value = {
            "layer": layer,
            "kind": kind,
            "level": level,
            "kl": kl,
            "perplexity": 33.8 * float(np.exp(kl)),
        }
        store.put("sweep_point", key, value)


def put_all(store: Store) -> SensitivityMap:
    put_model(store)
    put_baseline(store)
    table = put_map(store)
    for settings in (["all=0.2"], ["all=0.4"], ["up=0.5", "gate=0.4"]):
        put_measure(store, table, settings)
    put_points(store, table, 29, "down")
    return table


PROMPT = "Explain in two sentences why the sky is blue."
DENSE_TOKENS = ["The", " sky", " is", " blue", " because", " air", " scatters", " blue", " light", ".", ""]
DRIFTS = [0.004, 0.01, 0.03, 0.08, 0.22, 0.31, 1.7, 0.6, 0.02, 0.01, 0.12]


def put_answer(
    store: Store,
    table: SensitivityMap,
    settings: list[str],
    prompt: str = PROMPT,
    pruned: tuple[str, ...] = ("The", " sky", " is", " blue", " because", " air", " bends", " it", ".", ""),
    max_new_tokens: int = 40,
) -> dict:
    """As if the unpruned model and a plan had answered: they part at the seventh token."""
    text = format_settings(parse_settings(settings, table.groups), table.groups)
    parts = next((i for i, (a, b) in enumerate(zip(DENSE_TOKENS, pruned, strict=False)) if a != b), None)
    value = {
        "prompt": prompt,
        "settings": text,
        "criterion": table.criterion,
        "max_new_tokens": max_new_tokens,
        "dense": "".join(DENSE_TOKENS),
        "pruned": "".join(pruned),
        "dense_tokens": DENSE_TOKENS,
        "pruned_tokens": list(pruned),
        "dense_ended": True,
        "pruned_ended": True,
        "first_difference": parts,
        "kl": DRIFTS,
    }
    key = {
        "fingerprint": FINGERPRINT,
        "data": "demo",
        "data_fingerprint": table.data_fingerprint,
        "criterion": table.criterion,
        "max_new_tokens": max_new_tokens,
        "prompt": prompt,
        "settings": text,
    }
    store.put("answer", key, value)
    return value
