"""What pages read from the workspace about the session's model. No drawing here, and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.jobs import runner
from pruning.model_files.preview import Preview, preview
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions, names
from pruning.planning.recipe.plan import Group, Plan, format_settings, plan_id
from pruning.ui.data import session
from pruning.ui.text import labels
from pruning.workspace import results
from pruning.workspace.store import Store


def store() -> Store:
    return runner().store


@dataclass(frozen=True)
class Info:
    """What an inspected model is made of."""

    facts: dict[str, Any]
    groups: list[Group]
    parameters: dict[Group, int]

    @property
    def fingerprint(self) -> str:
        return str(self.facts["fingerprint"])

    @property
    def kinds(self) -> list[str]:
        return list(dict.fromkeys(kind for _, kind in self.groups))

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
    return Info(facts, list(parameters), parameters)


def device(model: Info) -> str:
    """The device that the session computes on, as results name it."""
    chosen = session.current().device
    return str(model.facts["device"]) if chosen == "auto" else chosen


def subject(model: Info) -> results.Subject | None:
    """The session's model with its text as it was met last; None where nothing is about it yet."""
    return results.latest_subject(store(), model.fingerprint, session.current().data)


def baseline(model: Info) -> dict[str, Any] | None:
    """The unpruned model's figures on the session's text, with its times on the session's device."""
    return results.baseline(store(), subject(model), device(model))


def latency(model: Info) -> dict[str, Any] | None:
    """What was timed last of this model, in its number format and on the session's device."""
    return results.latency(store(), model.fingerprint, str(model.facts["dtype"]), device(model))


def sensitivity_map(model: Info, criterion: str | None = None) -> SensitivityMap | None:
    """The map for a criterion (the session's); of several the one with most levels, then the newest."""
    row = results.best_map(store(), subject(model), criterion or session.current().criterion)
    return None if row is None else _map(row["id"], row["created"], row["value"])


def other_map(model: Info) -> SensitivityMap | None:
    """The map of another criterion on the session's text, to keep in view while the session's own is missing.

    Of several that of the criterion before, then of the one that newcomers start with.
    """
    first = (session.criterion_before(), session.Choice().criterion)
    names = [name for name in dict.fromkeys((*first, *labels.CRITERION_NAME)) if name is not None]
    maps = (sensitivity_map(model, name) for name in names if name != session.current().criterion)
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
    return [row for row in _measured(smap, model.groups) if row.recovery is None]


def recovered(smap: SensitivityMap, plan: Plan) -> list[Measured]:
    """What was measured of just this plan after training, whichever task did it, newest first."""
    rows = _measured(smap, smap.groups) if plan else []
    return [row for row in rows if row.recovery is not None and plan_id(row.plan) == plan_id(plan)]


def _measured(smap: SensitivityMap, groups: Sequence[Group]) -> list[Measured]:
    return [
        Measured(",".join(format_settings(row.plan, groups)), row.plan, row.figures, row.recovery)
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


def done_with_defaults(reference: str) -> dict[str, bool]:
    """Which of the tasks inspect, map and baseline are done for a model with the defaults for all else."""
    facts = results.inspected(store(), reference)
    if facts is None:
        return dict.fromkeys(("inspect", "map", "baseline"), False)
    about = results.latest_subject(store(), facts["fingerprint"], session.Choice().data)
    return {
        "inspect": True,
        "map": results.ready_map(store(), reference) is not None,
        "baseline": bool(results.about(store(), "baseline", about)),
    }


def free_export_name(stem: str) -> str:
    """The first of stem, stem-2, stem-3, … under which no model is written yet."""
    folder = store().exports()
    names = (f"{stem}-{number}" if number > 1 else stem for number in count(1))
    return next(name for name in names if not (folder / name).exists())


def exports(model: Info) -> list[dict[str, Any]]:
    """Written models of this one, newest first."""
    return results.exports(store(), model.fingerprint)


def written(model: Info) -> bool:
    """Whether exactly the session's plan, with its criterion and text, was written, and is on disk still."""
    try:
        settings = format_settings(session.plan(model.groups), model.groups)
    except PruningError:
        return False
    same = [value for value in exports(model) if list(value["settings"]) == settings != []]
    return any(_as_chosen(value) and Path(value["out"]).is_dir() for value in same)


def _as_chosen(value: dict[str, Any]) -> bool:
    """Whether an export was made as the session would make it: without options, and without training."""
    choice, recipe = session.current(), value.get("recipe") or {}
    text = recipe.get("data", {}).get("name", choice.data)
    masks = {name: recipe[name] for name in names() if recipe.get(name) is not None}
    return (
        (recipe.get("criterion", choice.criterion), text) == (choice.criterion, choice.data)
        and MaskOptions.of(masks) == DEFAULT
        and not recipe.get("recovery")
    )
