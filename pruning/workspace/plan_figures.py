"""Where each task keeps what it measured of a plan: a stored row in, figures as the task `measure` gives out.

What was measured without training and what was measured after it are told apart by `recovery`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PlanFigures:
    """Figures of one plan in a stored row: KL in nats per token, shares 0..1, `bytes` with zeros as one bit.

    `recovery` holds the settings of the training before, None where there was none; `settings` spell the plan
    where the row itself has several.
    """

    figures: Mapping[str, Any]
    recovery: Mapping[str, Any] | None = None
    settings: list[str] | None = None


def plan_figures(kind: str, value: Mapping[str, Any]) -> list[PlanFigures]:
    """Every measurement of a plan that a stored row of this kind holds; a row that was refused has none."""
    return [part for part in READERS[kind](value) if "kl" in part.figures]


def _of_measure(value: Mapping[str, Any]) -> Iterator[PlanFigures]:
    yield PlanFigures(value, value.get("recovery"))


def _of_export(value: Mapping[str, Any]) -> Iterator[PlanFigures]:
    """The measurement that an export begins with; its `bytes` are those of the folder."""
    recovery = value.get("recovery") or (value.get("recipe") or {}).get("recovery")
    if "sparse_bytes" in value:
        yield PlanFigures({**value, "bytes": value["sparse_bytes"]}, recovery)


def _of_recovery(value: Mapping[str, Any]) -> Iterator[PlanFigures]:
    """The plan before its training, which is known from the first step on, and after it."""
    dense = value.get("dense") or {}
    same = {name: value[name] for name in ("bytes", "file_bytes", "sparsity", "tokens") if name in value}
    same |= {f"dense_{name}": dense[name] for name in ("perplexity", "accuracy") if name in dense}
    for figures, recovery in ((value.get("pruned"), None), (value.get("recovered"), value["recovery"])):
        if figures:
            yield PlanFigures({**same, **figures}, recovery)


def _of_ladder(value: Mapping[str, Any]) -> Iterator[PlanFigures]:
    """Levels as they were pruned; what one is after training stands in the row of its recovery."""
    for level in value["rows"]:
        if "settings" in level and not level["recovered"]:
            yield PlanFigures(level, None, level["settings"])


def _of_impact(value: Mapping[str, Any]) -> Iterator[PlanFigures]:
    """A row of the comparison with the guide. Its `bytes` are of another form, and a lottery's is trained."""
    if "rounds" not in value:
        yield PlanFigures({name: figure for name, figure in value.items() if name != "bytes"})


def _of_quantize(value: Mapping[str, Any]) -> Iterator[PlanFigures]:
    """The pruned model in floats, which is measured on the way."""
    for form in value["rows"]:
        if form["pruned"] and form["method"] is None:
            yield PlanFigures({**form, "tokens": value["tokens"]}, value.get("recovery"))


def _of_early_exit(value: Mapping[str, Any]) -> Iterator[PlanFigures]:
    """Left after its last layer the pruned model is whole."""
    for depth in value["depths"]:
        if depth["depth"] == value["layers"]:
            yield PlanFigures({**depth, "tokens": value["tokens"]}, value.get("recovery"))


# By the kind of the stored row; those with most figures first.
READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[PlanFigures]]] = {
    "measure": _of_measure,
    "measure_recovered": _of_measure,
    "export": _of_export,
    "recovery": _of_recovery,
    "recovery_course": _of_recovery,
    "ladder": _of_ladder,
    "impact": _of_impact,
    "quantize": _of_quantize,
    "early_exit": _of_early_exit,
}
