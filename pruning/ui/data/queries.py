"""What pages read from the workspace and ask of the runner. No drawing here, and no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.jobs import runner
from pruning.model_files.preview import Preview, preview
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import Group, Plan, format_settings, parse_settings
from pruning.ui.data import session as state
from pruning.workspace import results
from pruning.workspace.store import WAITING, Job, Store


def store() -> Store:
    return runner().store


# ---- asking -----------------------------------------------------------------------------------------


def request(task: str, **arguments: Any) -> dict[str, Any]:
    """A request for the runner about the session's model."""
    choice = state.current()
    return {
        "task": task,
        "model": {
            "reference": choice.model,
            "dtype": choice.dtype,
            "device": choice.device,
            "trust_remote_code": choice.trust_remote_code,
            "allow_pickle": choice.allow_pickle,
        },
        "arguments": arguments,
    }


def submit(wanted: dict[str, Any]) -> int:
    """Queue a request, and remember its job as the session's latest of this task."""
    job_id = runner().submit(wanted)
    st.session_state[f"job_{wanted['task']}"] = job_id
    return job_id


def waiting_jobs() -> list[Job]:
    """Queued and running jobs of every session, oldest first."""
    return list(reversed(store().jobs(WAITING)))


def about_model(job: Job) -> bool:
    """Whether a job is about the session's model."""
    return bool(job.request["model"]["reference"] == state.current().model)


def latest_job(task: str) -> Job | None:
    """The job of this task that this session asked for last; after a reload the newest one of its model."""
    job_id = st.session_state.get(f"job_{task}")
    if job_id is not None:
        job = store().job(job_id)
        return job if about_model(job) else None
    return next((j for j in store().jobs() if j.request["task"] == task and about_model(j)), None)


# ---- reading ----------------------------------------------------------------------------------------


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
def look(reference: str, dtype: str) -> Preview:
    """The preview of a model, kept for half a minute so that reruns do not ask the hub again."""
    return preview(reference, dtype)


def info() -> Info | None:
    """The session's model as the last inspection found it, or None before the first."""
    choice = state.current()
    if not choice.model:
        return None
    facts = results.inspected(store(), choice.model, choice.dtype)
    if facts is None:
        return None
    parameters = {(g["layer"], g["kind"]): int(g["parameters"]) for g in facts["groups"]}
    return Info(facts, list(parameters), parameters)


def device(model: Info) -> str:
    """The device that the session computes on, as results name it."""
    chosen = state.current().device
    return str(model.facts["device"]) if chosen == "auto" else chosen


def subject(model: Info) -> results.Subject | None:
    """The session's model with its text as it was met last; None where nothing is about it yet."""
    return results.latest_subject(store(), model.fingerprint, state.current().data)


def baseline(model: Info) -> dict[str, Any] | None:
    """The unpruned model's figures on the session's text, with its times on the session's device."""
    return results.baseline(store(), subject(model), device(model))


def times(model: Info) -> dict[str, Any] | None:
    """What was timed last of this model, in its number format and on the session's device."""
    return results.latency(store(), model.fingerprint, str(model.facts["dtype"]), device(model))


def the_map(model: Info, criterion: str | None = None) -> SensitivityMap | None:
    """The map for a criterion (the session's); of several the one with most levels, then the newest."""
    row = results.best_map(store(), subject(model), criterion or state.current().criterion)
    return None if row is None else _map(row["id"], row["created"], row["value"])


@st.cache_resource(max_entries=8, show_spinner=False)
def _map(row: int, created: float, _value: dict[str, Any]) -> SensitivityMap:
    return SensitivityMap.from_dict(_value)


@dataclass(frozen=True)
class Measured:
    """One measured plan of this model, criterion and data."""

    settings: str
    plan: Plan
    figures: dict[str, Any]


def measurements(model: Info, smap: SensitivityMap) -> list[Measured]:
    """The measured plans of the map's model, criterion and text, newest first."""
    return [
        Measured(",".join(value["settings"]), parse_settings(value["settings"], model.groups), value)
        for value in results.of_map(store(), "measure", smap)
    ]


def measured(plan: Plan, known: list[Measured], groups: list[Group]) -> dict[str, Any] | None:
    """The measured figures of exactly this plan, where there are any."""
    text = ",".join(format_settings(plan, groups))
    return next((m.figures for m in known if m.settings == text), None)


def calibration(smap: SensitivityMap, known: list[Measured]) -> ForecastFit:
    """The calibration that the measured plans of this map give; the stated prior without any."""
    return Forecaster.fitted(smap, [(m.plan, float(m.figures["kl"])) for m in known if m.plan]).fit


def sweep_points(smap: SensitivityMap) -> dict[Group, list[dict[str, Any]]]:
    """Measured points of single groups, by group, ascending in level."""
    points: dict[Group, list[dict[str, Any]]] = {}
    for value in sorted(results.of_map(store(), "sweep_point", smap), key=lambda value: value["level"]):
        points.setdefault((value["layer"], value["kind"]), []).append(value)
    return points


def leanings(smap: SensitivityMap) -> CapabilityMap | None:
    """What capabilities lean on, as far as it was worked out for the map's model, criterion and very text."""
    return results.capability_map(store(), smap)


def answers(smap: SensitivityMap) -> list[dict[str, Any]]:
    """What the dense model and plans of the map's criterion answered, newest first."""
    return results.of_map(store(), "answer", smap)


def exports(model: Info) -> list[dict[str, Any]]:
    """Written models of this one, newest first."""
    return results.exports(store(), model.fingerprint)
