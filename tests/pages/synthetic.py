"""A workspace filled with made-up results, so that pages can be tested without an engine. Tests only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pruning.forecast import SensitivityMap, forecast
from pruning.plan import format_settings, parse_settings
from pruning.recipe import Recipe
from pruning.store import Store
from pruning.synthetic import FINGERPRINT, LEVELS, groups, put_map, put_model, sensitivity_map

__all__ = ["FINGERPRINT", "LEVELS", "groups", "put_map", "put_model", "sensitivity_map"]
PROBES = {"facts": 0.62, "grammar": 0.81, "common_sense": 0.58, "arithmetic": 0.34, "reading": 0.66}


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
