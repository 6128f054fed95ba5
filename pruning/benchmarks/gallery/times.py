"""How fast the model is on this machine, and how much else the machine did meanwhile."""

import time
from collections.abc import Callable
from typing import Any

import psutil

from pruning.tasks.context.session import Session
from pruning.tasks.inspect import baseline
from pruning.tasks.latency import latency

IDLE = ("idle", "iowait")
# This time is in that of users as well.
COUNTED_TWICE = ("guest", "guest_nice")


def gallery_times(session: Session) -> dict[str, Any]:
    """A value of `pruning.workspace.result_types.gallery.GalleryTimes`: the dense model's figures and times,
    and times without some of its units."""
    found: dict[str, Any] = {}

    def measured() -> None:
        found["baseline"] = baseline(session)
        found["latency"] = latency(session, again=True)

    return {"busy": share_of_others(measured), **found}


def share_of_others(work: Callable[[], None]) -> float:
    """The share of all processors' time, 0..1, that other processes took while this one did its work.

    Times of one model are too long where it is much; ratios of times taken in turns hardly change.
    """
    before, own = psutil.cpu_times(), time.process_time()
    work()
    after, own = psutil.cpu_times(), time.process_time() - own
    spent = {
        name: getattr(after, name) - getattr(before, name)
        for name in after._fields
        if name not in COUNTED_TWICE
    }
    whole = sum(spent.values())
    idle = sum(seconds for name, seconds in spent.items() if name in IDLE)
    return min(1.0, max(0.0, whole - idle - own) / max(whole, 1e-9))
