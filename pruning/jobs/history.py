"""How long the stages of jobs took on this machine, kept in the workspace, and what that lets one expect."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from pruning.jobs.stages import NO_MEASURE, PASSES, UNKNOWN, Course, Stage
from pruning.planning.cost.latency_table import processor
from pruning.workspace import results
from pruning.workspace.store import Store

KIND = "stage_seconds"
KEPT = 5


class History:
    """Seconds of stages for one model on one device of this machine.

    Parameters
    ----------
    store
        The workspace that earlier runs are kept in.
    model
        The model of a request: "reference", "dtype", "device".
    """

    def __init__(self, store: Store, model: Mapping[str, Any]) -> None:
        self._store = store
        self._model = str(model.get("reference") or "")
        self._dtype = str(model.get("dtype") or "float32")
        self._where = {"device": str(model.get("device") or "auto"), "machine": processor()}
        self._parameters = _parameters(store, self._model, self._dtype)
        self._seconds, self._elsewhere = self._read()

    def seconds(self, stage: Stage) -> float | None:
        """What is expected of the stage; None where nothing of the kind was ever timed here.

        By its own times with this model; else by those with another, in proportion to the parameters; else by
        how long a forward pass takes.
        """
        for times in (self._seconds, self._elsewhere):
            if stage.name in times:
                return stage.units * times[stage.name]
        a_pass = self.seconds_of_pass()
        return None if a_pass is None or stage.name in UNKNOWN else stage.passes * a_pass

    def seconds_of_pass(self) -> float | None:
        """What a dense forward pass over the evaluation text takes, judged by every stage that was timed."""
        for times in (self._seconds, self._elsewhere):
            passes = [
                times[name] / PASSES[name] for name in times if name in PASSES and name not in NO_MEASURE
            ]
            if passes:
                return times["dense"] / PASSES["dense"] if "dense" in times else median(passes)
        return None

    def total(self, course: Course) -> float | None:
        """Seconds of the whole course; None where nothing tells how fast this machine is with the model."""
        seconds = [self.seconds(stage) for stage in course.stages()]
        known = [value for value in seconds if value is not None]
        return sum(known) if known and len(known) == len(seconds) else None

    def keep(self, taken: Mapping[str, tuple[float, float]]) -> None:
        """Remember what stages took: by name their seconds and units."""
        parameters = _parameters(self._store, self._model, self._dtype)
        for name, (seconds, units) in taken.items():
            if units <= 0:
                continue
            key = self._key(name)
            before = (self._store.get(KIND, key) or {}).get("seconds", [])
            value = {"seconds": [*before, seconds / units][-KEPT:], "parameters": parameters}
            self._store.put(KIND, key, value)

    def _key(self, name: str) -> dict[str, Any]:
        return {"stage": name, "model": self._model, "dtype": self._dtype, **self._where}

    def _read(self) -> tuple[dict[str, float], dict[str, float]]:
        """Seconds of a unit by stage: with this model, and with others as if they had its size."""
        mine: dict[str, float] = {}
        others: dict[str, float] = {}
        for row in self._store.find(KIND, **self._where):
            key, value = row["key"], row["value"]
            each = median(value["seconds"])
            if key["model"] == self._model and key["dtype"] == self._dtype:
                mine[key["stage"]] = each
            elif key["stage"] == "start":
                others.setdefault("start", each)
            elif self._parameters and value["parameters"]:
                others.setdefault(key["stage"], each * self._parameters / value["parameters"])
        return mine, others


def _parameters(store: Store, reference: str, dtype: str) -> int | None:
    facts = results.inspected(store, reference, dtype)
    return None if facts is None else int(facts["parameters"])
