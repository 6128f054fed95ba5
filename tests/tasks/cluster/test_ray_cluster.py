"""Tasks on a cluster give what they give on one machine; what is lost is done again, or is a sentence."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

pytest.importorskip("ray", reason="the extra ray is not installed")

from pruning.engine.models.load import load
from pruning.errors import Cancelled, PruningError
from pruning.jobs.worker import ModelHost
from pruning.progress import StageProgress
from pruning.tasks import TASKS, Session
from pruning.tasks.cluster import team
from pruning.tasks.cluster.ray_cluster import cluster
from pruning.tasks.measure_plans import measure_plans
from pruning.workspace.store import Store
from tests.support.tiny import tiny_folder

LEVELS = [0.3, 0.6]


@pytest.fixture(scope="module")
def each(machines: Any) -> Iterator[Any]:
    """Two workers."""
    with cluster(machines.address, "cpu", 2) as each:
        yield each


@pytest.fixture
def shared(session: Session, each: Any) -> Session:
    """The session on the cluster."""
    return replace(session, each=each)


@pytest.fixture
def alone(session: Session, tmp_path: Any) -> Session:
    """The same model and text on this machine, in a workspace of its own."""
    return Session(session.loaded, Store(tmp_path / "alone"), session.data)


def watch(session: Session, heard: list[str], until: str = "\0") -> Session:
    """The session, of which `heard` keeps every note; cancelled once one has `until` in it."""

    def hear(done: float, total: float, note: str = "", partial: Any = None) -> None:
        heard.append(note)
        if until in note:
            raise Cancelled

    return session.reporting(hear)


def test_statistics_are_the_same(shared: Session, alone: Session) -> None:
    heard: list[str] = []
    found, expected = watch(shared, heard).statistics, alone.statistics
    for group, factors in expected.groups.items():
        for name, value in vars(factors).items():
            error = 1e-6 * float(value.abs().max())
            torch.testing.assert_close(getattr(found.groups[group], name), value, rtol=1e-6, atol=error)
    assert any(re.search(r"worker \d on 127.0.0.1: part \d of 2 of the text", note) for note in heard)
    for group, sums in alone.gradients.items():
        error = 1e-6 * float(sums.max())
        torch.testing.assert_close(shared.gradients[group], sums, rtol=1e-6, atol=error)


def test_points_are_measured_elsewhere_and_stored_here(
    shared: Session, alone: Session, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"criterion": "wanda", "levels": LEVELS, "kinds": ["up", "heads"]}
    heard: list[str] = []
    expected = TASKS["sweep"](alone, **asked)
    monkeypatch.setattr("pruning.tasks.sweep.engine.measuring", None)
    found = TASKS["sweep"](watch(shared, heard), **asked)
    assert found["points"] == [
        {
            **point,
            "kl": pytest.approx(point["kl"], rel=1e-5),
            "perplexity": pytest.approx(point["perplexity"]),
        }
        for point in expected["points"]
    ]
    assert any(re.search(r"worker \d on 127.0.0.1: layer 2 up", note) for note in heard)
    assert len(store.find("sweep_point")) == len(expected["points"]) == found["measured"]


def test_plans_and_capabilities_are_those_of_one_machine(shared: Session, alone: Session) -> None:
    plans = [
        {"settings": ["all=0.5"]},
        {"settings": ["neurons=0.25"]},
        {"settings": ["up=0.3"], "criterion": "sparsegpt"},
    ]
    found, expected = measure_plans(shared, plans), measure_plans(alone, plans)
    assert found["measured"] == 3
    for mine, its in zip(found["plans"], expected["plans"], strict=True):
        assert mine == {
            **its,
            "kl": pytest.approx(its["kl"], rel=1e-4),
            "perplexity": pytest.approx(its["perplexity"], rel=1e-4),
        }
        assert shared.store.find("measure", settings=its["settings"])
    assert measure_plans(shared, plans)["measured"] == 0
    mine, its = (TASKS["capabilities"](one, levels=[0.5]) for one in (shared, alone))
    assert list(mine["capabilities"]) == list(its["capabilities"])
    for name, costs in its["capabilities"].items():
        torch.testing.assert_close(
            torch.tensor(mine["capabilities"][name]), torch.tensor(costs), rtol=1e-4, atol=1e-9
        )


def test_a_worker_that_is_killed_costs_only_what_it_held(shared: Session, store: Store) -> None:
    asked = {"criterion": "magnitude", "levels": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], "kinds": ["up"]}
    ended: list[int] = []

    def kill_one(done: float, total: float, note: str = "", partial: Any = None) -> None:
        if partial and not ended:
            (worker, *_) = [one for one in psutil.process_iter(["cmdline"]) if is_worker(one)]
            ended.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    found = TASKS["sweep"](shared.reporting(kill_one), **asked)
    assert ended
    assert found["measured"] == len(store.find("sweep_point")) == 24


def is_worker(process: psutil.Process) -> bool:
    """Whether it is one of this cluster's workers."""
    return any("ray::Worker" in word for word in process.info["cmdline"] or ()) and os.environ[
        "RAY_TMPDIR"
    ] in process.environ().get("RAY_TMPDIR", "")


def test_a_job_of_the_dashboard_says_who_works_on_what(
    session: Session, each: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[tuple[str, str]] = []

    @contextmanager
    def joining(address: str, device: str) -> Iterator[Any]:
        joined.append((address, device))
        yield each

    monkeypatch.setattr("pruning.tasks.cluster.ray_cluster.cluster", joining)
    host = ModelHost("pruning.tasks", "pruning.engine.models.load", tmp_path / "jobs", "head:6379")
    heard: list[str] = []
    listener = StageProgress(lambda place, share, note, partial: heard.append(note))
    arguments = {"criterion": "magnitude", "levels": [0.5], "kinds": ["up"], "data": session.data}
    model = {"reference": session.loaded.reference, "device": "cpu"}
    found = host.perform({"task": "sweep", "model": model, "arguments": arguments}, listener)
    assert found["measured"] == 3
    assert joined == [("head:6379", "cpu")]
    assert any(re.search(r"worker \d on 127.0.0.1: layer \d up", note) for note in heard)
    host.perform({"task": "text", "model": model, "arguments": {"data": session.data}}, listener)
    assert len(joined) == 1


def test_nobody_waits_for_ever_for_a_place(
    shared: Session, each: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "ROOM_SECONDS", 1.0)
    # Others hold the processors: two workers more than there is room for get no place.
    crowded = replace(each, team=[])
    with pytest.raises(PruningError, match="No worker got a place on the cluster in 1 seconds"):
        TASKS["sweep"](replace(shared, each=crowded), criterion="magnitude", levels=[0.5], kinds=["up"])


def test_a_worker_with_another_model_is_a_sentence(shared: Session, tmp_path: Any) -> None:
    folder = tiny_folder(tmp_path / "model")
    mine = replace(shared, loaded=load(str(folder)))
    tiny_folder(folder, seed=1)
    with pytest.raises(PruningError, match=r"worker \d on 127.0.0.1: its .* is another model"):
        TASKS["sweep"](mine, criterion="magnitude", levels=[0.5], kinds=["up"])


def test_a_cancelled_task_keeps_what_is_done_and_the_workers_take_the_next(
    shared: Session, store: Store
) -> None:
    asked = {"criterion": "magnitude", "levels": LEVELS, "kinds": ["up"]}
    with pytest.raises(Cancelled):
        TASKS["sweep"](watch(shared, [], "Layer 1"), **asked)
    kept = len(store.find("sweep_point"))
    assert 0 < kept < 6
    assert TASKS["sweep"](shared, **asked)["measured"] == 6 - kept


def test_a_head_that_goes_away_is_said_and_what_is_done_is_kept(
    shared: Session, store: Store, machines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one: there is no cluster afterwards."""
    asked = {"criterion": "magnitude", "levels": [n / 100 for n in range(1, 90)], "kinds": ["up", "down"]}
    monkeypatch.setattr(team, "SILENT_SECONDS", 1.0)

    def kill_head(done: float, total: float, note: str = "", partial: Any = None) -> None:
        if partial and done == 2:
            machines.head_node.kill_gcs_server(check_alive=False)

    begun = time.monotonic()
    with pytest.raises(PruningError, match=r"head of the cluster at .* does not answer any more"):
        TASKS["sweep"](shared.reporting(kill_head), **asked)
    assert time.monotonic() - begun < team.ROOM_SECONDS
    assert 2 <= len(store.find("sweep_point")) < 3 * 2 * 89
