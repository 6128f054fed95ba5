"""Tasks on a cluster give what they give on one machine; what is lost on the way is a sentence, or done again."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest
import torch

pytest.importorskip("ray", reason="the extra ray is not installed")

from pruning.engine.models.load import load
from pruning.errors import Cancelled, PruningError
from pruning.tasks import TASKS, Session
from pruning.tasks.cluster.ray_cluster import cluster
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


def test_statistics_are_the_same(shared: Session, alone: Session) -> None:
    heard = []
    listening = shared.reporting(lambda done, total, note="", partial=None: heard.append(note))
    found, expected = listening.statistics, alone.statistics
    for group, factors in expected.groups.items():
        for name, value in vars(factors).items():
            torch.testing.assert_close(getattr(found.groups[group], name), value, rtol=1e-6, atol=1e-9)
    assert any("worker 1 on 127.0.0.1: part " in note for note in heard)
    for group, sums in alone.gradients.items():
        torch.testing.assert_close(shared.gradients[group], sums, rtol=1e-6, atol=1e-9)
