"""What is asked of the solver in plain words, and its answer with all it takes to say what it is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pruning.errors import PruningError
from pruning.planning.allocation.choices import Bounds, map_choices, with_capability_weights
from pruning.planning.allocation.mixed.choices import mixed_choices
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.mixed.solver import MixedSolution, solve_mixed
from pruning.planning.allocation.solver import Solution, solve
from pruning.planning.allocation.targets import Target
from pruning.planning.forecast.capability_map import ABILITIES, CapabilityMap, check_values
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.mask_options import DEFAULT
from pruning.planning.recipe.plan import KINDS, UNIT_KINDS, Group, Plan, check_level, named_levels
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry


@dataclass(frozen=True)
class Constraints:
    """What the user holds fast, in the words of settings.

    `locks` are groups at a level ("down@0=0"), `protect` layers that stay dense ("0-1,29"). `floors` and
    `ceilings` are the least and the most level, of every group of weights ("0.2"; of units where they are
    solved for alone) or of some ("up@0-3=0.2"). `most_layers` may go in a plan of several kinds.
    """

    locks: Sequence[str] = ()
    protect: str | None = None
    floors: Sequence[str] = ()
    ceilings: Sequence[str] = ()
    most_layers: int | None = None

    def bounds(self, groups: Sequence[Group]) -> Bounds:
        """The same for these groups. Raises PruningError for what cannot be read."""
        return Bounds(
            locks=named_levels(list(self.locks), groups),
            protect=self.protect,
            floor=_levels(self.floors, groups, "--floor"),
            ceiling=_levels(self.ceilings, groups, "--ceiling"),
            most_layers=self.most_layers,
        )


@dataclass(frozen=True, eq=False)
class Answer:
    """The solver's `solution`, a plan for these `groups`, and what it is forecast by.

    `capability_weights`: what mattered beside the map's own costs, by capability. `machine`: what sizes and
    times of a plan with units follow from; None of one for weights alone.
    """

    solution: Solution | MixedSolution
    groups: tuple[Group, ...]
    forecaster: Forecaster
    capability_weights: Mapping[str, float] = field(default_factory=dict)
    machine: Machine | None = None

    def recipe(self, reference: str, criterion: str, criteria: Sequence[str]) -> Recipe:
        """The recipe of the plan, for the model by this reference and one of the known `criteria`."""
        smap = self.forecaster.smap
        recipe = Recipe.from_plan(
            self.solution.plan,
            self.groups,
            ModelEntry(reference=reference, fingerprint=smap.checkpoint),
            DataEntry(name=smap.data),
            criterion,
            DEFAULT,
        )
        return recipe.with_details(created=datetime.now(UTC).replace(microsecond=0)).checked(criteria)

    def figures(self) -> dict[str, Any]:
        """Plain data: the forecast KL (nats per token) with its band, sizes, and how the solver fared."""
        solution = self.solution
        expected = self.forecaster.forecast(solution.plan)
        weights = dict(self.capability_weights)
        return {
            "sparsity": solution.sparsity,
            "kl": expected.kl,
            "kl_low": expected.kl_low,
            "kl_high": expected.kl_high,
            "parameters": expected.parameters,
            "file_bytes": expected.file_bytes,
            "bytes": expected.bytes,
            **self._times(),
            "milliseconds": solution.milliseconds,
            "gap_to_bound": solution.gap,
            **({"values": weights} if weights else {}),
        }

    def _times(self) -> dict[str, Any]:
        """Memory and speed of a plan with units; `timed` says whether the speed is measured times' or an
        estimate."""
        if self.machine is None:
            return {}
        cost = self.machine.cost(self.solution.plan)
        return {
            "memory": cost.memory_bytes,
            "speedup": cost.prefill_speedup,
            "decode_speedup": cost.decode_speedup,
            "timed": cost.timed,
        }


def solve_on_map(
    forecaster: Forecaster,
    targets: Sequence[Target],
    bounds: Bounds,
    weights: Mapping[str, float],
    capability_map: CapabilityMap | None,
) -> Answer:
    """The best plan for single weights by a map, and by what capabilities lean on where some have a weight.

    Parameters
    ----------
    forecaster
        The map, and what was fitted to measurements of it.
    targets, bounds
        What is wanted, and what is held fast.
    weights
        How much capabilities matter, above 0: see `capability_weights`.
    capability_map
        Covers all capabilities in `weights`; None where there are none.

    Raises
    ------
    Infeasible
        With the nearest that is possible, where the targets cannot be met.
    """
    choices = map_choices(forecaster, bounds)
    if capability_map is not None:
        choices = with_capability_weights(choices, forecaster, capability_map, weights)
    return Answer(solve(choices, targets, forecaster), choices.groups, forecaster, weights)


def solve_mix(
    forecaster: Forecaster,
    machine: Machine,
    targets: Sequence[Target],
    bounds: Bounds,
    kinds: Sequence[str] = UNIT_KINDS,
    weights: bool = True,
) -> Answer:
    """The best plan for whole units and single weights together; see `mixed_choices` and `solve_mixed`."""
    choices = mixed_choices(forecaster, machine, bounds, kinds, weights)
    solution = solve_mixed(choices, targets, forecaster)
    return Answer(solution, forecaster.smap.groups, forecaster, machine=machine)


def capability_weights(values: Mapping[str, float], structure: str = DEFAULT.structure) -> dict[str, float]:
    """The weights above 0. PruningError for a capability there is none of, or whole units."""
    check_values(values, ABILITIES)
    if values and structure != DEFAULT.structure:
        raise PruningError(
            f"What capabilities lose is forecast for single weights, not for {structure}. Leave --value out, "
            "or --structure."
        )
    return {name: value for name, value in values.items() if value > 0}


def _levels(texts: Sequence[str], groups: Sequence[Group], where: str) -> Plan:
    """Bounds in the words of settings; a number alone is for every group of weights, or of units alone."""
    levels: Plan = {}
    for text in texts:
        if "=" in text:
            levels |= named_levels([text], groups)
            continue
        try:
            level = float(text)
        except ValueError:
            raise PruningError(
                f'{where} "{text}" is no level. Write 0.2, or qkv=0.2, or up@0-3=0.2.'
            ) from None
        weights = [group for group in groups if group[1] in KINDS]
        levels |= dict.fromkeys(weights or groups, check_level(level, where))
    return levels
