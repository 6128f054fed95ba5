"""Stored rows and jobs as runs: which kinds are listed, and which rows are one run together."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pruning.planning.recipe.mask_options import DEFAULT, names
from pruning.workspace.keys import canonical
from pruning.workspace.results import computed
from pruning.workspace.store import BACKGROUND, Job, Store

# Kinds of rows that are a run each.
RESULTS = (
    "map",
    "measure",
    "measure_recovered",
    "baseline",
    "recovery",
    "export",
    "capabilities",
    "quantize",
    "early_exit",
    "latency",
    "ladder",
    "lottery",
    "first_look",
)


@dataclass(frozen=True)
class Together:
    """Kinds of rows that are one run together: the run's kind, what its value calls them, and which fields
    of their keys tell them apart."""

    kind: str
    plural: str
    apart: tuple[str, ...]


TOGETHER = {
    "sweep_point": Together("sweep", "points", ("layer", "kind", "level")),
    "answer": Together("answer", "answers", ("prompt", "max_new_tokens")),
    "impact": Together("impact", "rows", ("name", "steps")),
}
# Kinds that are no run: notes, readings of texts, looks at models, times of stages, parts of benches, and
# what other tasks are made from. A course is the run of its recovery.
NO_RUNS = (
    "note",
    "text",
    "text_preview",
    "inspect",
    "stage_seconds",
    "written",
    "unit_map",
    "outliers",
    "dense_answers",
    "recovery_course",
    "bench_mixed",
    "bench_gallery",
)
# A job is listed where it ended so; what others made is listed itself.
ENDED_BADLY = ("failed", "cancelled")

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Something that was made, or tried: `kind` is one of RESULTS or of TOGETHER's, or "job".

    `key` names it for good, `reference` and `dtype` load its model (None where nobody knows any more),
    `value` holds its figures; `made` is in seconds since the epoch; `options` are those of
    pruning.planning.recipe.mask_options that are not at their default, and the recovery where there was one.
    `device` is where it was timed, for what belongs to one; `rows` are kind and key of all that is stored.
    """

    kind: str
    key: dict[str, Any]
    reference: str | None
    dtype: str
    criterion: str
    data: str
    settings: tuple[str, ...]
    made: float
    value: dict[str, Any]
    note: str
    options: dict[str, Any] = field(default_factory=dict)
    device: str | None = None
    rows: tuple[tuple[str, dict[str, Any]], ...] = ()

    @property
    def id(self) -> str:
        """The same few letters for the same run, others for another."""
        subject = {"kind": self.kind, "key": self.key}
        return hashlib.sha256(canonical(subject).encode()).hexdigest()[:12]

    @property
    def data_fingerprint(self) -> str | None:
        """That of the very text it is about; None where it is about none, or nobody knows."""
        return self.value.get("data_fingerprint", self.key.get("data_fingerprint"))


def models(store: Store) -> list[dict[str, Any]]:
    """What is known of every model that was looked at, the latest first."""
    return [row["value"] for row in store.find("inspect")]


def listed(store: Store) -> list[Run]:
    """Every run of the workspace, without its note."""
    named = _names(store)
    rows = [row for kind in RESULTS for row in store.find(kind)] + _courses(store)
    runs = [_run(row["kind"], row["key"], row["value"], [row], named) for row in rows]
    for kind, together in TOGETHER.items():
        runs += [_joined(rows, together, named) for rows in _groups(store.find(kind), together)]
    # What gave way to other work began again by itself.
    ended = (job for job in store.jobs(ENDED_BADLY, limit=200) if not job.request.get(BACKGROUND))
    return [*runs, *map(_job, ended)]


def _names(store: Store) -> dict[str, tuple[str, str]]:
    """(reference, dtype) by fingerprint: from the latest look at the model, or from a map of it."""
    named = {
        row["value"]["fingerprint"]: (row["value"]["model"], "float32") for row in reversed(store.find("map"))
    }
    named.update({computed(m): (m["reference"], m["dtype"]) for m in reversed(models(store))})
    return named


def _courses(store: Store) -> list[Row]:
    """Recoveries that were killed before they kept anything: nothing but their course is there."""
    kept = {canonical(row["key"]) for row in store.find("recovery")}
    return [
        {**row, "kind": "recovery", "value": {"finished": False, **row["value"]}}
        for row in store.find("recovery_course")
        if canonical(row["key"]) not in kept
    ]


def _groups(rows: Iterable[Row], together: Together) -> list[list[Row]]:
    """The rows whose keys are the same but for what tells them apart."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(canonical(_shared_key(row["key"], together)), []).append(row)
    return list(groups.values())


def _shared_key(key: Mapping[str, Any], together: Together) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in together.apart}


def _joined(rows: list[Row], together: Together, named: Mapping[str, tuple[str, str]]) -> Run:
    key = _shared_key(rows[0]["key"], together)
    value = {together.plural: [row["value"] for row in rows]}
    return _run(together.kind, key, value, rows, named)


def _run(kind: str, key: Row, value: Row, rows: list[Row], named: Mapping[str, tuple[str, str]]) -> Run:
    """The run of these rows, whose key and value are given as one."""
    recipe = (value.get("recipe") or {}) if kind == "export" else {}
    unnamed = (recipe.get("model") or {}).get("reference"), "float32"
    reference, dtype = named.get(key["fingerprint"], unnamed)
    stored = [(row["kind"], row["key"]) for row in rows]
    return Run(
        kind=kind,
        key=key,
        reference=reference,
        dtype=dtype,
        criterion=key.get("criterion") or value.get("criterion") or "fisher",
        data=key.get("data") or (recipe.get("data") or {}).get("name") or "demo",
        settings=tuple(value.get("settings") or key.get("settings") or ()),
        made=max(row["created"] for row in rows),
        value=value,
        note="",
        options=_options({**key, **value}),
        device=key.get("device") or (value.get("device") if kind == "baseline" else None),
        rows=tuple([*stored, ("recovery_course", key)] if kind == "recovery" else stored),
    )


def _options(values: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from its default; a map names its structure in any case."""
    given = {name: values.get(name) for name in (*names(), "recovery")}
    return {n: v for n, v in given.items() if v is not None and v != getattr(DEFAULT, n, None)}


def _job(job: Job) -> Run:
    model, arguments = job.request["model"], job.request["arguments"]
    recipe = arguments.get("recipe") or {}
    return Run(
        kind="job",
        key={"job": job.id},
        reference=model["reference"],
        dtype=model.get("dtype", "float32"),
        criterion=arguments.get("criterion") or recipe.get("criterion") or "fisher",
        data=arguments.get("data") or (recipe.get("data") or {}).get("name") or "demo",
        settings=tuple(arguments.get("settings", ())),
        made=job.finished or job.created,
        value={"state": job.state, "error": job.error, "request": job.request},
        note="",
        options=_options(arguments),
    )
