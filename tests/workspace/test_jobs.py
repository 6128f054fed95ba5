"""Jobs in the workspace: whose turn it is, what is written of them, and which were interrupted."""

import os
import subprocess
import sys

import psutil
import pytest

from pruning.errors import PruningError
from pruning.workspace.store import INTERRUPTED, Store

REQUEST = {"task": "map", "model": {"reference": "demo", "device": "cpu"}, "arguments": {}}


def test_jobs_are_taken_in_order_by_their_own_runner_and_device(store: Store) -> None:
    first, second = store.add_job(REQUEST, "a"), store.add_job(REQUEST, "a")
    other_runner = store.add_job(REQUEST, "b")
    other_device = store.add_job(REQUEST | {"model": {"reference": "demo"}}, "a")
    taken = store.next_job("a", "cpu")
    assert taken is not None
    assert (taken.id, taken.state, taken.request) == (first, "running", REQUEST)
    assert taken.started is not None
    assert taken.finished is None
    assert [store.next_job("a", "cpu").id, store.next_job("a", "cpu")] == [second, None]  # type: ignore[union-attr]
    assert store.next_job("a", "auto").id == other_device  # type: ignore[union-attr]
    assert store.next_job("b").id == other_runner  # type: ignore[union-attr]


def test_only_queued_jobs_are_cancelled_at_once(store: Store) -> None:
    first, second = store.add_job(REQUEST, "a"), store.add_job(REQUEST, "a")
    store.next_job("a")
    assert not store.cancel_queued(first)
    assert store.cancel_queued(second)
    assert [job.state for job in store.jobs()] == ["cancelled", "running"]
    assert [job.id for job in store.jobs(["running", "queued"])] == [first]
    assert store.jobs([]) == []


def test_a_job_keeps_what_is_written(store: Store) -> None:
    job = store.add_job(REQUEST, "a")
    store.update_job(
        job, state="done", done=2.0, total=2.0, note="n", result={"points": [1]}, seconds_left=None
    )
    written = store.job(job)
    assert (written.state, written.done, written.note, written.result) == ("done", 2.0, "n", {"points": [1]})
    with pytest.raises(TypeError, match="no colour"):
        store.update_job(job, colour="red")
    with pytest.raises(PruningError, match="no job 99"):
        store.job(99)


def test_only_jobs_of_dead_runners_count_as_interrupted(store: Store) -> None:
    started = psutil.Process().create_time()
    child = subprocess.Popen([sys.executable, "-c", ""])
    gone = psutil.Process(child.pid).create_time()
    child.wait()
    store.add_runner("alive", os.getpid(), started)
    store.add_runner("gone", child.pid, gone)
    store.add_runner("same number, other process", os.getpid(), started - 1000)
    jobs = {
        name: store.add_job(REQUEST, name)
        for name in ("alive", "gone", "same number, other process", "unknown")
    }
    finished = store.add_job(REQUEST, "gone")
    store.update_job(finished, state="done")
    store.next_job("gone")
    assert store.fail_interrupted() == 3
    assert store.job(jobs.pop("alive")).state == "queued"
    assert {(store.job(job).state, store.job(job).error) for job in jobs.values()} == {
        ("failed", INTERRUPTED)
    }
    assert store.job(finished).state == "done"
    assert store.fail_interrupted() == 0
