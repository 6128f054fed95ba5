"""The bench of the forecast: recipes of many kinds, measured, beside what was forecast of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pruning.benchmarks.forecast.recipes import SHAPES, SOLVED, UNITS_AND_WEIGHTS, drawn
from pruning.benchmarks.map import spearman
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.metrics import Quality
from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MIXED
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.planning.recipe.spec import PruningSpec
from pruning.sharing import Piece, in_order
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.measure import quality_of
from pruning.tasks.optimize import unit_map_for
from pruning.tasks.sensitivity import map_for

KL_RANGE = (0.05, 3.0)
# What follows from KL, and is forecast with a band of its own.
DERIVED = ("perplexity", "agreement", "accuracy")
SEED = 11


@dataclass(frozen=True)
class Case:
    """What is pruned, and how many recipes of each kind are measured.

    `structure` is unstructured, a kind of unit, or mixed: units and weights, which have a kind of their own.
    """

    criterion: str
    structure: str
    recipes: int

    @property
    def kinds(self) -> list[str]:
        """The kind of each recipe."""
        kinds = (UNITS_AND_WEIGHTS,) if self.structure == MIXED else (*SHAPES, SOLVED)
        return [kind for kind in kinds for _ in range(self.recipes)]


CASES = (
    Case("magnitude", DEFAULT.structure, 2),
    Case("wanda", DEFAULT.structure, 2),
    Case("fisher", DEFAULT.structure, 3),
    Case("fisher", "neurons", 2),
    Case("fisher", "heads", 2),
)
# Apart, because its recipes take longest to measure and its figures are of their own.
MIXED_CASES = (Case("fisher", MIXED, 15),)


def bench_forecast(session: Session, cases: Sequence[Case] = CASES) -> dict[str, Any]:
    """Compare forecasts with measurements on recipes that the forecast was not fitted to.

    For each case a map is taken, the few plans that the product chooses
    (`pruning.planning.forecast.calibration_plans`) are measured and fitted to, and recipes of every kind are
    drawn with a fixed seed, measured and set beside the forecast before and after the fit. Recipes with a
    measured KL outside `KL_RANGE` are left out. Errors are |measured / forecast - 1|; `perplexity_error` is
    |forecast / measured - 1| of the rise over the dense model's perplexity.
    """
    rng = np.random.default_rng(SEED)
    total = sum(len(case.kinds) for case in cases)
    rows: list[dict[str, Any]] = []
    fitted = []
    for case in cases:
        smap = _map(session, case)
        chosen = calibration_plans(smap)
        pairs = list(zip(chosen, in_order(measured(session, case, chosen)), strict=True))
        forecaster = Forecaster.fitted(
            smap, [(plan, quality.kl) for plan, quality in pairs], [_figures(quality) for _, quality in pairs]
        )
        fitted.append(_fitted(smap, case, pairs))
        plans = [drawn(smap, kind, rng) for kind in case.kinds]
        before = len(rows)

        def say(note: str, before: int = before) -> None:
            session.progress(before, total, note)

        qualities = in_order(measured(session, case, plans, say))
        for kind, plan, quality in zip(case.kinds, plans, qualities, strict=True):
            row = _row(forecaster, plan, quality, kind)
            rows.append(row)
            note = f"{case.criterion}, {case.structure}, {kind}: KL {row['kl']:.3f}"
            session.progress(len(rows), total, note)
    inside = [row for row in rows if KL_RANGE[0] <= row["kl"] <= KL_RANGE[1]]
    return {
        **summary(inside),
        "left_out": len(rows) - len(inside),
        "forecast_ms": forecast_ms(smap, plan),
        "taught": fitted,
        "kinds": {
            kind: summary([row for row in inside if row["kind"] == kind])
            for kind in dict.fromkeys(row["kind"] for row in rows)
        },
        "criteria": {
            name: summary([row for row in inside if row["what"] == name])
            for name in dict.fromkeys(row["what"] for row in inside)
        },
        "rows": rows,
    }


def _map(session: Session, case: Case) -> SensitivityMap:
    """The map of what is pruned."""
    if case.structure == DEFAULT.structure:
        return map_for(session, case.criterion).of_weights
    return (
        map_for(session, case.criterion) if case.structure == MIXED else unit_map_for(session, case.structure)
    )


def measured(
    session: Session, case: Case, plans: Sequence[Plan], say: Callable[[str], None] = lambda note: None
) -> Iterator[tuple[int, Quality]]:
    """By number, how far the model pruned by each plan is from the dense one on the evaluation text."""
    specs = [spec_of(session, session.settings(plan), case.criterion, {}) for plan in plans]
    session.inputs_for(named_criterion(case.criterion))
    pieces = [Piece(f"recipe {number + 1} of {len(specs)}", spec) for number, spec in enumerate(specs)]
    return session.each(session, _measuring, pieces, say=say)


def _measuring(session: Session) -> Callable[[PruningSpec], Quality]:
    return lambda spec: quality_of(session, spec)


def _fitted(smap: SensitivityMap, case: Case, pairs: Sequence[tuple[Plan, Quality]]) -> dict[str, Any]:
    """What the forecast was fitted to, so that other fits can be tried on the same figures."""
    return {
        "criterion": case.criterion,
        "structure": case.structure,
        "measured": len(pairs),
        "kls": [quality.kl for _, quality in pairs],
        "qualities": [_figures(quality) for _, quality in pairs],
        "settings": [format_settings(plan, smap.groups) for plan, _ in pairs],
    }


def _figures(quality: Quality) -> dict[str, float]:
    return {name: getattr(quality, name) for name in ("kl", *DERIVED)}


def _row(forecaster: Forecaster, plan: Plan, quality: Quality, kind: str) -> dict[str, Any]:
    smap, kl = forecaster.smap, quality.kl
    before, after = Forecaster.prior(smap).forecast(plan), forecaster.forecast(plan)
    return {
        "what": _what(smap),
        "kind": kind,
        "sparsity": after.sparsity,
        **_figures(quality),
        "dense_perplexity": smap.dense["perplexity"],
        "forecast": after.kl,
        "low": after.kl_low,
        "high": after.kl_high,
        "before": before.kl,
        "inside": bool(after.kl_low <= kl <= after.kl_high),
        "inside_before": bool(before.kl_low <= kl <= before.kl_high),
        **{f"{name}_forecast": getattr(after, name) for name in DERIVED},
        **{f"{name}_before": getattr(before, name) for name in DERIVED},
        **{f"{name}_inside": _holds(after, name, quality) for name in DERIVED},
        **{f"{name}_inside_before": _holds(before, name, quality) for name in DERIVED},
        "settings": format_settings(plan, smap.groups),
    }


def _what(smap: SensitivityMap) -> str:
    """What is pruned by this map: weights by a criterion, a kind of unit, or both."""
    if smap.structure != DEFAULT.structure:
        return smap.structure
    return MIXED if smap.unit_totals else smap.criterion


def _holds(forecast: Forecast, name: str, quality: Quality) -> bool:
    """Whether the band of a figure holds what was measured."""
    low, high = getattr(forecast, f"{name}_low"), getattr(forecast, f"{name}_high")
    return bool(low <= getattr(quality, name) <= high)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Errors of the forecast, its order and its band over rows; `_prior` before any measurement."""
    result: dict[str, Any] = {"recipes": len(rows)}
    if not rows:
        return result
    truth = np.array([row["kl"] for row in rows])
    for name, inside, suffix in (("forecast", "inside", ""), ("before", "inside_before", "_prior")):
        errors = np.abs(truth / np.array([row[name] for row in rows]) - 1)
        result[f"median_error{suffix}"] = float(np.median(errors))
        result[f"p90_error{suffix}"] = float(np.quantile(errors, 0.9))
        if len(rows) > 2:
            result[f"spearman{suffix}"] = spearman([row[name] for row in rows], truth.tolist())
        result[f"coverage_80{suffix}"] = float(np.mean([row[inside] for row in rows]))
        result[f"perplexity_error{suffix}"] = _rise_error(rows, f"perplexity_{name}")
        for figure in DERIVED:
            result[f"{figure}_coverage_80{suffix}"] = float(
                np.mean([row[f"{figure}_{inside}"] for row in rows])
            )
    return result


def _rise_error(rows: Sequence[dict[str, Any]], name: str) -> float:
    """Median of |forecast / measured − 1|, of how far perplexity rises over the dense model's."""
    rises = [[row[key] - row["dense_perplexity"] for row in rows] for key in (name, "perplexity")]
    return float(np.median(np.abs(np.divide(*map(np.array, rises)) - 1)))


def forecast_ms(smap: SensitivityMap, plan: Plan) -> float:
    """Median milliseconds of one forecast of a plan."""
    times, forecaster = [], Forecaster.prior(smap)
    for _ in range(200):
        start = time.perf_counter()
        forecaster.forecast(plan)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))
