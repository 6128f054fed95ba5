"""What may go: single weights, whole units of one kind, or all of it; and the solver for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pruning.planning.allocation import solver
from pruning.planning.allocation.choices import Bounds, ChoiceTable
from pruning.planning.allocation.mixed.choices import MixedChoices, mixed_choices
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.mixed.solver import MixedSolution, solve_mixed
from pruning.planning.allocation.solver import Solution
from pruning.planning.allocation.targets import Infeasible, Target
from pruning.planning.cost.parts import parts_of
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import UNIT_KINDS, Plan
from pruning.ui.data import costs, queries, session
from pruning.ui.text import labels

MIXED, WEIGHTS = "mixed", "unstructured"
KEY = "optimize_structure"
NAMES = {MIXED: "Everything", WEIGHTS: "Single weights"}
# Shares of the prunable weights at which the best plans over units are looked for.
SHARES = tuple(round(0.05 * step, 2) for step in range(1, 15))
FEW_SHARES = SHARES[1::2]


@dataclass(frozen=True, eq=False)
class Structure:
    """What may go by the session's choice, and what sizes and times follow from; no machine for weights."""

    name: str
    machine: Machine | None

    @property
    def stamp(self) -> str:
        """Another text wherever the best plan would be another."""
        return self.name + (repr((self.machine.latency, self.machine.dense_ms)) if self.machine else "")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of unit that may go."""
        return UNIT_KINDS if self.name == MIXED else () if self.name == WEIGHTS else (self.name,)


def names(smap: SensitivityMap) -> list[str]:
    """What can be chosen by what a map prices, the best first."""
    units = [kind for kind in UNIT_KINDS if any(kind == own for _, own in smap.groups)]
    return [MIXED, WEIGHTS, *(kind for kind in units if kind != "layers")] if units else [WEIGHTS]


def chosen(model: queries.Info, smap: SensitivityMap) -> Structure:
    """The choice of what may go, drawn where there is more than one."""
    every = names(smap)
    name: str | None = every[0]
    if len(every) > 1:
        name = st.segmented_control(
            "Structures that may go",
            every,
            default=every[0],
            format_func=lambda kind: NAMES.get(kind) or labels.kind(kind),
            key=KEY,
            help="Everything: whole layers, heads, KV groups and neurons, and single weights of what stays. "
            "Only whole units make the model folder smaller and the model faster.",
            **session.PERSIST,
        )
    if (name or every[0]) == WEIGHTS:
        return Structure(WEIGHTS, None)
    machine = Machine(parts_of(model.facts), costs.latency_of(model), costs.dense_ms(model))
    return Structure(name or every[0], machine)


def choices_of(forecaster: Forecaster, structure: Structure, bounds: Bounds) -> MixedChoices:
    """What the solver chooses from where units may go."""
    return _choices(_stamp(forecaster, structure, bounds), forecaster, structure, bounds)


@st.cache_resource(max_entries=4, show_spinner=False)
def _choices(stamp: str, _forecaster: Forecaster, _structure: Structure, _bounds: Bounds) -> MixedChoices:
    if _structure.machine is None:
        raise TypeError("single weights have choices of their own")
    weights = _structure.name == MIXED
    return mixed_choices(_forecaster, _structure.machine, _bounds, _structure.kinds, weights=weights)


def solve(
    choices: ChoiceTable | MixedChoices, targets: Sequence[Target], forecaster: Forecaster
) -> Solution | MixedSolution:
    """The best plan of either kind of choices."""
    if isinstance(choices, MixedChoices):
        return solve_mixed(choices, targets, forecaster)
    return solver.solve(choices, targets, forecaster)


# ---- fronts -----------------------------------------------------------------------------------------


def best_plans(forecaster: Forecaster, structure: Structure, bounds: Bounds) -> list[Plan]:
    """The plans of least forecast damage, from what bounds ask for to the most that can be pruned."""
    return _best_plans(_stamp(forecaster, structure, bounds), forecaster, structure, bounds)


@st.cache_resource(max_entries=24, show_spinner="Finding the best plan for every budget …")
def _best_plans(stamp: str, _forecaster: Forecaster, _structure: Structure, _bounds: Bounds) -> list[Plan]:
    choices = choices_of(_forecaster, _structure, _bounds)
    return _along(choices, _forecaster, (0.0, *SHARES))


def single_fronts(forecaster: Forecaster, structure: Structure) -> dict[str, list[Plan]]:
    """By kind, the best plans of single weights, and of each kind of unit, alone."""
    return _single_fronts(_stamp(forecaster, structure, Bounds()), forecaster, structure)


@st.cache_resource(max_entries=8, show_spinner="Finding the best plans of each kind alone …")
def _single_fronts(stamp: str, _forecaster: Forecaster, _structure: Structure) -> dict[str, list[Plan]]:
    if _structure.machine is None:
        return {}
    present = [kind for kind in UNIT_KINDS if any(kind == own for _, own in _forecaster.smap.groups)]
    layers = len({layer for layer, _ in _forecaster.smap.groups})
    fronts = {}
    for kind in (WEIGHTS, *present):
        kinds = () if kind == WEIGHTS else (kind,)
        bounds = Bounds(most_layers=layers - 1)
        choices = mixed_choices(_forecaster, _structure.machine, bounds, kinds, weights=kind == WEIGHTS)
        plans = _along(choices, _forecaster, FEW_SHARES)
        if plans:
            fronts[kind] = plans
    return fronts


def _along(choices: MixedChoices, forecaster: Forecaster, shares: Sequence[float]) -> list[Plan]:
    """The best plans at these shares, ascending, as far as they can be met."""
    plans: list[Plan] = []
    for share in shares:
        try:
            plans.append(solve_mixed(choices, [Target("sparsity", share)], forecaster).plan)
        except Infeasible as error:
            most = error.nearest[0].value if error.nearest else 0.0
            if most > (shares[shares.index(share) - 1] if plans else 0.0) + 0.01:
                plans.append(solve_mixed(choices, [Target("sparsity", most)], forecaster).plan)
            break
    return plans


def held(bounds: Bounds, smap: SensitivityMap) -> list[bool]:
    """Which groups are locked or protected, in the order of the map's."""
    return np.array([bool(group in bounds.of_layer(group[0])) for group in smap.groups]).tolist()


def _stamp(forecaster: Forecaster, structure: Structure, bounds: Bounds) -> str:
    """Another text wherever the best plans would be others."""
    smap = forecaster.smap
    limits = [sorted(levels.items()) for levels in (bounds.locks, bounds.floor, bounds.ceiling)]
    content = [
        *smap.groups,
        *smap.levels,
        *smap.parameters.tolist(),
        *forecaster.weights,
        structure.stamp,
        *limits,
        bounds.protect,
        bounds.most_layers,
    ]
    return hashlib.sha256(smap.cost.tobytes() + json.dumps(content).encode()).hexdigest()
