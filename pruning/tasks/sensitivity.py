"""The tasks that say how much each group matters: the map forecasts it, the sweep measures it."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pruning.engine.architecture.forward import BATCH_TOKENS, head_of, run
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.size import dense_bytes, weight_bytes
from pruning.engine.masking.change import PruningSpec, WeightChange
from pruning.engine.models.load import Loaded
from pruning.engine.sensitivity.group_costs import LEVELS, Scoring, price_groups
from pruning.engine.sensitivity.sweep import Point, sweep
from pruning.errors import PruningError
from pruning.files import write_json
from pruning.planning.forecast.predict import SensitivityMap
from pruning.planning.recipe.plan import KINDS, check_level, format_level
from pruning.progress import Progress
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.context import (
    groups_of,
    inputs_for,
    reference_of,
    same_text,
    statistics_of,
    windows_of,
)
from pruning.workspace.store import Store


def make_map(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    criterion: str = "fisher",
    levels: Sequence[float] = LEVELS,
    data: str = "demo",
    out: str | None = None,
) -> dict[str, Any]:
    """Forecast what every level of every group costs, and store the map.

    `seconds` is what collecting the statistics (unless they were there) and pricing took;
    `dense_forwards` the same in dense forward passes over the calibration tokens, timed in this run.
    """
    chosen = named_criterion(criterion)
    wanted = check_levels(levels)
    reference = reference_of(loaded, data, progress)
    start = time.perf_counter()
    known, _ = statistics_of(loaded, store, data, progress)
    looked_at = inputs_for(loaded, store, data, chosen, progress)
    kronecker, token = price_groups(
        loaded.model, loaded.groups, known, Scoring(chosen, looked_at), wanted, progress
    )
    seconds = time.perf_counter() - start
    smap = SensitivityMap(
        model=loaded.reference,
        fingerprint=loaded.fingerprint,
        criterion=criterion,
        data=data,
        data_fingerprint=reference.windows.fingerprint,
        levels=tuple(wanted),
        groups=tuple(groups_of(loaded)),
        parameters=np.array([group.parameters for group in loaded.groups]),
        kronecker=kronecker,
        token=token,
        dense={
            "perplexity": reference.quality.perplexity,
            "accuracy": reference.quality.accuracy,
            "bytes": dense_bytes(loaded.model),
            "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
            "weight_bytes": weight_bytes(loaded.model),
        },
        seconds=seconds,
        dense_forwards=seconds / forward_seconds(loaded, data),
    )
    key = {**same_text(loaded, data), "criterion": criterion, "levels": wanted}
    path = Path(out) if out else store.file("map", key, ".json")
    smap.save(path)
    store.put("map", key, smap.to_dict())
    return {
        "points": kronecker.size,
        "seconds": seconds,
        "dense_forwards": smap.dense_forwards,
        "out": str(path),
        "map": smap.to_dict(),
    }


def forward_seconds(loaded: Loaded, data: str) -> float:
    """Seconds of one dense forward pass, logits included, over the calibration tokens of `data`."""
    windows = windows_of(loaded, data).calibration
    head, start = head_of(loaded.model), time.perf_counter()
    for hidden in run(loaded.model, windows).flatten(0, 1).split(BATCH_TOKENS):
        head(hidden)
    return time.perf_counter() - start


def run_sweep(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    criterion: str = "fisher",
    levels: Sequence[float] = LEVELS,
    layers: Sequence[int] | None = None,
    kinds: Sequence[str] | None = None,
    data: str = "demo",
    out: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measure the chosen groups at each level, one at a time; what is in the store is not measured again."""
    asked = spec_of(loaded, [], criterion, data, options)
    points = _points(loaded, check_levels(levels), layers, kinds)
    key = {**same_text(loaded, data), "data_fingerprint": windows_of(loaded, data).fingerprint}
    key |= {"criterion": criterion, **asked.options.changed()}
    found: dict[Point, dict[str, Any]] = {}
    for point in points:
        stored = store.get("sweep_point", {**key, **_named(point)})
        if stored is not None:
            found[point] = stored
    missing = [point for point in points if point not in found]
    if missing:
        evaluation = windows_of(loaded, data).evaluation
        progress(len(found), len(points), "Running the dense model")
        pruned = _point_applied(loaded, store, asked, progress)
        for point, quality in sweep(loaded.model, loaded.groups, pruned, evaluation, missing):
            value = {**_named(point), "kl": quality.kl, "perplexity": quality.perplexity}
            store.put("sweep_point", {**key, **_named(point)}, value)
            found[point] = value
            progress(len(found), len(points), f"Layer {point.layer}, {point.kind}", {"point": value})
    rows = [found[point] for point in points]
    return {
        "points": rows,
        "measured": len(missing),
        "out": None if out is None else str(write_json(out, {"points": rows}, "The points")),
    }


def _point_applied(
    loaded: Loaded, store: Store, asked: PruningSpec, progress: Progress
) -> Callable[[Point], AbstractContextManager[WeightChange]]:
    """The model with one point's group pruned, everything else as asked."""

    def pruned(point: Point) -> AbstractContextManager[WeightChange]:
        setting = f"{point.kind}@{point.layer}={format_level(point.level)}"
        return applied(loaded, store, replace(asked, settings=(setting,)), progress)

    return pruned


def _named(point: Point) -> dict[str, Any]:
    return {"layer": point.layer, "kind": point.kind, "level": point.level}


def _points(
    loaded: Loaded, levels: Sequence[float], layers: Sequence[int] | None, kinds: Sequence[str] | None
) -> list[Point]:
    """The groups asked for at each level; PruningError when the model has none of them."""
    groups = groups_of(loaded)
    unknown = set(layers or ()) - {layer for layer, _ in groups}
    if unknown:
        last = max(layer for layer, _ in groups)
        raise PruningError(f"The model has no layer {min(unknown)}. Its layers are 0 to {last}.")
    strange = set(kinds or ()) - {kind for _, kind in groups}
    if strange:
        have = ", ".join(kind for kind in KINDS if kind in {kind for _, kind in groups})
        raise PruningError(f"The model has no group {min(strange)}. It has {have}.")
    return [
        Point(layer, kind, level)
        for layer, kind in groups
        if (layers is None or layer in layers) and (kinds is None or kind in kinds)
        for level in levels
    ]


def check_levels(levels: Sequence[float]) -> list[float]:
    """The levels in ascending order, each once, without 0; PruningError where there is none to price."""
    wanted = sorted({round(check_level(float(level), "Levels"), 6) for level in levels} - {0.0})
    if not wanted:
        raise PruningError("There is no level above 0. Give levels such as 0.1:0.9:0.1.")
    return wanted
