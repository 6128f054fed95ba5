"""Everything that was measured of the session's model on one text, by whatever method, as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pruning.planning.cost import written
from pruning.planning.recipe.mask_options import MIXED, MaskOptions, names
from pruning.planning.recipe.plan import UNIT_KINDS, Group
from pruning.planning.recipe.training import Training
from pruning.ui.data import queries, requests
from pruning.ui.text import methods as method_words
from pruning.workspace import results as stored
from pruning.workspace.keys import canonical

KINDS = ("measure", "measure_recovered")
# In the session: the id of the result to go on with, and that of the newest when it was last looked at.
CHOSEN, NEWEST = "methods_chosen", "methods_newest"


@dataclass(frozen=True)
class Result:
    """One measured way of pruning: what was done (`options` are those that are not at their default), and
    `figures` as the task `measure` gives them. `best`: it was found as the best recipe we know."""

    id: str
    name: str
    criterion: str
    settings: tuple[str, ...]
    options: dict[str, Any]
    recovery: dict[str, Any] | None
    best: bool
    figures: dict[str, Any]
    made: float

    @property
    def structure(self) -> str:
        return str(self.options.get("structure", "unstructured"))

    @property
    def whole(self) -> bool:
        """Whether whole units were pruned."""
        return self.structure in (*UNIT_KINDS, MIXED)

    @property
    def smaller(self) -> bool:
        """Whether it can be written as a smaller model, as far as is known."""
        return self.whole and self.figures.get("not_smaller") is None

    @property
    def plain(self) -> bool:
        """Whether Explore can show it: levels of single weights and nothing else."""
        return not self.options and self.recovery is None

    def arguments(self) -> dict[str, Any]:
        """What a task needs to do the same."""
        trained = {} if self.recovery is None else {"recovery": self.recovery}
        return {"settings": list(self.settings), "criterion": self.criterion, **self.options, **trained}


def totals_of(model: queries.Info, structure: str) -> list[int]:
    """How many units every layer has; nothing where nobody has counted them."""
    if structure == "layers":
        return [1] * model.layers
    return list((model.facts.get("units") or {}).get(structure, ()))


def writable_of(model: queries.Info, structure: str) -> list[int]:
    """How many heads or KV groups every layer may lose, ascending, so that a smaller model can be written.

    From the model's family where the model was loaded since that is found out; otherwise as many as come
    evenly from all KV groups.
    """
    totals = totals_of(model, structure)
    writable = model.facts.get("writable")
    if writable is not None:
        return list(writable.get(structure, ()))
    shared = totals_of(model, "kv_groups")
    step = shared[0] if structure == "heads" and shared else 1
    return list(range(step, min(totals, default=0), step))


def groups_of(model: queries.Info, structure: str) -> list[Group]:
    """What a plan has levels for: the groups of weights, one kind of unit in each layer, or all of these."""
    if structure == MIXED:
        return model.groups
    if structure in UNIT_KINDS:
        return [(layer, structure) for layer in range(model.layers)]
    return list(model.parameters)


def results(model: queries.Info) -> list[Result]:
    """What was measured on the session's text as it is now, newest first."""
    rows = stored.measured_rows(queries.store(), queries.subject(model), KINDS)
    best = _best_found()
    return [_result(row, model, best) for row in rows if row["value"]["settings"]]


def _result(row: Mapping[str, Any], model: queries.Info, best: set[str]) -> Result:
    value = row["value"]
    options = MaskOptions.of({name: value[name] for name in names() if name in value}).changed()
    recovery = value.get("recovery")
    totals = totals_of(model, options.get("structure", "unstructured"))
    is_best = recovery is None and _same(value) in best
    method = method_words.method(value["criterion"], value["settings"], options, recovery, totals)
    return Result(
        id=hashlib.sha256(canonical({"kind": row["kind"], "key": row["key"]}).encode()).hexdigest()[:12],
        name=f"Best: {method}" if is_best else method,
        criterion=value["criterion"],
        settings=tuple(value["settings"]),
        options=options,
        recovery=recovery,
        best=is_best,
        figures=value,
        made=row["created"],
    )


def _best_found() -> set[str]:
    """What jobs that looked for the best recipe ended with."""
    done = queries.store().jobs(("done",), limit=500)
    jobs = (job for job in done if job.request["task"] == "best" and requests.about_model(job))
    return {_same(job.result) for job in jobs if job.result}


def _same(value: Mapping[str, Any]) -> str:
    """The same text for the same way of pruning."""
    return canonical({name: value[name] for name in ("settings", "criterion", *names()) if name in value})


def latest_of(model: queries.Info, task: str, result: Result | None) -> dict[str, Any] | None:
    """What a task such as `quantize` found last of a result or the dense model, on the text as it is now."""
    pruning = _pruning(result.arguments() if result else {})
    return next((row["value"] for row in queries.rows(model, task) if _pruning(row["key"]) == pruning), None)


def _pruning(arguments: Mapping[str, Any]) -> str:
    """The same text for the same pruning; what prunes nothing is all the same."""
    apart = ("fingerprint", "data", "methods", "thresholds")
    pruned = {name: value for name, value in arguments.items() if name not in apart}
    return canonical(pruned if arguments.get("settings") else {})


def file_bytes(result: Result) -> int:
    """Bytes of the ordinary folder that an export writes: smaller where units are pruned, else as before."""
    return written.file_bytes(result.figures)


def frame(results: Sequence[Result]) -> pd.DataFrame:
    """The results as a table, a row each by the share pruned, all of it measured; shares in percent."""
    ordered = sorted(results, key=lambda result: (result.figures["sparsity"], result.figures["kl"]))
    rows = [
        {
            "method": result.name,
            "structure": result.structure,
            "criterion": result.criterion,
            "settings": " ".join(result.settings),
            "options": " ".join(f"{k}={v}" for k, v in result.options.items() if k != "structure"),
            "best_we_know": result.best,
            "recovery_steps": 0 if result.recovery is None else Training.of(result.recovery).steps,
            "removed_percent": 100 * result.figures["sparsity"],
            "measured_kl_nats_per_token": result.figures["kl"],
            "measured_perplexity": result.figures["perplexity"],
            "same_next_word_percent": 100 * result.figures["agreement"],
            "right_next_word_percent": 100 * result.figures["accuracy"],
            "bytes_stored_sparsely_or_cut": result.figures["bytes"],
            "bytes_ordinary_file": file_bytes(result),
            "why_not_smaller": result.figures.get("not_smaller") or "",
        }
        for result in ordered
    ]
    return pd.DataFrame(rows)
