"""The key figures of every kind of run, in a line of markdown each. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pruning.ui.text import format, labels, sizes
from pruning.wording import counted
from pruning.workspace.runs import Run

Value = dict[str, Any]


def figures(run: Run) -> str:
    """A run's key figures in a line of markdown, each marked measured or forecast."""
    return FIGURES[run.kind](run.value)


def _map(value: Value) -> str:
    points = len(value["groups"]) * len(value["levels"])
    return (
        f"{labels.FORECAST} {counted(points, 'point')}, {counted(len(value['groups']), 'group')} at "
        f"{counted(len(value['levels']), 'level')} · {labels.MEASURED} made in "
        f"{format.seconds(value['seconds'])}, "
        f"{value['dense_forwards']:.1f} readings of the text"
    )


def _points(value: Value) -> str:
    points = value["points"]
    groups = {(point["layer"], point["kind"]) for point in points}
    worst = max(points, key=lambda point: point["kl"])
    count, where = counted(len(points), "point"), counted(len(groups), "group")
    return (
        f"{labels.MEASURED} {count} in {where} · the worst: {labels.group(worst['layer'], worst['kind'])} at "
        f"{format.percent(worst['level'])}, KL {format.kl(worst['kl'])} nats per token"
    )


def _capabilities(value: Value) -> str:
    names = ", ".join(labels.capability(name) for name in value["capabilities"])
    groups = counted(len(value["groups"]), "group")
    return f"{labels.FORECAST} {groups} at {counted(len(value['levels']), 'level')} · {names}"


def _baseline(value: Value) -> str:
    return (
        f"{labels.MEASURED} perplexity {format.perplexity(value['perplexity'])} · right next word "
        f"{format.percent(value['accuracy'])} · {format.size(value['bytes'])} · "
        f"{format.milliseconds(value['decode_ms'])} for each further word"
    )


def _quality(value: Value) -> str:
    """The figures of quality that a measurement has."""
    parts = [
        f"perplexity {format.perplexity(value['perplexity'])}",
        f"KL {format.kl(value['kl'])} nats per token",
        f"same next word {format.percent(value['agreement'])}",
    ]
    if "accuracy" in value:
        parts.append(f"right next word {format.percent(value['accuracy'])}")
    if "probe_accuracy" in value:
        parts.append(f"questions right {format.percent(value['probe_accuracy'])}")
    return " · ".join(parts)


def _measure(value: Value) -> str:
    return (
        f"{labels.MEASURED} {_quality(value)} · {format.percent(value['sparsity'])} gone · "
        f"{sizes.written(value)}"
    )


def _export(value: Value) -> str:
    return (
        f"{labels.MEASURED} {sizes.exported(value)} · {_quality(value)} · "
        f"{format.percent(value['sparsity'])} gone"
    )


def _recovery(value: Value) -> str:
    if not value["finished"]:
        return f"Stopped after {counted(value['steps'], 'step')}. Ask for it again to go on from there."
    before, after = value["pruned"], value["recovered"]
    said = f"KL {format.kl(after['kl'])} nats per token"
    said += f" (before training {format.kl(before['kl'])})" if before else ""
    return f"{labels.RECOVERED} {said} · perplexity {format.perplexity(after['perplexity'])}"


def _ladder(value: Value) -> str:
    count = counted(len(value["rows"]), "level")
    best = value["best"]
    if best is None:
        return f"{labels.MEASURED} {count}, none within the budget"
    trained = ", trained" if best["recovered"] else ""
    return (
        f"{labels.MEASURED} {count} · the last within the budget: {format.percent(best['level'])}"
        f"{trained}, KL {format.kl(best['kl'])} nats per token, perplexity "
        f"{format.perplexity(best['perplexity'])}"
    )


def _lottery(value: Value) -> str:
    ticket, random, dense = (format.perplexity(value[n]["perplexity"]) for n in ("ticket", "random", "dense"))
    return (
        f"{labels.MEASURED} perplexity {ticket} of the ticket · {random} of a random one · {dense} of the "
        "unpruned model, all trained alike"
    )


def _answers(value: Value) -> str:
    answers = value["answers"]
    newest = answers[0]
    prompts = len({answer["prompt"] for answer in answers})
    place = newest["first_difference"]
    parts = (
        "like the unpruned model" if place is None else f"leaving the unpruned answer at token {place + 1}"
    )
    return (
        f"{labels.MEASURED} {counted(prompts, 'prompt')} · "
        f"“{format.plain(_cut(newest['prompt']))}”: “{format.plain(_cut(newest['pruned']))}”, {parts}"
    )


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59].rstrip()}…"


def _quantize(value: Value) -> str:
    least = min(value["rows"], key=lambda row: row["bytes"])
    form = "pruned" if least["pruned"] else "unpruned"
    form += ", in 8 bits" if least["method"] else ""
    return f"{labels.MEASURED} the smallest, {form}: {format.size(least['bytes'])} · {_quality(least)}"


def _early_exit(value: Value) -> str:
    last = value["depths"][-1]
    said = f"{labels.MEASURED} all {value['layers']} layers: {_quality(last)}"
    if not value["sure"]:
        return said
    row = value["sure"][-1]
    return (
        f"{said} · leaving at {format.percent(row['threshold'], 1)} sure: {row['layers']:.1f} layers on "
        f"average, KL {format.kl(row['kl'])}"
    )


def _impact(value: Value) -> str:
    measured = [row for row in value["rows"] if "kl" in row]
    refused = sum("refused" in row for row in value["rows"])
    lack = f" · {refused} cannot be done with this model" if refused else ""
    if not measured:
        return f"{counted(len(value['rows']), 'technique')}{lack}"
    gentle = min(measured, key=lambda row: row["kl"])
    return (
        f"{labels.MEASURED} {counted(len(measured), 'technique')}{lack} · the gentlest: {gentle['title']} "
        f"{format.percent(gentle['share'])}, KL {format.kl(gentle['kl'])} nats per token, perplexity "
        f"{format.perplexity(gentle['perplexity'])}"
    )


def _latency(value: Value) -> str:
    dense = value["dense"]
    return (
        f"{labels.MEASURED} reading {value['tokens']} tokens {format.milliseconds(dense['prefill'])} · "
        f"{format.milliseconds(dense['decode'])} for each further word · {format.plain(value['machine'])}"
    )


def _failed(value: Value) -> str:
    return str(value["error"] or "What was finished by then is kept.")


# By the kind of the run.
FIGURES: Mapping[str, Callable[[Value], str]] = {
    "map": _map,
    "sweep": _points,
    "capabilities": _capabilities,
    "measure": _measure,
    "measure_recovered": lambda value: _measure(value).replace(labels.MEASURED, labels.RECOVERED, 1),
    "recovery": _recovery,
    "ladder": _ladder,
    "lottery": _lottery,
    "answer": _answers,
    "quantize": _quantize,
    "early_exit": _early_exit,
    "impact": _impact,
    "latency": _latency,
    "baseline": _baseline,
    "export": _export,
    "first_look": _measure,
    "job": _failed,
}
