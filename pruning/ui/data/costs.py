"""Size and time of any plan of the session's model, for pages, and for the browser to work out itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pruning.planning.cost.latency_table import MODES, PREFILL_TOKENS, LatencyTable
from pruning.planning.cost.model_size import CONTEXT_TOKENS
from pruning.planning.cost.parts import Parts, parts_of
from pruning.planning.cost.plan_cost import PlanCost, plan_cost
from pruning.planning.cost.roofline import estimate, weights_read
from pruning.planning.exports.llamacpp import PYTORCH
from pruning.planning.exports.model_facts import ModelFacts, of_inspection
from pruning.planning.exports.targets import Wanted, why_not_folder
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries, requests


def latency_of(model: queries.Info) -> LatencyTable | None:
    """What was timed last of this model in the session's engine and on its device; None before, and where
    times are of a device elsewhere."""
    times = None if queries.target_device() else queries.latency(model)
    return LatencyTable.from_dict(times) if times else None


def timing_request(again: bool = False) -> dict[str, Any]:
    """What times the session's model in the session's engine; `latency_of` has the result."""
    engine = queries.engine()
    asked: dict[str, Any] = {"again": True} if again else {}
    return requests.request("latency", **asked, **({} if engine == PYTORCH else {"engine": engine}))


def timing_seconds() -> float | None:
    """How long that will take, by this machine's earlier runs; None where nothing like it ran here."""
    return requests.expected_seconds(timing_request())


def dense_ms(model: queries.Info) -> dict[str, float] | None:
    """How long the unpruned model takes by mode: here as it was measured with its quality in PyTorch, on a
    device elsewhere as its peak figures allow (roofline).

    None before that was measured, and where times are of another engine.
    """
    device = queries.target_device()
    if device is not None:
        least = estimate(device, parts_of(model.facts), device.best_format, PREFILL_TOKENS)
        return {mode: time.milliseconds for mode, time in least.items()}
    figures = (queries.baseline(model) or {}) if queries.engine() == PYTORCH else {}
    times = {mode: float(figures[f"{mode}_ms"]) for mode in MODES if f"{mode}_ms" in figures}
    return times or None


@dataclass(frozen=True, eq=False)
class CostModel:
    """What size and time of any plan of a model are worked out from, read once for many plans.

    `facts`: what decides whether a folder holds what is left, smaller.
    """

    parts: Parts
    latency: LatencyTable | None
    dense_ms: Mapping[str, float] | None
    facts: ModelFacts

    def of(self, plan: Plan) -> PlanCost:
        """Size and time of a plan. Raises PruningError for units that the model has not."""
        return plan_cost(self.parts, plan, self.latency, self.dense_ms)

    def written(self, plan: Plan) -> PlanCost:
        """The same with the bytes of the folder that is written: full-size where it cannot be smaller."""
        cost = self.of(plan)
        if why_not_folder(Wanted(self.facts, plan)) is None:
            return cost
        return replace(cost, file_bytes=self.of({}).file_bytes)

    @property
    def stamp(self) -> str:
        """Another text wherever it would give another answer for the same model."""
        return repr((self.latency, self.dense_ms))


def cost_model(model: queries.Info) -> CostModel:
    """The session's model; PruningError where it was loaded before its parts were counted."""
    facts = of_inspection(model.facts)
    return CostModel(parts_of(model.facts), latency_of(model), dense_ms(model), facts)


def why_full_size(model: queries.Info, plan: Plan) -> str | None:
    """Why no folder holds what a plan leaves of the session's model, smaller; None where one does."""
    return why_not_folder(Wanted(of_inspection(model.facts), plan))


def cost_of(model: queries.Info, plan: Plan) -> PlanCost:
    """Size and time of a plan; PruningError for a model that was loaded before its parts were counted."""
    return cost_model(model).of(plan)


def cost_table(model: queries.Info) -> dict[str, Any]:
    """What the browser needs for the same, as `cost.js` takes it; PruningError as in `cost_of`."""
    device = queries.target_device()
    table = cost_data(parts_of(model.facts), latency_of(model), dense_ms(model))
    return table | {"device": device.name if device else None}


def cost_data(
    parts: Parts,
    latency: LatencyTable | None = None,
    dense_ms: Mapping[str, float] | None = None,
    round_to: int | None = None,
) -> dict[str, Any]:
    """The model's parts and its times, as `costs(table, levels)` takes them in `table.cost`.

    Arguments are those of `pruning.planning.cost.plan_cost.plan_cost`, which computes the same.
    """
    timed = latency.to_dict() | {"band": {mode: latency.band(mode) for mode in MODES}} if latency else None
    return {
        "parts": _parts(parts, round_to),
        "latency": timed and {name: timed[name] for name in ("dense", "shares", "saved", "band")},
        "denseMs": None if dense_ms is None else dict(dense_ms),
    }


def _parts(parts: Parts, round_to: int | None) -> dict[str, Any]:
    rest = parts.rest - sum(parts.biases.values()) - sum(parts.norms.values())
    return {
        "weightBytes": parts.weight_bytes,
        "weights": parts.parameters,
        # What stays whatever goes, and of all weights those that no step reads.
        "fixed": parts.embedding + parts.own_head + rest,
        "unread": parts.parameters - weights_read(parts),
        "head": parts.head,
        "tokens": PREFILL_TOKENS,
        "contextTokens": CONTEXT_TOKENS,
        "roundTo": round_to,
        "layers": [_layer(parts, layer) for layer in parts.layers],
    }


def _layer(parts: Parts, layer: int) -> dict[str, Any]:
    return {
        "layer": layer,
        "norms": parts.norms.get(layer, 0),
        "keysValues": parts.key_value_rows(layer),
        "units": {kind: totals[layer] for kind, totals in parts.units.items() if layer in totals},
        "shapes": {kind: list(shape) for (own, kind), shape in parts.shapes.items() if own == layer},
        "biases": {kind: count for (own, kind), count in parts.biases.items() if own == layer},
    }
