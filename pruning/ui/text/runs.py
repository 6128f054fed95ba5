"""Runs in words: titles, figures with where they come from, times. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pruning.planning.recipe.training import Training
from pruning.ui.text import format, labels, methods
from pruning.wording import counted
from pruning.workspace import task_registry
from pruning.workspace.runs import Run

KIND = {
    "map": "Map",
    "sweep": "Sweep",
    "measure": "Measured plan",
    "measure_recovered": "Measured, recovered",
    "recovery": "Recovery",
    "baseline": "Baseline",
    "export": "Export",
    "job": "Failed or cancelled",
}
ICON = {
    "map": "grid_on",
    "sweep": "scatter_plot",
    "measure": "straighten",
    "measure_recovered": "straighten",
    "recovery": "healing",
    "baseline": "speed",
    "export": "save",
    "job": "error",
}


def title(run: Run) -> str:
    """What a run is, in a few words."""
    if run.kind == "map":
        return f"Map for the criterion {_criterion(run)}"
    if run.kind == "sweep":
        return f"Single groups, criterion {_criterion(run)}"
    if run.kind == "baseline":
        return "The unpruned model"
    if run.kind == "job":
        said = task_registry.title(run.value["request"]["task"])
        return f"{said} {'failed' if run.value['state'] == 'failed' else 'was cancelled'}"
    return Path(run.value["out"]).name if run.kind == "export" else described(run)


def described(run: Run) -> str:
    """A run's plan for people, with the options it was made with."""
    options = run.options
    parts = [str(options["pattern"])] if options.get("pattern") else []
    parts += [f"{options['block']} blocks"] if options.get("block") else []
    parts += methods.changed_options(options)
    if "recovery" in run.options:
        parts.append(f"trained for {counted(Training.of(run.options['recovery']).steps, 'step')}")
    return ", ".join([plan(run.settings), *parts])


def about(run: Run) -> str:
    """Model, criterion, and the text where it is not the usual one."""
    parts = [format.short(run.reference or "model unknown")]
    if run.kind != "baseline":
        parts.append(_criterion(run))
    return " · ".join([*parts, *([format.short(run.data)] if run.data != "demo" else [])])


def _criterion(run: Run) -> str:
    return labels.CRITERION_NAME.get(run.criterion, run.criterion)


def plan(settings: Sequence[str]) -> str:
    """A plan's settings for people: "down@0-3=0.1" is "MLP down 10 % in layers 0–3"."""
    return ", ".join(_setting(text) for text in settings) or "Nothing removed"


def _setting(text: str) -> str:
    target, _, level = text.partition("=")
    kind, _, layers = target.partition("@")
    name = "All groups" if kind == "all" else methods.STRUCTURE.get(kind, labels.kind(kind))
    numbers = layers.replace("-", "–").replace(",", ", ")
    noun = "layer" if layers.isdigit() else "layers"
    if kind == "layers":
        return f"{noun.capitalize()} {numbers} dropped"
    where = f" in {noun} {numbers}" if layers else ""
    return f"{name} {format.percent(float(level))}{where}"


def figures(run: Run) -> str:
    """A run's key figures in a line of markdown, each marked measured or forecast."""
    value = run.value
    if run.kind == "map":
        points = len(value["groups"]) * len(value["levels"])
        return (
            f"{labels.FORECAST} {counted(points, 'point')}, {counted(len(value['groups']), 'group')} at "
            f"{counted(len(value['levels']), 'level')} · {labels.MEASURED} made in "
            f"{format.seconds(value['seconds'])}, "
            f"{value['dense_forwards']:.1f} readings of the text"
        )
    if run.kind == "sweep":
        return _points(value["points"])
    if run.kind == "baseline":
        return (
            f"{labels.MEASURED} perplexity {format.perplexity(value['perplexity'])} · right next word "
            f"{format.percent(value['accuracy'])} · {format.size(value['bytes'])} · "
            f"{format.milliseconds(value['decode_ms'])} for each further word"
        )
    if run.kind == "recovery":
        return _recovered(value)
    if run.kind == "job":
        return str(value["error"] or "What was finished by then is kept.")
    size = value["sparse_bytes"] if run.kind == "export" else value["bytes"]
    line = (
        f"{labels.MEASURED} perplexity {format.perplexity(value['perplexity'])} · "
        f"KL {format.kl(value['kl'])} nats per token · same next word {format.percent(value['agreement'])} · "
        f"{format.percent(value['sparsity'])} gone · {format.size(size)} stored sparsely"
    )
    return f"{line} · {format.size(value['bytes'])} on disk" if run.kind == "export" else line


def _recovered(value: dict[str, Any]) -> str:
    if not value["finished"]:
        return f"Stopped after {counted(value['steps'], 'step')}. Ask for it again to go on from there."
    before, after = value["pruned"], value["recovered"]
    said = f"KL {format.kl(after['kl'])} nats per token"
    said += f" (before training {format.kl(before['kl'])})" if before else ""
    return f"{labels.MEASURED} {said} · perplexity {format.perplexity(after['perplexity'])}"


def _points(points: Sequence[dict[str, Any]]) -> str:
    groups = {(point["layer"], point["kind"]) for point in points}
    worst = max(points, key=lambda point: point["kl"])
    count, where = counted(len(points), "point"), counted(len(groups), "group")
    return (
        f"{labels.MEASURED} {count} in {where} · the worst: {labels.group(worst['layer'], worst['kind'])} at "
        f"{format.percent(worst['level'])}, KL {format.kl(worst['kl'])} nats per token"
    )


def when(made: float, now: datetime | None = None) -> str:
    """A time for people: "today, 14:03", "yesterday, 9:12", "3 Nov 2026, 14:03"."""
    then, today = datetime.fromtimestamp(made), (now or datetime.now()).date()
    clock = f"{then:%H:%M}"
    if then.date() == today:
        return f"today, {clock}"
    if then.date() == today - timedelta(days=1):
        return f"yesterday, {clock}"
    return f"{then.day} {then:%b %Y}, {clock}"
