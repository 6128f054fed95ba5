"""A workspace filled with made-up results, so that pages can be tested without an engine. Tests only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pruning.benchmarks.synthetic import FINGERPRINT, LEVELS, groups, put_map, put_model, sensitivity_map
from pruning.planning.forecast.capability_map import ABILITIES
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import UNIT_KINDS, Plan, format_settings, parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.workspace.store import Store

__all__ = ["FINGERPRINT", "LEVELS", "groups", "put_map", "put_model", "sensitivity_map"]
PROBES = {"facts": 0.62, "grammar": 0.81, "common_sense": 0.58, "arithmetic": 0.34, "reading": 0.66}


def total_cost(table: SensitivityMap, plan: Plan) -> float:
    """Σ cost of a plan by the map alone."""
    return float(Forecaster.prior(table).costs(plan).sum())


def behaviour(**changed: Any) -> dict[str, Any]:
    """As if answers had been held against the dense model's: two of them repeat themselves."""
    return {
        "prompts": 14,
        "counted": 14,
        "repeating": 2,
        "cut_short": 0,
        "early": 9,
        "common_prefix": 7.5,
        "new_tokens": 64,
        "questions": 220,
        "questions_right": 160,
        "questions_lost": 6,
        "questions_won": 3,
        "example": {
            "prompt": "What do bees do?",
            "dense": "They make honey.",
            "pruned": "They they they",
        },
        **changed,
    }


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
    store.put("baseline", {"fingerprint": FINGERPRINT, "data": "demo"}, {**value, "device": "cpu"})


def put_measure(
    store: Store,
    table: SensitivityMap,
    settings: list[str],
    factor: float = 1.08,
    answers: dict[str, Any] | None = None,
) -> None:
    """As if a plan had been measured, a little worse than its forecast; `answers` is its behaviour, which
    results of older versions lack."""
    plan = parse_settings(settings, table.groups)
    seen = Forecaster.prior(table).forecast(plan)
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
        **({} if answers is None else {"behaviour": answers}),
    }
    key = {"fingerprint": FINGERPRINT, "criterion": table.criterion, "data": "demo", "settings": text}
    store.put("measure", key, value)


def put_method(
    store: Store,
    settings: list[str],
    sparsity: float,
    kl: float,
    criterion: str = "fisher",
    recovery: dict | None = None,
    data_fingerprint: str = "0123456789abcdef",
    **options: Any,
) -> dict[str, Any]:
    """As if any way of pruning had been measured, trained back where there is a recovery."""
    whole = options.get("structure") in UNIT_KINDS
    value = {
        "kl": kl,
        "perplexity": float(33.8 * np.exp(kl)),
        "dense_perplexity": 33.8,
        "agreement": float(np.exp(-kl)),
        "accuracy": 0.39 * float(np.exp(-kl)),
        "dense_accuracy": 0.39,
        "bytes": int(538_090_408 * (1 - 0.8 * sparsity)),
        "file_bytes": 538_090_408,
        "sparsity": sparsity,
        "probe_accuracy": 0.52,
        "probes": dict(PROBES),
        "settings": settings,
        "criterion": criterion,
        "data_fingerprint": data_fingerprint,
        **({"not_smaller": options.pop("not_smaller", None)} if whole else {}),
        **options,
    }
    key = {
        "fingerprint": FINGERPRINT,
        "data": "demo",
        "criterion": criterion,
        "settings": settings,
        **options,
    }
    if recovery is None:
        store.put("measure", key, value)
    else:
        value |= {"recovery": recovery, "best_step": 30}
        store.put("measure_recovered", {**key, "recovery": recovery}, value)
    return value


def put_methods(store: Store) -> None:
    """As if several ways of pruning had been measured."""
    put_method(store, ["all=0.5"], 0.5, 2.8, "magnitude")
    put_method(store, ["all=0.5"], 0.5, 0.9, "wanda")
    put_method(store, ["all=0.5"], 0.5, 1.3, "wanda", structure="n:m", pattern="2:4")
    put_method(store, ["all=0.2"], 0.2, 0.4, "l2", structure="block", block="16x16")
    put_method(store, ["neurons=0.2"], 0.15, 0.34, structure="neurons")
    uneven = "2 heads do not come evenly from the KV groups. Export the full-size model with zeros."
    put_method(store, ["heads=0.222222"], 0.04, 0.1, structure="heads", not_smaller=uneven)
    put_method(store, ["layers@7=1"], 0.033, 0.2, structure="layers")
    put_method(store, ["all=0.5"], 0.5, 0.35, "wanda", recovery={"steps": 60})


def put_recovery(
    store: Store,
    settings: list[str],
    recovery: dict[str, Any] | None = None,
    stopped_at: int | None = None,
    saved_step: int = 40,
    criterion: str = "fisher",
    **options: Any,
) -> dict[str, Any]:
    """As if a plan had been trained back to a quarter of its KL, or to a step where it was killed."""
    trained = recovery or {"steps": 60}
    last = stopped_at or trained.get("steps", 200)
    looks = [
        {"step": s, "kl": 0.25 + 0.55 * float(np.exp(-s / 15)), "perplexity": 40.0 - s / 10}
        | {"agreement": 0.6 + s / 1000, "accuracy": 0.3 + s / 1000}
        for s in range(0, last + 1, 20)
    ]
    best = looks[-1]
    value: dict[str, Any] = {
        "settings": settings,
        "criterion": criterion,
        **options,
        "recovery": trained,
        "steps": last,
        "best_step": best["step"],
        "stopped_early": False,
        "losses": [{"step": s, "loss": 0.2 + float(np.exp(-s / 20))} for s in range(1, last + 1)],
        "looks": looks,
        "out": "weights.safetensors",
        "pruned": {"kl": 0.8, "perplexity": 72.0, "agreement": 0.6, "accuracy": 0.3},
        "seconds_a_step": 1.5,
    }
    same = {"fingerprint": FINGERPRINT, "data": "demo", "data_fingerprint": "0123456789abcdef"}
    key = {**same, "criterion": criterion, "settings": settings, **options, "recovery": trained}
    if stopped_at is not None:
        store.put("recovery_course", key, {**value, "saved_step": saved_step, "told": 0.0})
        return value
    value |= {
        "finished": True,
        "dense": {"kl": 0.0, "perplexity": 33.8, "agreement": 1.0, "accuracy": 0.391},
        "recovered": {"kl": 0.2, "perplexity": 41.0, "agreement": 0.8, "accuracy": 0.35},
        "won_back": 0.75,
        "seconds_before": 660.0,
        "tokens": 4096,
        "sparsity": 0.5,
        "bytes": 300_000_000,
        "file_bytes": 538_090_408,
    }
    store.put("recovery", key, value)
    return value


def put_ladder(store: Store, ended: str | None = "budget") -> None:
    """As if levels had been measured, the last one trained, until KL was over 0.3."""
    rows = [
        {"level": level, "kl": kl, "perplexity": 33.8 * float(np.exp(kl)), "agreement": float(np.exp(-kl))}
        | {"recovered": trained, "won_back": 0.5 if trained else None}
        for level, kl, trained in ((0.1, 0.01, False), (0.3, 0.1, False), (0.5, 0.25, True), (0.6, 0.6, True))
    ]
    over = ended == "budget"
    value = {"rows": rows if over else rows[:2], "best": rows[2 if over else 1], "ended": ended}
    value["budget"] = {"kl": 0.3, "perplexity": None}
    same = {"fingerprint": FINGERPRINT, "data": "demo", "data_fingerprint": "0123456789abcdef"}
    about = {"levels": [0.1, 0.3, 0.5, 0.6], "criterion": "fisher", "kl": 0.3, "perplexity": None}
    store.put("ladder", {**same, **about, "recovery": {"steps": 100}}, value)


def put_lottery(store: Store, wins: bool = True) -> None:
    """As if a ticket had been drawn."""
    quality = {"kl": 0.4, "agreement": 0.7, "accuracy": 0.33}
    networks = {"untrained": 33.8, "dense": 30.0, "ticket": 45.0, "random": 90.0 if wins else 44.0}
    value = {
        "settings": ["all=0.8"],
        "rounds": 3,
        "rewind": 10,
        "recovery": {"steps": 100, "loss": "task"},
        **{name: {**quality, "perplexity": perplexity} for name, perplexity in networks.items()},
        "ticket_wins": wins,
        "sparsity": 0.8,
    }
    same = {"fingerprint": FINGERPRINT, "data": "demo", "data_fingerprint": "0123456789abcdef"}
    store.put("lottery", {**same, "settings": ["all=0.8"], "rounds": 3, "rewind": 10}, value)


def put_export(store: Store, table: SensitivityMap, settings: list[str], folder: Path) -> None:
    """As if a plan had been written to a folder."""
    put_measure(store, table, settings)
    [row] = store.find(
        "measure", settings=format_settings(parse_settings(settings, table.groups), table.groups)
    )
    recipe = Recipe.from_plan(
        parse_settings(settings, table.groups),
        table.groups,
        ModelEntry(reference="demo", fingerprint=FINGERPRINT),
        DataEntry(name="demo"),
        table.criterion,
    ).with_details(name=folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(bytes(5000))
    (folder / "recipe.yaml").write_text(recipe.dumps(), encoding="utf-8")
    figures = row["value"]
    value = {**figures, "out": str(folder), "verified": True, "sparse_bytes": figures["bytes"], "bytes": 5000}
    store.put(
        "export", {"fingerprint": FINGERPRINT, "out": str(folder)}, {**value, "recipe": recipe.to_dict()}
    )


def leanings(table: SensitivityMap, lean: float = 6.0) -> dict[str, Any]:
    """Made-up costs of capabilities: of the map's own, `lean` times as much where a capability leans.

    Arithmetic leans on qkv, facts on the last layer, code on down; the others on nothing in particular.
    """
    last = max(layer for layer, _ in table.groups)
    leans: dict[str, Callable[[int, str], bool]] = {
        "arithmetic": lambda layer, kind: kind == "qkv",
        "facts": lambda layer, kind: layer == last,
        "code": lambda layer, kind: kind == "down",
    }
    more = {
        name: [lean if leans.get(name, lambda *_: False)(*group) else 1.0 for group in table.groups]
        for name in ABILITIES
    }
    return {
        "capabilities": {name: (table.cost * np.array(own)[:, None]).tolist() for name, own in more.items()},
        "groups": [list(group) for group in table.groups],
        "levels": list(table.levels),
        "criterion": table.criterion,
        "priced_by": table.criterion,
        "data_fingerprint": table.data_fingerprint,
    }


def put_capabilities(
    store: Store, table: SensitivityMap, lean: float = 6.0, **changed: Any
) -> dict[str, Any]:
    """As if it had been worked out what capabilities lean on; `changed` replaces parts of the result."""
    value = {**leanings(table, lean), **changed}
    same = {"fingerprint": FINGERPRINT, "data": "demo", "criterion": table.criterion}
    store.put("capabilities", {**same, "levels": value["levels"]}, value)
    return value


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
