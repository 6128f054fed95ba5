"""The bench of the solver: its time and proof, and what its plans cost beside other ways to share out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pruning.benchmarks.synthetic import sensitivity_map
from pruning.engine.masking.change import PruningSpec
from pruning.engine.models.load import Loaded
from pruning.planning.allocation import baselines as rivals
from pruning.planning.allocation.choices import ChoiceTable, map_choices, with_fit
from pruning.planning.allocation.solver import Target, solve
from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.progress import Progress
from pruning.tasks.context.context import groups_of
from pruning.tasks.context.units import units_of
from pruning.tasks.measure import quality_of
from pruning.tasks.optimize import map_for, outliers_of, unit_choices_for
from pruning.tasks.unit_maps import unit_map_for
from pruning.workspace.store import Store

RUNS = 20
COARSE = tuple(round(0.05 * n, 2) for n in range(20))


@dataclass(frozen=True)
class Case:
    """What is pruned how far: a criterion's masks, or units chosen by it and refitted."""

    criterion: str
    sparsity: float
    structure: str = DEFAULT.structure

    @property
    def name(self) -> str:
        what = self.criterion if self.structure == DEFAULT.structure else self.structure
        return f"{what} {self.sparsity:.0%}"


CASES = (
    Case("wanda", 0.5),
    Case("wanda", 0.6),
    Case("sparsegpt", 0.5),
    Case("sparsegpt", 0.6),
    Case("fisher", 0.25, "neurons"),
)


def bench_solver(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    data: str = "demo",
    cases: tuple[Case, ...] = CASES,
) -> dict[str, Any]:
    """Time the solver on a made-up map, then measure its plans and the rivals' on the evaluation text.

    `milliseconds`: median of solving 150 groups x 20 levels at shares from 0.3 to 0.7. `gap_to_bound`: the
    largest gap among them. In each case all methods prune alike but for the levels of the groups. The solver
    goes by costs that the forecast was fitted with, as after `calibrate`; the others go by the map.
    """
    result = timing()
    outliers = outliers_of(loaded, store, progress, data)
    rows: list[dict[str, Any]] = []
    taught: dict[str, list[tuple[Plan, float]]] = {}
    for case in cases:
        table, menu, own = _menus(loaded, store, progress, case, data, taught)
        plans = {
            "ours": solve(own, [Target("sparsity", case.sparsity)]).plan,
            "uniform": rivals.uniform(menu, case.sparsity),
            "owl": rivals.owl(menu, case.sparsity, outliers),
            "greedy": rivals.greedy(menu, case.sparsity),
        }
        for method, plan in plans.items():
            kl = measured_kl(loaded, store, progress, case, plan, data)
            row = {"case": case.name, "sparsity": share(menu, plan), "method": method, "kl": kl}
            rows.append({**row, "forecast": Forecaster.prior(table).forecast(plan).kl})
            progress(len(rows), 4 * len(cases), f"{case.name}, {method}: KL {kl:.4f}")
    best = {case.name: min(row["kl"] for row in rows if row["case"] == case.name) for case in cases}
    ours = all(row["kl"] <= best[row["case"]] for row in rows if row["method"] == "ours")
    return {**result, "rows": rows, "ours_best_everywhere": ours}


def _menus(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    case: Case,
    data: str,
    taught: dict[str, list[tuple[Plan, float]]],
) -> tuple[SensitivityMap, ChoiceTable, ChoiceTable]:
    """The map, and what it and what was taught of it have to choose from; adds to `taught`."""
    if case.structure == DEFAULT.structure:
        smap = map_for(loaded, store, progress, case.criterion, data)
        menu = map_choices(Forecaster.prior(smap))
    else:
        smap = unit_map_for(loaded, store, progress, case.structure, data)
        menu = unit_choices_for(loaded, store, progress, case.structure, data)
    what = f"{case.structure} {case.criterion}"
    if what not in taught:
        taught[what] = lessons(loaded, store, progress, smap, case, data)
    return smap, menu, with_fit(menu, Forecaster.fitted(smap, taught[what]))


def lessons(
    loaded: Loaded, store: Store, progress: Progress, smap: SensitivityMap, case: Case, data: str
) -> list[tuple[Plan, float]]:
    """The plans that teach most about a map, and what they measure with the case's criterion."""
    whole = case.structure != DEFAULT.structure
    totals = units_of(loaded, case.structure).totals(case.structure) if whole else None
    plans = calibration_plans(smap, totals)
    return [(plan, measured_kl(loaded, store, progress, case, plan, data)) for plan in plans]


def timing() -> dict[str, float]:
    """Median milliseconds of a solution, and the largest gap, on a made-up map of 30 x 5 groups."""
    menu = map_choices(Forecaster.prior(sensitivity_map()), levels=COARSE)
    solved = [solve(menu, [Target("sparsity", float(s))]) for s in np.linspace(0.3, 0.7, RUNS)]
    return {
        "milliseconds": float(np.median([one.milliseconds for one in solved])),
        "gap_to_bound": max(one.gap for one in solved),
    }


def measured_kl(loaded: Loaded, store: Store, progress: Progress, case: Case, plan: Plan, data: str) -> float:
    """KL to the dense model on the evaluation text, nats per token."""
    settings = format_settings(plan, groups_of(loaded, case.structure))
    spec = PruningSpec(tuple(settings), case.criterion, data, MaskOptions(structure=case.structure))
    return quality_of(loaded, store, progress, spec).kl


def share(menu: ChoiceTable, plan: Plan) -> float:
    """The share of the prunable weights that the plan removes."""
    gone = sum(plan.get(group, 0.0) * own for group, own in zip(menu.groups, menu.weights, strict=True))
    return float(gone) / menu.prunable
