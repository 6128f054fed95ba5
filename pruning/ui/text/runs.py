"""Runs in words: titles, figures with where they come from, times. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pruning.planning.recipe.training import Training
from pruning.ui.text import format, labels, methods
from pruning.wording import counted
from pruning.workspace import task_registry
from pruning.workspace.runs import Run

KIND = {
    "map": "Map",
    "sweep": "Sweep",
    "capabilities": "Capabilities",
    "measure": "Measured plan",
    "measure_recovered": "Measured, recovered",
    "recovery": "Recovery",
    "ladder": "Ladder of levels",
    "lottery": "Lottery ticket",
    "answer": "Answers",
    "quantize": "8-bit weights",
    "early_exit": "Early exit",
    "impact": "The guide's claims",
    "latency": "Times",
    "baseline": "Baseline",
    "export": "Export",
    "first_look": "First look",
    "job": "Failed or cancelled",
}
ICON = {
    "map": "grid_on",
    "sweep": "scatter_plot",
    "capabilities": "quiz",
    "measure": "straighten",
    "measure_recovered": "straighten",
    "recovery": "healing",
    "ladder": "stairs",
    "lottery": "confirmation_number",
    "answer": "chat",
    "quantize": "compress",
    "early_exit": "logout",
    "impact": "fact_check",
    "latency": "timer",
    "baseline": "speed",
    "export": "save",
    "first_look": "visibility",
    "job": "error",
}
# Kinds that no criterion made; and those that are about no text.
NO_CRITERION = ("baseline", "latency", "impact", "lottery")
NO_TEXT = ("latency",)


def title(run: Run) -> str:
    """What a run is, in a few words."""
    plain = {
        "map": f"Map for the criterion {_criterion(run)}",
        "sweep": f"Single groups, criterion {_criterion(run)}",
        "capabilities": f"What capabilities lean on, criterion {_criterion(run)}",
        "baseline": "The unpruned model",
        "latency": "How fast the model is here",
        "impact": "The guide's table, measured",
        "ladder": "All groups, level after level",
    }
    if run.kind in plain:
        return plain[run.kind]
    if run.kind == "job":
        said = task_registry.title(run.value["request"]["task"])
        return f"{said} {'failed' if run.value['state'] == 'failed' else 'was cancelled'}"
    if run.kind in ("quantize", "early_exit") and not run.settings:
        return "The unpruned model"
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
    if run.kind not in NO_CRITERION:
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


def when(made: float, now: datetime | None = None) -> str:
    """A time for people: "today, 14:03", "yesterday, 9:12", "3 Nov 2026, 14:03"."""
    then, today = datetime.fromtimestamp(made), (now or datetime.now()).date()
    clock = f"{then:%H:%M}"
    if then.date() == today:
        return f"today, {clock}"
    if then.date() == today - timedelta(days=1):
        return f"yesterday, {clock}"
    return f"{then.day} {then:%b %Y}, {clock}"
