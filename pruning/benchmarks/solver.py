"""The bench of the solver: its time and proof, and what its plans cost beside other ways to share out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pruning.benchmarks.synthetic import parts, sensitivity_map, with_units
from pruning.planning.allocation import baselines
from pruning.planning.allocation.choices import ChoiceTable, map_choices, with_fit
from pruning.planning.allocation.mixed.choices import mixed_choices
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.mixed.solver import solve_mixed
from pruning.planning.allocation.solver import solve
from pruning.planning.allocation.targets import Target
from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.session import Session
from pruning.tasks.measure import quality_of
from pruning.tasks.optimize import unit_choices_for, unit_map_for
from pruning.tasks.sensitivity import map_for, outliers

RUNS = 20
COARSE = tuple(round(0.05 * n, 2) for n in range(20))


@dataclass(frozen=True)
class Case:
    """What is pruned how far: a criterion's masks, or units chosen by it and refitted."""

    criterion: str
    sparsity: float
    structure: str = DEFAULT.structure

    @property
    def what(self) -> str:
        """What is pruned, whatever the share: forecasts of it are fitted once."""
        return f"{self.structure} {self.criterion}"

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


def bench_solver(session: Session, cases: tuple[Case, ...] = CASES) -> dict[str, Any]:
    """Time the solver on a made-up map, then measure its plans and the baselines' on the evaluation text.

    `milliseconds`: median of solving 150 groups x 20 levels at shares from 0.3 to 0.7. `gap_to_bound`: the
    largest gap among them. In each case all methods prune alike but for the levels of the groups. The solver
    goes by costs that the forecast was fitted with, as after `calibrate`; the others go by the map.
    """
    result, counted = {**timing(), **mixed_timing()}, outliers(session)
    shares = dict(zip(counted["layers"], counted["shares"], strict=True))
    rows: list[dict[str, Any]] = []
    forecasters: dict[str, Forecaster] = {}
    for case in cases:
        smap, choices = _choices(session, case)
        if case.what not in forecasters:
            forecasters[case.what] = Forecaster.fitted(smap, calibration(session, smap, case))
        fitted = with_fit(choices, forecasters[case.what])
        plans = {
            "ours": solve(fitted, [Target("sparsity", case.sparsity)]).plan,
            "uniform": baselines.uniform(choices, case.sparsity),
            "owl": baselines.owl(choices, case.sparsity, shares),
            "greedy": baselines.greedy(choices, case.sparsity),
        }
        for method, plan in plans.items():
            kl = measured_kl(session, case, plan)
            row = {"case": case.name, "sparsity": share(choices, plan), "method": method, "kl": kl}
            rows.append({**row, "forecast": Forecaster.prior(smap).forecast(plan).kl})
            session.progress(len(rows), 4 * len(cases), f"{case.name}, {method}: KL {kl:.4f}")
    best = {case.name: min(row["kl"] for row in rows if row["case"] == case.name) for case in cases}
    ours = all(row["kl"] <= best[row["case"]] for row in rows if row["method"] == "ours")
    return {**result, "rows": rows, "ours_best_everywhere": ours}


def _choices(session: Session, case: Case) -> tuple[SensitivityMap, ChoiceTable]:
    """The map, and what there is to choose from by it."""
    if case.structure == DEFAULT.structure:
        smap = map_for(session, case.criterion).of_weights
        return smap, map_choices(Forecaster.prior(smap))
    return unit_map_for(session, case.structure), unit_choices_for(session, case.structure)


def calibration(session: Session, smap: SensitivityMap, case: Case) -> list[tuple[Plan, float]]:
    """The plans that tell most about a map, and what they measure with the case's criterion."""
    return [(plan, measured_kl(session, case, plan)) for plan in calibration_plans(smap)]


def timing() -> dict[str, float]:
    """Median milliseconds of a solution, and the largest gap, on a made-up map of 30 x 5 groups."""
    choices = map_choices(Forecaster.prior(sensitivity_map()), levels=COARSE)
    solutions = [solve(choices, [Target("sparsity", float(s))]) for s in np.linspace(0.3, 0.7, RUNS)]
    return {
        "milliseconds": float(np.median([solution.milliseconds for solution in solutions])),
        "gap_to_bound": max(solution.gap for solution in solutions),
    }


def mixed_timing(layers: int = 30) -> dict[str, float]:
    """The same for units and weights together, 30 layers x 9 kinds x 20 levels: the median and the slowest of
    several targets at once, and the largest gap."""
    forecaster, machine = Forecaster.prior(with_units(sensitivity_map(layers=layers))), Machine(parts(layers))
    choices = mixed_choices(forecaster, machine, levels=COARSE)
    size = choices.dense["file_bytes"]
    asked = [
        *([Target("file_bytes", float(share) * size)] for share in np.linspace(0.65, 0.95, 4)),
        *([Target("decode_speedup", float(times))] for times in np.linspace(1.05, 1.3, 4)),
        *([Target("sparsity", float(share))] for share in np.linspace(0.3, 0.6, 4)),
        *([Target("kl", kl)] for kl in (0.2, 0.5)),
        [Target("file_bytes", 0.85 * size), Target("sparsity", 0.5)],
        [Target("decode_speedup", 1.2), Target("memory", 0.9 * choices.dense["memory"]), Target("kl", 0.6)],
    ]
    solutions = [solve_mixed(choices, targets, forecaster) for targets in asked]
    times = [solution.milliseconds for solution in solutions]
    return {
        "mixed_milliseconds": float(np.median(times)),
        "mixed_slowest_milliseconds": max(times),
        "mixed_gap_to_bound": max(solution.gap for solution in solutions),
    }


def measured_kl(session: Session, case: Case, plan: Plan) -> float:
    """KL to the dense model on the evaluation text, nats per token."""
    settings = tuple(session.settings(plan))
    options = MaskOptions(structure=case.structure)
    return quality_of(session, PruningSpec(settings, case.criterion, session.data, options)).kl


def share(choices: ChoiceTable, plan: Plan) -> float:
    """The share of the prunable weights that the plan prunes."""
    pruned = sum(plan.get(group, 0.0) * w for group, w in zip(choices.groups, choices.weights, strict=True))
    return float(pruned) / choices.prunable
