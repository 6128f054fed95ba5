"""Measured points of the bench of mixed plans: each is kept in the workspace, so that a run can go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pruning.engine.evaluation.timing import race
from pruning.engine.structured.selection import first_of, removal_of
from pruning.engine.structured.surgery import smaller
from pruning.planning.cost.latency_table import MODES
from pruning.planning.recipe.mix import unit_part
from pruning.planning.recipe.plan import LAYERS, Group, Plan
from pruning.tasks.best import layers_to_drop
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.measure import quality_of
from pruning.tasks.sensitivity import PRICED_BY

KIND = "bench_mixed"
ROUNDS = 9
# Methods whose plans mix kinds of unit, with weights and without.
MIXED = ("mixed", "units")
Figures = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Points:
    """Plans of one session, raced and measured; `seen` are those measured so far by the map's criterion."""

    session: Session
    seen: list[tuple[Plan, float]] = field(default_factory=list)

    def speed(self, plan: Plan) -> dict[str, float]:
        """How many times as fast as the dense model the really smaller one is, by mode: raced in turn."""
        units = unit_part(plan)
        return self._kept("race", units, lambda: self._raced(units))

    def kl(self, plan: Plan, criterion: str = PRICED_BY) -> float:
        """KL to the dense model on the evaluation text, nats per token; what stays is refitted."""
        what = "kl" if criterion == PRICED_BY else f"kl {criterion}"
        kl = float(self._kept(what, plan, lambda: {"kl": self._measured(plan, criterion)})["kl"])
        if criterion == PRICED_BY and (plan, kl) not in self.seen:
            self.seen.append((plan, kl))
        return kl

    def order(self, count: int, among: Sequence[int]) -> list[int]:
        """Layers in the order in which they go, each measured after those before it; only some are tried."""
        key = {**self.session.key, "what": "order", "count": count, "among": list(among)}
        stored = self.session.store.get(KIND, key)
        if stored is None:
            stored = {"layers": layers_to_drop(self.session, count, among)}
            self.session.store.put(KIND, key, stored)
        return list(stored["layers"])

    def _kept(self, what: str, plan: Plan, make: Any) -> Figures:
        key = {**self.session.key, "what": what, "settings": self.session.settings(plan)}
        stored = self.session.store.get(KIND, key)
        if stored is None:
            stored = make()
            self.session.store.put(KIND, key, stored)
        return dict(stored)

    def _measured(self, plan: Plan, criterion: str) -> float:
        settings = self.session.settings(plan)
        return quality_of(self.session, spec_of(self.session, settings, criterion, {})).kl

    def _raced(self, plan: Plan) -> dict[str, float]:
        session = self.session
        units = units_of(session, *(kind for _, kind in plan))
        counts: Mapping[Group, int] = {
            (layer, kind): round(level * units.totals(kind)[layer])
            for (layer, kind), level in plan.items()
            if kind != LAYERS
        }
        # Which units go changes no time, only how many.
        gone = {(layer, kind): first_of(units, layer, kind, n) for (layer, kind), n in counts.items() if n}
        removal = removal_of(units, gone)
        dropped = tuple(sorted(layer for layer, kind in plan if kind == LAYERS))
        cut = smaller(session.model, units, replace(removal, layers=dropped))
        result = race([session.model, cut], ROUNDS)
        return {mode: 1 / result.ratio(1, mode) for mode in MODES}
