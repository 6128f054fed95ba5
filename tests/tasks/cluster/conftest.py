"""A Ray cluster of processes on this machine: a head, and two machines of one processor."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

# Everything on the loopback address; reports to nobody. Read when ray is imported, here and by its processes.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
MEMORY = 100_000_000


@pytest.fixture(scope="module")
def ray_folder() -> Iterator[str]:
    """Where Ray's processes write; short, because paths of sockets are."""
    folder = tempfile.mkdtemp(prefix="ray")
    before = os.environ.get("RAY_TMPDIR")
    os.environ["RAY_TMPDIR"] = folder
    yield folder
    if before is None:
        del os.environ["RAY_TMPDIR"]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def machines(ray_folder: str) -> Iterator[Any]:
    """The cluster; `address` is its head's."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(wait=False, num_cpus=1, object_store_memory=MEMORY)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
