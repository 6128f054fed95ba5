"""Benches that print, on the user's machine, how fast the map is and how good the forecasts are."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pruning import forecast as forecasts
from pruning.changes import Change, Spec, changed
from pruning.costmap import SensitivityMap, combined
from pruning.criteria import criterion as named_criterion
from pruning.errors import PruningError
from pruning.masks import evidence, plan_masks
from pruning.metrics import compare
from pruning.models import Loaded
from pruning.passes import run
from pruning.plan import KINDS, Group, Plan, format_settings
from pruning.progress import Progress
from pruning.sensitivity.maps import LEVELS, price_groups
from pruning.sensitivity.sweep import Point, sweep
from pruning.statistics import collect
from pruning.store import Store
from pruning.tasks.applying import applied
from pruning.tasks.prepare import Reference, groups_of, reference_of
from pruning.tasks.pricing import forward_seconds, make_map

SWEPT_GROUPS = 60
SWEPT_LEVELS = (0.5, 0.7)
CRITERIA = ("magnitude", "wanda", "fisher")
TESTED, CALIBRATING = 8, 3
KL_RANGE = (0.05, 3.0)
MOST_DRAWS = 300


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
    known = collect(loaded.model, loaded.groups, calibration, "bench", "bench", progress)
    statistics_seconds = time.perf_counter() - start
    chosen, looked_at = named_criterion(criterion), evidence(known)
    kronecker, token = price_groups(loaded.model, loaded.groups, known, chosen, looked_at, LEVELS, progress)
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
        change = Change(plan_masks(loaded.model, loaded.groups, chosen, plan, looked_at))
        return changed(loaded.model, loaded.groups, change)

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


def bench_forecast(loaded: Loaded, store: Store, progress: Progress) -> dict[str, Any]:
    """Compare forecasts with measurements on random whole-model recipes not used in calibration.

    For each criterion, `CALIBRATING` recipes are measured and learned from, then `TESTED` others are
    measured and set against the forecast, before and after learning. Recipes are drawn with a fixed seed,
    and drawn again when their KL, forecast or measured, is outside `KL_RANGE`. Errors are
    |measured / forecast - 1|.
    """
    reference = reference_of(loaded, "demo", progress)
    rng = np.random.default_rng(7)
    rows: list[dict[str, Any]] = []
    done = 0
    total = len(CRITERIA) * (TESTED + CALIBRATING)
    for name in CRITERIA:
        table = SensitivityMap.from_dict(make_map(loaded, store, progress, criterion=name)["map"])
        drawn: list[tuple[Plan, float]] = []
        for _ in range(MOST_DRAWS):
            if len(drawn) == TESTED + CALIBRATING:
                break
            plan = random_plan(table.groups, rng)
            if not KL_RANGE[0] <= forecasts.forecast(table, plan).kl <= KL_RANGE[1]:
                continue
            kl = _measured_kl(loaded, store, reference, name, plan, progress)
            if KL_RANGE[0] <= kl <= KL_RANGE[1]:
                drawn.append((plan, kl))
                progress(done + len(drawn), total, f"Measured a {name} recipe: KL {kl:.3f}")
        if len(drawn) < TESTED + CALIBRATING:
            low, high = KL_RANGE
            raise PruningError(
                f"Too few of {MOST_DRAWS} random recipes of this model have a KL of {low} to {high}."
            )
        done += len(drawn)
        learned = forecasts.calibrate(table, drawn[:CALIBRATING])
        rows += [_row(table, plan, kl, learned) for plan, kl in drawn[CALIBRATING:]]
    return {**_summary(rows), "groups": len(table.groups), "forecast_ms": _forecast_ms(table, plan)}


def _forecast_ms(table: SensitivityMap, plan: Plan) -> float:
    """Median milliseconds of one forecast of a plan that touches every group."""
    times = []
    for _ in range(200):
        start = time.perf_counter()
        forecasts.forecast(table, plan)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def random_plan(groups: Sequence[Group], rng: np.random.Generator) -> Plan:
    """A recipe as a user might make one: a level for the whole, a bias for each kind, play in each layer."""
    base = rng.uniform(0.1, 0.65)
    bias = {kind: rng.uniform(0.3, 1.4) for kind in KINDS}
    play = rng.uniform(0.6, 1.4, len(groups))
    levels = np.clip([base * bias[kind] for _, kind in groups] * play, 0.0, 0.9).round(2)
    return {group: float(level) for group, level in zip(groups, levels, strict=True) if level > 0}


def _measured_kl(
    loaded: Loaded, store: Store, reference: Reference, name: str, plan: Plan, progress: Progress
) -> float:
    spec = Spec(tuple(format_settings(plan, groups_of(loaded))), name)
    with applied(loaded, store, spec, progress):
        pruned = run(loaded.model, reference.windows.evaluation)
    return compare(reference.head, reference.hidden, pruned, reference.windows.evaluation).kl


def _row(table: SensitivityMap, plan: Plan, kl: float, learned: forecasts.Calibration) -> dict[str, Any]:
    first, second = forecasts.forecast(table, plan), forecasts.forecast(table, plan, learned)
    return {
        "criterion": table.criterion,
        "sparsity": first.sparsity,
        "kl": kl,
        "forecast": first.kl,
        "calibrated": second.kl,
        "cost": forecasts.total_cost(table, plan),
        "inside": first.kl_low <= kl <= first.kl_high,
        "inside_calibrated": second.kl_low <= kl <= second.kl_high,
    }


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    truth = np.array([row["kl"] for row in rows])
    result: dict[str, Any] = {"recipes": len(rows)}
    for name, suffix in (("calibrated", ""), ("forecast", "_prior")):
        errors = np.abs(truth / np.array([row[name] for row in rows]) - 1)
        result[f"median_error{suffix}"] = float(np.median(errors))
        result[f"p90_error{suffix}"] = float(np.quantile(errors, 0.9))
        result[f"spearman{suffix}"] = spearman([row[name] for row in rows], truth.tolist())
    result["inside_band"] = float(np.mean([row["inside_calibrated"] for row in rows]))
    result["inside_band_prior"] = float(np.mean([row["inside"] for row in rows]))
    result["rows"] = rows
    return result
