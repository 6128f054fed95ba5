"""The bench that fills the gallery: our own tasks in one go, on one model and machine, in one file.

It works in a part of the workspace of its own for each version of the code. So a run that was stopped goes on
where it was, nothing that another version measured gets in, nor does what the user's own measurements taught
the forecast.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pruning.benchmarks.gallery.plans import PLANS, gallery_plan
from pruning.benchmarks.gallery.times import gallery_times
from pruning.benchmarks.markdown import Origin
from pruning.engine.evaluation.timing import machine
from pruning.progress import within
from pruning.tasks.context.session import Session
from pruning.tasks.impact import impact
from pruning.tasks.recover import recover
from pruning.workspace import gallery
from pruning.workspace.store import Store

KIND = "bench_gallery"
# A short recovery, without the fit and the text of its own that come before one on the dashboard: a step of
# the demo takes two cores over ten seconds. It is looked at more often, so that there is a curve.
RECOVERED = ["all=0.5"]
RECOVERY = {"steps": 20, "evaluate_every": 5, "refit": False, "written": 0}
Part = Callable[[Session], Any]


def bench_gallery(session: Session, out: str | None = None) -> dict[str, Any]:
    """Measure everything in the gallery, and write it to `out` or into the workspace, whole or not at all.

    Each part is kept as soon as it is there. Plans that the model does not allow are left out.
    """
    origin = Origin.here(session.loaded.reference, session.loaded.device)
    own = replace(session, store=Store(session.store.root / "gallery" / _folder(origin.version)))
    parts = _parts()
    found: dict[str, Any] = {}
    for number, (name, part) in enumerate(parts.items()):
        found[name] = _kept(own.reporting(within(session.progress, number, len(parts), name)), name, part)
    value = {
        "made": _made(origin),
        "model": _model(own),
        "impact": found["impact"],
        "plans": [found[name] for name in PLANS if found[name] is not None],
        "recovery": found["recovery"],
        "times": found["times"],
    }
    path = gallery.write(out or own.store.root / gallery.FILE, value)
    return {
        "out": str(path),
        "bytes": path.stat().st_size,
        "day": origin.day,
        "version": origin.version,
        "rows": len(value["impact"]),
        "plans": len(value["plans"]),
        "answers": sum(len(plan["answers"]) for plan in value["plans"]),
        "busy": value["times"]["busy"],
    }


def _folder(version: str) -> str:
    """A version as the name of a folder."""
    return re.sub(r"[^0-9A-Za-z.]+", "-", version)


def _parts() -> dict[str, Part]:
    """What is measured, in this order: what follows on each other first, times last."""
    plans: dict[str, Part] = {name: partial(gallery_plan, name=name) for name in PLANS}
    return {"impact": _impact, **plans, "recovery": _recovery, "times": gallery_times}


def _impact(session: Session) -> list[dict[str, Any]]:
    """The guide's techniques and ours, all but the lottery ticket, which trains four networks."""
    rows: list[dict[str, Any]] = impact(session)["rows"]
    return rows


def _recovery(session: Session) -> dict[str, Any]:
    """One recovery; of the file of its weights, which stays here, only the name."""
    value = recover(session, RECOVERED, recovery=RECOVERY)
    return {**value, "out": Path(value["out"]).name}


def _kept(session: Session, name: str, part: Part) -> Any:
    """A part from the workspace, or else measured now, and kept there."""
    key = {**session.text_key, "device": session.loaded.device, "part": name}
    stored = session.store.get(KIND, key)
    if stored is None:
        stored = {"value": part(session)}
        session.store.put(KIND, key, stored)
    return stored["value"]


def _made(origin: Origin) -> dict[str, Any]:
    return {
        "day": origin.day,
        "commit": origin.version.removeprefix("commit "),
        "machine": machine(),
        "device": origin.device,
        "threads": torch.get_num_threads(),
    }


def _model(session: Session) -> dict[str, Any]:
    loaded = session.loaded
    return {
        "reference": loaded.reference,
        "fingerprint": loaded.fingerprint,
        "computed": loaded.computed,
        "dtype": loaded.dtype,
        "layers": len(session.plan_groups("layers")),
        "data": session.data,
        "data_fingerprint": session.windows.fingerprint,
    }
