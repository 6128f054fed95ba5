"""Estimates of every job as plain data, as commands print them and pages show them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pruning.planning.cost.estimate.fit import Fit, fit, summary
from pruning.planning.cost.estimate.jobs import JOBS, NAMES, Estimate
from pruning.planning.cost.given.machine import Machine, Speeds
from pruning.planning.cost.given.read import Source
from pruning.planning.cost.given.setting import Setting
from pruning.wording import seconds, size


def estimates(
    source: Source, machine: Machine, speeds: Speeds, dtype: str, tokens: int | None
) -> dict[str, Any]:
    """What each job takes with a model on a machine."""
    setting = Setting(source.shape, dtype, tokens=tokens)
    fits = [fit(job, setting, machine, source.streams) for job in JOBS]
    return {
        "reference": source.reference,
        "dtype": dtype,
        "parameters": source.shape.total,
        "layers": source.shape.layers,
        "file_bytes": source.file_bytes,
        "to_write": source.to_write,
        "tokens": tokens,
        "machine": asdict(machine),
        "speeds": asdict(speeds),
        "jobs": [_row(each, speeds) for each in fits],
        "summary": summary(fits),
    }


def _row(found: Fit, speeds: Speeds) -> dict[str, Any]:
    return {
        "job": found.whole.job,
        "in_memory": _way(found, found.whole, speeds),
        "streamed": None if found.streamed is None else _way(found, found.streamed, speeds),
        "stream": found.should_stream,
        "sentence": found.refusal(False, speeds),
    }


def _way(found: Fit, taken: Estimate, speeds: Speeds) -> dict[str, Any]:
    return {
        "memory": taken.memory,
        "beside": taken.beside,
        "peaks": dict(taken.steps),
        "disk": taken.disk.left,
        "disk_meanwhile": taken.disk.meanwhile,
        "seconds": taken.seconds(speeds),
        "fits": found.fits(taken),
    }


def way_words(way: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Memory, disk and time of a job done in one way, for people."""
    if way is None:
        return "—", "—", "—"
    memory = size(way["memory"] + way["beside"])
    return memory, size(way["disk"] + way["disk_meanwhile"]), seconds(way["seconds"])


def table_lines(result: Mapping[str, Any]) -> list[str]:
    """A table for a terminal: a row for each job, both ways side by side."""
    head = (
        "job (all figures are estimates)",
        "memory",
        "disk",
        "time",
        "streamed: memory",
        "disk",
        "time",
        "",
    )
    rows = [head]
    for row in result["jobs"]:
        whole, streamed = way_words(row["in_memory"]), way_words(row["streamed"])
        rows.append((NAMES[row["job"]], *whole, *streamed, verdict(row)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def verdict(row: Mapping[str, Any]) -> str:
    """Which way fits, in a word or two."""
    if row["in_memory"]["fits"]:
        return "fits"
    return "streamed" if row["stream"] else "does not fit"
