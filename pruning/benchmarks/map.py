"""The bench of the map: how fast it is, and how well it orders groups."""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from pruning.engine.architecture.forward import device_of
from pruning.engine.calibration.data import load_windows
from pruning.engine.calibration.factors import Statistics, StatisticsIdentity
from pruning.engine.calibration.fisher import collect
from pruning.engine.criteria import Criterion
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.metrics import Quality
from pruning.engine.evaluation.timing import now
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.sensitivity.group_costs import LEVELS, Scoring, price_groups
from pruning.engine.sensitivity.sweep import Point, in_layer_order, measuring
from pruning.engine.sensitivity.unit_costs import price_units
from pruning.planning.forecast.sensitivity_map import combined
from pruning.planning.recipe.plan import Group
from pruning.processor_time import part, timing_parts
from pruning.sharing import Piece
from pruning.tasks.context.session import Session
from pruning.tasks.sensitivity import forward_seconds

SWEPT_GROUPS = 60
SWEPT_LEVELS = (0.5, 0.7)


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Rank correlation of two lists without ties, -1 to 1."""
    ranks = [np.argsort(np.argsort(np.asarray(values))) for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


@dataclass(frozen=True)
class _Made:
    """A map from nothing: costs of groups, points of units, and seconds on the wall and of the processor.

    `wall` and `processor` are after nothing, the statistics, the groups and the units; `parts` the
    processor's seconds by part.
    """

    statistics: Statistics
    kronecker: np.ndarray
    token: np.ndarray
    unit_points: int
    scoring: Scoring
    wall: tuple[float, ...]
    processor: tuple[float, ...]
    parts: dict[str, float]


def bench_map(session: Session, criterion: str = "magnitude") -> dict[str, Any]:
    """Time a full map from nothing, weights and units, and compare its order with measured points.

    The forward pass over the same calibration tokens is timed before and after the map, in the same
    process, and the mean is used, of seconds on the wall and of the processor's; all of it on this machine
    alone, where a cluster shares the measuring. Points: `SWEPT_GROUPS` groups drawn with a fixed seed, at 0.5
    and 0.7.
    """
    calibration = session.reference.windows.calibration
    _forward(session)
    before = _forward(session)
    made = _make(session, calibration, criterion)
    after = _forward(session)
    forward, processor_forward = ((one + other) / 2 for one, other in zip(before, after, strict=True))
    rows = _drawn_rows(len(session.groups))
    # Those who measure choose weights by the same statistics.
    session.made.statistics = made.statistics
    measured = _measured(session, rows, made.scoring.criterion)
    seconds, statistics_seconds, groups_seconds, units_seconds = _spans(made.wall)
    worked, *_, units_worked = _spans(made.processor)
    return {
        "points": made.kronecker.size + made.unit_points,
        "criterion": criterion,
        "tokens": calibration.numel(),
        "seconds": seconds,
        "forward_seconds": forward,
        "dense_forwards": seconds / forward,
        "processor_seconds": worked,
        "processor_forwards": worked / processor_forward,
        "statistics_forwards": statistics_seconds / forward,
        "pricing_forwards": (groups_seconds + units_seconds) / forward,
        "parts": {name: spent / processor_forward for name, spent in made.parts.items()},
        "units_share": units_seconds / (seconds - units_seconds),
        "units_processor_share": units_worked / (worked - units_worked),
        "measured_points": len(rows),
        **_ranks(session.plan_groups(), rows, measured, made.kronecker, made.token),
    }


def _make(session: Session, calibration: torch.Tensor, criterion: str) -> _Made:
    model, groups, progress = session.model, session.groups, session.progress
    times = [(now(device_of(model)), time.process_time())]
    with timing_parts() as parts:
        with part("reading"):
            load_windows(session.loaded.tokenizer, session.data)
        with part("the rest of the statistics"):
            identity = StatisticsIdentity(session.loaded.computed, session.windows.fingerprint)
            statistics = collect(model, groups, calibration, identity, progress)
        times.append((now(device_of(model)), time.process_time()))
        scoring = Scoring(named_criterion(criterion), criterion_inputs(statistics))
        with part("pricing weights"):
            kronecker, token = price_groups(model, groups, statistics, scoring, LEVELS, progress)
        times.append((now(device_of(model)), time.process_time()))
        with part("pricing units"):
            units = price_units(model, groups, statistics, LEVELS, progress)
        times.append((now(device_of(model)), time.process_time()))
    wall, processor = zip(*times, strict=True)
    return _Made(statistics, kronecker, token, units.kronecker.size, scoring, wall, processor, dict(parts))


def _spans(times: tuple[float, ...]) -> tuple[float, ...]:
    """From first to last, and each step."""
    return times[-1] - times[0], *(after - before for before, after in pairwise(times))


def _forward(session: Session) -> tuple[float, float]:
    """Seconds of a dense forward pass over the calibration tokens, on the wall and of the processor."""
    start = time.process_time()
    return forward_seconds(session), time.process_time() - start


def _measured(session: Session, rows: list[int], criterion: Criterion) -> dict[tuple[int, float], float]:
    """Measured KL by row of the map and level, each group pruned by itself."""
    groups, progress = session.groups, session.progress
    points = [Point(groups[row].layer, groups[row].kind, level) for row in rows for level in SWEPT_LEVELS]
    points = in_layer_order(points)
    row_of = {group: row for row, group in enumerate(session.plan_groups())}
    pieces = [Piece(f"layer {point.layer} {point.kind}", point) for point in points]
    kls: dict[tuple[int, float], float] = {}

    def say(note: str) -> None:
        progress(len(kls), len(points), note)

    common = (criterion, {point.layer for point in points})
    for number, quality in session.each(session, _measuring, pieces, common, say):
        point = points[number]
        kls[row_of[point.layer, point.kind], point.level] = quality.kl
        progress(len(kls), len(points), "Measuring points")
    return kls


def _measuring(session: Session, criterion: Criterion, layers: Collection[int]) -> Callable[[Point], Quality]:
    """What measures points in `layers`, one after the other."""
    model, groups, inputs = session.model, session.groups, session.inputs_for(criterion)

    def pruned(point: Point) -> AbstractContextManager[None]:
        plan = {(point.layer, point.kind): point.level}
        return applied_change(model, groups, WeightChange(plan_masks(model, groups, criterion, plan, inputs)))

    return measuring(model, pruned, session.windows.evaluation[::2], layers)


def _drawn_rows(groups: int) -> list[int]:
    rows = np.random.default_rng(0).permutation(groups)[:SWEPT_GROUPS]
    return sorted(int(row) for row in rows)


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
