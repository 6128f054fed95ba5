"""What pages read from the workspace about the session's model. No drawing here, and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.jobs import runner
from pruning.model_files.preview import Preview, preview
from pruning.planning.cost.roofline import Device, devices
from pruning.planning.exports.llamacpp import LLAMA_CPP, PYTORCH, TIMED, installed
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import UNIT_PARTS, sparsity
from pruning.planning.recipe.plan import LAYERS, UNIT_KINDS, Group, Plan, format_settings, plan_id
from pruning.ui.data import session
from pruning.ui.text import labels
from pruning.workspace import results
from pruning.workspace.store import Store


def store() -> Store:
    return runner().store


@dataclass(frozen=True)
class Info:
    """What an inspected model is made of.

    `parameters`: prunable weights by group of weights; `unit_parameters`: those that all units of a kind have
    in a layer, which overlap with them.
    """

    facts: dict[str, Any]
    parameters: dict[Group, int]
    unit_parameters: dict[Group, int]

    @property
    def groups(self) -> list[Group]:
        """What a plan may name: groups of weights, and after them units by layer."""
        return [*self.parameters, *self.unit_parameters]

    @property
    def every_parameters(self) -> dict[Group, int]:
        """Weights by group, of weights and of units."""
        return {**self.parameters, **self.unit_parameters}

    def sparsity(self, plan: Plan) -> float:
        """The share of the prunable weights that a plan prunes, 0..1."""
        return sparsity(plan, self.every_parameters)

    @property
    def fingerprint(self) -> str:
        """Of the weights alone, as recipes carry it."""
        return str(self.facts["fingerprint"])

    @property
    def kinds(self) -> list[str]:
        """Kinds of weights."""
        return list(dict.fromkeys(kind for _, kind in self.parameters))

    @property
    def layers(self) -> int:
        return int(self.facts["layers"])


@st.cache_data(ttl=30, show_spinner=False, max_entries=20)
def cached_preview(reference: str, dtype: str) -> Preview:
    """The preview of a model, kept for half a minute so that reruns do not ask the hub again."""
    return preview(reference, dtype)


def info() -> Info | None:
    """The session's model as the last inspection found it, or None before the first."""
    choice = session.current()
    if not choice.model:
        return None
    facts = results.inspected(store(), choice.model, choice.dtype)
    if facts is None:
        return None
    parameters = {(g["layer"], g["kind"]): int(g["parameters"]) for g in facts["groups"]}
    return Info(facts, parameters, _unit_parameters(facts, parameters))


def _unit_parameters(facts: dict[str, Any], parameters: dict[Group, int]) -> dict[Group, int]:
    """Weights by (layer, kind) of units, as far as they were counted when the model was loaded.

    Heads have the queries in qkv, which are as wide as what attn_out reads.
    """
    counts = facts.get("units") or {}
    shapes = {(g["layer"], g["kind"]): g.get("shape") for g in facts["groups"]}
    layers = sorted({layer for layer, _ in parameters})
    weights: dict[Group, int] = {}
    for kind in UNIT_KINDS[::-1]:
        totals = [1] * len(layers) if kind == LAYERS else counts.get(kind, ())
        for layer in (layer for layer, total in zip(layers, totals, strict=False) if total):
            parts = {name: parameters.get((layer, name), 0) for name in UNIT_PARTS[kind]}
            qkv, attn_out = shapes.get((layer, "qkv")), shapes.get((layer, "attn_out"))
            if kind == "heads" and qkv and attn_out:
                parts["qkv"] = round(parts["qkv"] * min(1.0, attn_out[1] / qkv[0]))
            weights[layer, kind] = sum(parts.values())
    return weights


def device(model: Info) -> str:
    """The device that the session computes on, as results name it."""
    chosen = session.current().device
    return str(model.facts["device"]) if chosen == "auto" else chosen


def subject(model: Info) -> results.Subject | None:
    """The session's model with its text as it was met last; None where nothing is about it yet."""
    return results.latest_subject(store(), results.computed(model.facts), session.current().data)


def baseline(model: Info) -> dict[str, Any] | None:
    """The unpruned model's figures on the session's text, with its times on the session's device."""
    return results.baseline(store(), subject(model), device(model))


def text_preview(model: Info) -> dict[str, Any] | None:
    """What the session's text looks like to the model, as it was looked at last."""
    rows = results.about(store(), "text_preview", subject(model))
    return rows[0]["value"] if rows else None


def engine() -> str:
    """What the session's times are of: PyTorch, or llama.cpp where it was chosen and is installed."""
    return LLAMA_CPP if session.current().engine == LLAMA_CPP and installed() else PYTORCH


def target_device() -> Device | None:
    """The device elsewhere that the session's times are of; None where they are of this machine."""
    return next((device for device in devices() if device.name == session.current().target), None)


def latency(model: Info) -> dict[str, Any] | None:
    """What was timed last of this model in the session's engine: PyTorch in the model's number format on the
    session's device, or llama.cpp with a GGUF file."""
    chosen = engine()
    how = (str(model.facts["dtype"]), device(model)) if chosen == PYTORCH else (TIMED, chosen)
    return results.latency(store(), results.computed(model.facts), *how)


def sensitivity_map(model: Info, criterion: str | None = None) -> SensitivityMap | None:
    """The map for a criterion (the session's), its groups of weights; of several see `mixed_map`."""
    smap = mixed_map(model, criterion)
    return None if smap is None else smap.of_weights


def mixed_map(model: Info, criterion: str | None = None) -> SensitivityMap | None:
    """The whole map for a criterion (the session's), units and weights; of several the one with most levels,
    then the newest."""
    row = results.best_map(store(), subject(model), criterion or session.current().criterion)
    return None if row is None else _map(row["id"], row["created"], row["value"])


def other_map(model: Info) -> SensitivityMap | None:
    """The whole map of another criterion on the session's text, in view while the session's own is missing.

    Of several that of the criterion before, then of the one that newcomers start with.
    """
    first = (session.criterion_before(), session.Choice().criterion)
    names = [name for name in dict.fromkeys((*first, *labels.CRITERION_NAME)) if name is not None]
    maps = (mixed_map(model, name) for name in names if name != session.current().criterion)
    return next((smap for smap in maps if smap is not None), None)


@st.cache_resource(max_entries=8, show_spinner=False)
def _map(row: int, created: float, _value: dict[str, Any]) -> SensitivityMap:
    return SensitivityMap.from_dict(_value)


@dataclass(frozen=True)
class Measured:
    """One measured plan of this model, criterion and data, its settings in one line and one spelling.

    `recovery` holds the settings of the training it was measured after, None where there was none.
    """

    settings: str
    plan: Plan
    figures: dict[str, Any]
    recovery: dict[str, Any] | None = None


def measurements(model: Info, smap: SensitivityMap) -> list[Measured]:
    """The plans of the map's model, criterion and text that any task measured without training, newest first.

    What was measured after training says nothing about the plan without it; see `recovered`.
    """
    return [row for row in _measured(smap) if row.recovery is None]


def recovered(smap: SensitivityMap, plan: Plan) -> list[Measured]:
    """What was measured of just this plan after training, whichever task did it, newest first."""
    rows = _measured(smap) if plan else []
    return [row for row in rows if row.recovery is not None and plan_id(row.plan) == plan_id(plan)]


def _measured(smap: SensitivityMap) -> list[Measured]:
    return [
        Measured(",".join(format_settings(row.plan, smap.groups)), row.plan, row.figures, row.recovery)
        for row in results.measurements(store(), smap)
    ]


def measured(plan: Plan, measurements: Sequence[Measured]) -> dict[str, Any] | None:
    """The measured figures of exactly this plan, where there are any."""
    return next((row.figures for row in measurements if plan_id(row.plan) == plan_id(plan)), None)


def forecaster(smap: SensitivityMap, measurements: Sequence[Measured]) -> Forecaster:
    """The map with the fit to its plans measured without training; with the prior where there are none."""
    rows = [row for row in measurements if row.plan and row.recovery is None]
    pairs = [(row.plan, float(row.figures["kl"])) for row in rows]
    return Forecaster.fitted(smap, pairs, [row.figures for row in rows])


def sweep_points(smap: SensitivityMap) -> dict[Group, list[dict[str, Any]]]:
    """Measured points of single groups, by group, ascending in level."""
    points: dict[Group, list[dict[str, Any]]] = {}
    for value in sorted(results.of_map(store(), "sweep_point", smap), key=lambda value: value["level"]):
        points.setdefault((value["layer"], value["kind"]), []).append(value)
    return points


def capability_map(smap: SensitivityMap) -> CapabilityMap | None:
    """What capabilities lean on, as far as it was worked out for the map's model, criterion and very text."""
    return results.capability_map(store(), smap)


def outlier_shares(smap: SensitivityMap) -> dict[int, float] | None:
    """The share of outliers of each layer of the map's model on the map's text, where it was counted."""
    return results.outlier_shares(store(), smap)


def answers(smap: SensitivityMap, plans: Sequence[Plan]) -> dict[str, list[list[dict[str, Any]]]]:
    """What the dense model and these plans answered, on whichever page it was asked.

    Returns
    -------
    dict
        By prompt, the one answered last first: for each of the plans its rows of the task `generate`, one for
        each length that was asked for, the longest first; none where it was not asked.
    """
    asked: dict[str, list[list[dict[str, Any]]]] = {}
    places = {plan_id(plan): number for number, plan in enumerate(plans)}
    for row in results.answers(store(), smap):
        number = places.get(plan_id(row.plan))
        if number is not None:
            asked.setdefault(row.value["prompt"], [[] for _ in plans])[number].append(row.value)
    for rows in (rows for by_plan in asked.values() for rows in by_plan):
        rows.sort(key=lambda value: -value["max_new_tokens"])
    return asked


def rows(model: Info, kind: str) -> list[results.Row]:
    """Rows of a kind that are about the session's model and its text as it is now, newest first."""
    return results.about(store(), kind, subject(model))


def guide_comparison(model: Info) -> list[results.Row]:
    """Rows of the comparison with the guide, measured on the session's text and device, newest first."""
    return results.impact(store(), subject(model), device(model))


def demo_map_has_units() -> bool:
    """Whether the demo's map is there, with the defaults for all else, and prices whole units."""
    row = results.ready_map(store(), "demo")
    return row is not None and bool(row["value"].get("unit_totals"))


def done_with_defaults(reference: str) -> dict[str, bool]:
    """Which of the tasks inspect, map and baseline are done for a model with the defaults for all else."""
    facts = results.inspected(store(), reference)
    if facts is None:
        return dict.fromkeys(("inspect", "map", "baseline"), False)
    about = results.latest_subject(store(), results.computed(facts), session.Choice().data)
    return {
        "inspect": True,
        "map": results.ready_map(store(), reference) is not None,
        "baseline": bool(results.about(store(), "baseline", about)),
    }
