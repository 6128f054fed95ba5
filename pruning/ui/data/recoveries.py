"""The recoveries of the session's model as rows: finished ones, and those under way or stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pruning.planning.recipe.mask_options import MaskOptions, names
from pruning.planning.recipe.training import Training
from pruning.ui.data import queries
from pruning.ui.data.results import totals_of
from pruning.ui.text import methods as method_words
from pruning.ui.text import recovery as recover_words
from pruning.workspace import results
from pruning.workspace.keys import canonical

CHOSEN, NEWEST = "recovery_chosen", "recovery_newest"
RESULT, COURSE = "recovery", "recovery_course"


@dataclass(frozen=True)
class Recovered:
    """One recovery. `key` names it in the workspace; `value` is what `recover` wrote last, its result
    or how far it is, and `made` when, in seconds since the epoch."""

    id: str
    name: str
    key: dict[str, Any]
    value: dict[str, Any]
    made: float

    @property
    def finished(self) -> bool:
        return bool(self.value["finished"])

    @property
    def training(self) -> Training:
        return Training.of(self.value["recovery"])

    @property
    def goes_on_from(self) -> int:
        """The step that training goes on from when it is asked for again."""
        return int(self.value.get("saved_step", self.value["steps"]))

    @property
    def options(self) -> MaskOptions:
        return MaskOptions.of({name: self.value[name] for name in names() if name in self.value})

    def arguments(self) -> dict[str, Any]:
        """What the tasks recover, measure and export need to take up the same again."""
        return {
            "settings": list(self.value["settings"]),
            "criterion": self.value["criterion"],
            "data": self.key["data"],
            "recovery": dict(self.value["recovery"]),
            **self.options.changed(),
        }


def recoveries(model: queries.Info) -> list[Recovered]:
    """Every recovery of this model on the session's text as it is now, newest first."""
    rows = [
        {**row, "value": {"finished": False, **row["value"]}}
        for row in results.measured_rows(queries.store(), queries.subject(model), (RESULT, COURSE))
    ]
    together: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        together.setdefault(canonical(row["key"]), []).append(row)
    return [_recovered(_telling(rows), model) for rows in together.values()]


def _telling(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of the rows about one recovery, newest first, the one that says most: of a stopped one its course."""
    newest = rows[0]
    courses = [row for row in rows if row["kind"] == COURSE]
    return courses[0] if courses and not newest["value"]["finished"] else newest


def _recovered(row: Mapping[str, Any], model: queries.Info) -> Recovered:
    value = row["value"]
    options = {name: value[name] for name in names() if name in value}
    totals = totals_of(model, options.get("structure", "unstructured"))
    method = method_words.method(value["criterion"], value["settings"], options, None, totals)
    return Recovered(
        id=hashlib.sha256(canonical({"kind": RESULT, "key": row["key"]}).encode()).hexdigest()[:12],
        name=f"{method}; {recover_words.how(Training.of(value['recovery']))}",
        key=row["key"],
        value=value,
        made=row["created"],
    )


def same_as(arguments: Mapping[str, Any], recoveries: Sequence[Recovered]) -> Recovered | None:
    """The recovery that these arguments ask for, where there is one."""
    asked = _canonical(arguments)
    return next((each for each in recoveries if _canonical(each.arguments()) == asked), None)


def _canonical(arguments: Mapping[str, Any]) -> str:
    recovery = Training.of(arguments.get("recovery") or {}).changed()
    return canonical({"criterion": "fisher", "data": "demo", **arguments, "recovery": recovery})


def seconds_a_step(recoveries: Sequence[Recovered], training: Training) -> tuple[float, bool] | None:
    """Seconds that a step will take, by the newest recovery that trained alike, or failing that the newest of
    all, in proportion to the windows of a step; and whether it trained alike. None where nothing is known."""
    timed = [row for row in recoveries if row.value.get("seconds_a_step")]
    alike = [row for row in timed if _kind_of(row.training) == _kind_of(training)]
    if not timed:
        return None
    newest = (alike or timed)[0]
    windows = newest.training.batch * newest.training.accumulate
    seconds = newest.value["seconds_a_step"] * training.batch * training.accumulate / windows
    return seconds, bool(alike)


def seconds_before(recoveries: Sequence[Recovered], training: Training) -> float | None:
    """Seconds that the newest recovery with the same preparation took until its first step; None where there
    is none."""
    times = [
        row.value.get("seconds_before")
        for row in recoveries
        if _prepared(row.training) == _prepared(training)
    ]
    return next((seconds for seconds in times if seconds), None)


def _prepared(training: Training) -> tuple[Any, ...]:
    """All that decides what is done before the first step, but for the amount of text."""
    return training.loss == "distill", training.written, training.fits_first()


def _kind_of(training: Training) -> tuple[Any, ...]:
    return training.loss == "task", training.lora > 0, training.hidden > 0


def frame(recoveries: Sequence[Recovered]) -> pd.DataFrame:
    """Recoveries as a table to take away, a row each, all of it measured; shares in percent."""
    return pd.DataFrame([_row(recovered) for recovered in recoveries])


def _row(recovered: Recovered) -> dict[str, Any]:
    value, training = recovered.value, recovered.training
    pruned, after = value.get("pruned") or {}, value.get("recovered") or {}
    dense, regained = value.get("dense") or {}, value.get("won_back")
    return {
        "when": pd.Timestamp(recovered.made, unit="s").round("s"),
        "what": recovered.name,
        "state": "finished" if recovered.finished else f"at step {value['steps']} of {training.steps}",
        "structure": recovered.options.structure,
        "criterion": value["criterion"],
        "settings": " ".join(value["settings"]),
        "recovery": " ".join(f"{name}={chosen}" for name, chosen in value["recovery"].items()),
        "steps": value["steps"],
        "best_step": value["best_step"],
        "removed_percent": None if value.get("sparsity") is None else 100 * value["sparsity"],
        "kl_pruned_nats_per_token": pruned.get("kl"),
        "kl_recovered_nats_per_token": after.get("kl"),
        "won_back_percent": None if regained is None else 100 * regained,
        "perplexity_unpruned": dense.get("perplexity"),
        "perplexity_pruned": pruned.get("perplexity"),
        "perplexity_recovered": after.get("perplexity"),
        "accuracy_recovered_percent": 100 * after["accuracy"] if after else None,
        "same_next_word_recovered_percent": 100 * after["agreement"] if after else None,
        "seconds_a_step": value.get("seconds_a_step"),
    }
