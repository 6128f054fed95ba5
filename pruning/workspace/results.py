"""The one reader of stored results: what it returns is about this very model, text, number format and device.

A row is about a model by the fingerprint of its weights as they are computed with, which covers the number
format. It is about a text by the fingerprint of its tokens, never by its name: a file may have changed under
the same name, and then its older figures are about another text. Figures of time belong to one device of one
machine besides.

Measurements and answers are found by plan, whichever task made them: a plan is known by its levels, however
its settings are spelled, and is another one with another criterion, other options or another text.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pruning.data_files.source import stamp_of
from pruning.planning.cost.latency_table import processor
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import sizes_at
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions, names
from pruning.planning.recipe.plan import Plan, kinds_of, parse_settings, plan_id
from pruning.planning.recipe.training import Training
from pruning.workspace.keys import canonical
from pruning.workspace.plan_figures import READERS, PlanFigures, plan_figures
from pruning.workspace.store import Store

TIMES = ("prefill_ms", "decode_ms")
# The kind of the rows that say which text a model read last under a name.
TEXT = "text"

Row = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """The model and the text that results must be about; `data` is the text's name."""

    fingerprint: str
    data: str
    data_fingerprint: str

    @classmethod
    def of_map(cls, smap: SensitivityMap) -> "Subject":
        """What the map is about."""
        return cls(smap.fingerprint, smap.data, smap.data_fingerprint)


def put_text(store: Store, subject: Subject, stamp: tuple[int, ...] | None) -> None:
    """Say that the model read the subject's text now; `stamp` is its file's, None where it is none.

    See `pruning.data_files.source.stamp_of`.
    """
    key = {"fingerprint": subject.fingerprint, "data": subject.data}
    value = {"data_fingerprint": subject.data_fingerprint, "file": None if stamp is None else list(stamp)}
    store.put(TEXT, key, value)


def latest_subject(store: Store, fingerprint: str, data: str) -> Subject | None:
    """The model with the text that it read last under the name `data`.

    None where nothing is about it, and where `data` is a file that has changed since: what is stored is
    about an older text. Workspaces of before such readings were kept go by the newest row that names a text.
    """
    reading = store.get(TEXT, {"fingerprint": fingerprint, "data": data})
    if reading is None:
        name = store.latest("data_fingerprint", fingerprint=fingerprint, data=data)
        return None if name is None else Subject(fingerprint, data, name)
    stamp = stamp_of(data)
    if stamp is not None and list(stamp) != reading["file"]:
        return None
    return Subject(fingerprint, data, reading["data_fingerprint"])


def about(store: Store, kind: str, subject: Subject | None, **where: Any) -> list[Row]:
    """Rows of a kind that are about the subject, with these fields in their key, newest first."""
    if subject is None:
        return []
    rows = store.find(kind, fingerprint=subject.fingerprint, data=subject.data, **where)
    return [row for row in rows if _stamp(row) == subject.data_fingerprint]


def _stamp(row: Row) -> str | None:
    """The fingerprint of the text that a row is about; rows of some kinds have it in their key."""
    return row["value"].get("data_fingerprint", row["key"].get("data_fingerprint"))


def stored(store: Store, kind: str, key: Row, data_fingerprint: str) -> dict[str, Any] | None:
    """The value kept under (kind, key) if it is about this very text."""
    value = store.get(kind, key)
    return value if value is not None and value["data_fingerprint"] == data_fingerprint else None


# ---- the model --------------------------------------------------------------------------------------


def inspected(store: Store, reference: str, dtype: str = "float32") -> dict[str, Any] | None:
    """What the last inspection found of the model by this name and in this number format."""
    return store.get("inspect", {"reference": reference, "dtype": dtype})


def computed(facts: Mapping[str, Any]) -> str:
    """By what results are about an inspected model; inspections of older versions have it as fingerprint."""
    return str(facts.get("computed") or facts["fingerprint"])


def latency(store: Store, fingerprint: str, dtype: str, device: str) -> dict[str, Any] | None:
    """What was timed last of the model in this number format, on this device of this machine."""
    rows = store.find("latency", fingerprint=fingerprint, dtype=dtype, device=device)
    here = processor()
    return next((row["value"] for row in rows if row["key"]["machine"].startswith(here)), None)


def baseline(store: Store, subject: Subject | None, device: str) -> dict[str, Any] | None:
    """The dense model's figures on the text; without its times where they are another device's."""
    rows = about(store, "baseline", subject)
    here = [row for row in rows if row["value"].get("device") == device]
    if here:
        return here[0]["value"]
    return {name: value for name, value in rows[0]["value"].items() if name not in TIMES} if rows else None


def exports(store: Store, fingerprint: str) -> list[dict[str, Any]]:
    """Written models of this one, newest first."""
    return [row["value"] for row in store.find("export", fingerprint=fingerprint)]


# ---- maps -------------------------------------------------------------------------------------------


def best_map(store: Store, subject: Subject | None, criterion: str) -> Row | None:
    """The row of the criterion's sensitivity map: of several the one with most levels, then the newest."""
    rows = about(store, "map", subject, criterion=criterion)
    return max(rows, key=lambda row: (len(row["value"]["levels"]), row["created"]), default=None)


def ready_map(store: Store, reference: str) -> Row | None:
    """The map a newcomer starts with: of an inspected model, with the defaults for everything else."""
    facts = inspected(store, reference)
    if facts is None:
        return None
    return best_map(store, latest_subject(store, computed(facts), "demo"), "fisher")


def capability_map(store: Store, smap: SensitivityMap, needed: Collection[str] = ()) -> CapabilityMap | None:
    """The capability map; of several the one with most capabilities, then levels, then the newest.

    None where it was not worked out for all that are `needed`.
    """
    rows = about(store, "capabilities", Subject.of_map(smap), criterion=smap.criterion)
    values = [row["value"] for row in rows if row["value"]["capabilities"]]
    best = max(values, key=lambda value: (len(value["capabilities"]), len(value["levels"])), default=None)
    if best is None or not set(needed) <= set(best["capabilities"]):
        return None
    return CapabilityMap.from_dict(best)


def outlier_shares(store: Store, smap: SensitivityMap) -> dict[int, float] | None:
    """The share of outliers in each layer, where they were counted on the map's calibration text."""
    rows = about(store, "outliers", Subject.of_map(smap))
    return dict(zip(rows[0]["value"]["layers"], rows[0]["value"]["shares"], strict=True)) if rows else None


# ---- measurements -----------------------------------------------------------------------------------


def of_map(
    store: Store, kind: str, smap: SensitivityMap, criterion: str | None = None
) -> list[dict[str, Any]]:
    """Values of a kind with the map's criterion (or another that it prices) and structure, newest first.

    What was made with another structure, scope or pattern than the map prices is another matter.
    """
    options = MaskOptions(structure=smap.structure)
    where = {"criterion": criterion or smap.criterion, **options.everywhere()}
    return [row["value"] for row in about(store, kind, Subject.of_map(smap), **where)]


@dataclass(frozen=True)
class Measurement:
    """What was measured of a plan.

    `figures` are those of the task `measure`, as far as the task that measured keeps them: always KL (nats
    per token), perplexity, agreement and accuracy (0..1), `bytes` with zeros as one bit each, `sparsity`, and
    `file_bytes` of the ordinary file where single weights are pruned. `recovery` holds the
    settings of the training before that are not their default, None without training.
    """

    plan: Plan
    figures: dict[str, Any]
    recovery: dict[str, Any] | None
    made: float


@dataclass(frozen=True)
class Answered:
    """What a plan answered to a prompt: `value` is a row of the task `generate`."""

    plan: Plan
    value: dict[str, Any]


def measurements(store: Store, smap: SensitivityMap, criterion: str | None = None) -> list[Measurement]:
    """Everything measured of plans with the map's criterion (or another that it prices), newest first.

    It is there once for each plan and training, whichever task made it: from the first kind of `READERS`
    that has it, which say most first.
    """
    best: dict[str, Measurement] = {}
    for kind in READERS:
        for row in _of_subject(store, kind, Subject.of_map(smap)):
            if not _made_with(smap, criterion or smap.criterion, row):
                continue
            for part in plan_figures(kind, row["value"]):
                measurement = _measurement(smap, row, part)
                key = canonical({"plan": plan_id(measurement.plan), "recovery": measurement.recovery})
                best.setdefault(key, measurement)
    return sorted(best.values(), key=lambda measurement: -measurement.made)


def _of_subject(store: Store, kind: str, subject: Subject) -> list[Row]:
    """Rows of a kind that are about the subject; an export has only its model in its key."""
    if kind != "export":
        return about(store, kind, subject)
    rows = store.find(kind, fingerprint=subject.fingerprint)
    return [row for row in rows if _stamp(row) == subject.data_fingerprint]


def _made_with(smap: SensitivityMap, criterion: str, row: Row) -> bool:
    """Whether the row was made with the criterion, with kinds that the map prices, and with no scope, pattern
    or other option."""
    fields = {**row["key"], **row["value"]}
    given = fields.get("options") or {name: fields[name] for name in names() if name in fields}
    options = MaskOptions.of(given)
    plain = set(options.changed()) <= {"structure"} and options.of_weights == DEFAULT.structure
    priced = kinds_of(fields.get("settings") or ()) <= {*smap.kinds}
    return plain and priced and canonical_criterion(fields.get("criterion", "")) == criterion


def _measurement(smap: SensitivityMap, row: Row, part: PlanFigures) -> Measurement:
    plan = parse_settings(part.settings or row["value"]["settings"], smap.groups)
    sizes = sizes_at(smap, smap.mix.whole(smap.levels_of(plan)))
    counted = {"bytes": sizes.bytes, "sparsity": sizes.pruned / smap.prunable}
    if smap.structure == "unstructured":
        counted["file_bytes"] = sizes.file_bytes
    recovery = None if part.recovery is None else Training.of(part.recovery).changed()
    return Measurement(plan, {**counted, **part.figures}, recovery, row["created"])


def answers(store: Store, smap: SensitivityMap) -> list[Answered]:
    """What plans with the map's criterion answered, of any length, newest first."""
    rows = about(store, "answer", Subject.of_map(smap))
    return [
        Answered(parse_settings(row["value"]["settings"], smap.groups), row["value"])
        for row in rows
        if _made_with(smap, smap.criterion, row)
    ]


def measured_plans(
    store: Store, smap: SensitivityMap, criterion: str | None = None
) -> list[tuple[Plan, Row]]:
    """The measured plans that the forecast is fitted to, each with its figures.

    What was measured after training is left out: the forecast is about the plan without.
    """
    return [
        (measurement.plan, measurement.figures)
        for measurement in measurements(store, smap, criterion)
        if measurement.plan and measurement.recovery is None
    ]


def forecaster(store: Store, smap: SensitivityMap, criterion: str | None = None) -> Forecaster:
    """The map's forecaster, fitted to what was measured on its very text; the prior where nothing was.

    `criterion`: another than the map's own, whose plans it prices.
    """
    measured = measured_plans(store, smap, criterion)
    pairs = [(plan, float(figures["kl"])) for plan, figures in measured]
    return Forecaster.fitted(smap, pairs, [figures for _, figures in measured])


def measured_rows(store: Store, subject: Subject | None, kinds: tuple[str, ...] = ("measure",)) -> list[Row]:
    """Rows of every measured way of pruning, whatever chose the weights, newest first."""
    rows = [row for kind in kinds for row in about(store, kind, subject)]
    return sorted(rows, key=lambda row: -row["created"])


def impact(store: Store, subject: Subject | None, device: str) -> list[Row]:
    """Rows of the comparison with the guide that were measured on this device, newest first."""
    return about(store, "impact", subject, device=device)
