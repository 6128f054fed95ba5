"""The bench of the map: how fast it is, and how well it orders groups."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pruning.engine.calibration.fisher import collect
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.models.load import Loaded
from pruning.engine.sensitivity.group_costs import LEVELS, Scoring, price_groups
from pruning.engine.sensitivity.sweep import Point, sweep
from pruning.planning.forecast.sensitivity_map import combined
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress
from pruning.tasks.context.context import groups_of, reference_of
from pruning.tasks.sensitivity import forward_seconds
from pruning.workspace.store import Store

SWEPT_GROUPS = 60
SWEPT_LEVELS = (0.5, 0.7)


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Rank correlation of two lists without ties, -1 to 1."""
    ranks = [np.argsort(np.argsort(np.asarray(values))) for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def bench_map(
    loaded: Loaded, store: Store, progress: Progress, criterion: str = "magnitude"
) -> dict[str, Any]:
    """Time a full map from nothing in dense forward passes, and compare its order with measured points.

    The forward pass over the same calibration tokens is timed before and after the map, in the same
    process, and the mean is used. Points: `SWEPT_GROUPS` groups drawn with a fixed seed, at 0.5 and 0.7.
    """
    reference = reference_of(loaded, "demo", progress)
    calibration = reference.windows.calibration
    forward_seconds(loaded, "demo")
    before = forward_seconds(loaded, "demo")
    start = time.perf_counter()
    known = collect(loaded.model, loaded.groups, calibration, progress=progress)
    statistics_seconds = time.perf_counter() - start
    chosen, looked_at = named_criterion(criterion), criterion_inputs(known)
    kronecker, token = price_groups(
        loaded.model, loaded.groups, known, Scoring(chosen, looked_at), LEVELS, progress
    )
    seconds = time.perf_counter() - start
    forward = (before + forward_seconds(loaded, "demo")) / 2
    result: dict[str, Any] = {
        "points": kronecker.size,
        "criterion": criterion,
        "tokens": calibration.numel(),
        "seconds": seconds,
        "forward_seconds": forward,
        "dense_forwards": seconds / forward,
        "statistics_forwards": statistics_seconds / forward,
        "pricing_forwards": (seconds - statistics_seconds) / forward,
    }
    rows = _drawn_rows(len(loaded.groups))
    points = [
        Point(loaded.groups[r].layer, loaded.groups[r].kind, level) for r in rows for level in SWEPT_LEVELS
    ]
    names = groups_of(loaded)
    row_of = {name: row for row, name in enumerate(names)}
    measured: dict[tuple[int, float], float] = {}
    evaluation = reference.windows.evaluation[::2]

    def pruned(point: Point) -> AbstractContextManager[None]:
        plan = {(point.layer, point.kind): point.level}
        change = WeightChange(plan_masks(loaded.model, loaded.groups, chosen, plan, looked_at))
        return applied_change(loaded.model, loaded.groups, change)

    running = sweep(loaded.model, loaded.groups, pruned, evaluation, points)
    for point, quality in running:
        measured[row_of[point.layer, point.kind], point.level] = quality.kl
        progress(len(measured), len(points), "Measuring points")
    return {**result, "measured_points": len(rows), **_ranks(names, rows, measured, kronecker, token)}


def _drawn_rows(groups: int) -> list[int]:
    drawn = np.random.default_rng(0).permutation(groups)[:SWEPT_GROUPS]
    return sorted(int(row) for row in drawn)


def _ranks(
    groups: Sequence[Group],
    rows: list[int],
    measured: dict[tuple[int, float], float],
    kronecker: np.ndarray,
    token: np.ndarray,
) -> dict[str, float]:
    """Spearman of forecast with measured KL at each level, for the estimate used and for both alone."""
    estimates = {"": combined(groups, LEVELS, kronecker, token), "_kronecker": kronecker, "_token": token}
    result = {}
    for level in SWEPT_LEVELS:
        truth = [measured[row, level] for row in rows]
        column = LEVELS.index(level)
        for name, costs in estimates.items():
            result[f"spearman_{round(100 * level)}{name}"] = spearman(costs[rows, column].tolist(), truth)
    return result
