"""A Ray cluster whose workers do the pieces of a task: the only file that imports Ray."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from pruning.errors import PruningError
from pruning.sharing import ONE_BY_ONE, Each
from pruning.tasks.cluster.address import AUTO, Address, head_address
from pruning.tasks.cluster.sent import SentModel, loaded_for, session_for
from pruning.tasks.cluster.team import Team
from pruning.workspace.store import Store

# How long it may take to leave a cluster: where its head is gone it would be a minute.
LEAVING_SECONDS = 10.0


@contextmanager
def cluster(address: str | None, device: str = "auto", workers: int | None = None) -> Iterator[Each]:
    """Workers on a Ray cluster while open; this process alone where `address` is None.

    Parameters
    ----------
    address
        HOST:PORT of the cluster's head, or `auto`: the cluster that was started on this machine or that
        RAY_ADDRESS names, or else workers on this machine alone, for as long as it is open.
    device
        As for a model: with `auto` workers take GPUs where the cluster has any.
    workers
        How many; by default one for each GPU, or for every four processors.

    Raises
    ------
    PruningError
        Ray is not installed, there is no cluster at the address, or it has no room.
    """
    if address is None:
        yield ONE_BY_ONE
        return
    ray = _ray()
    head = _connect(ray, address)
    try:
        team = Team(ray, Worker, head, device, workers)
        team.place()
        yield team
    finally:
        ending = Thread(target=ray.shutdown, daemon=True)
        ending.start()
        ending.join(LEAVING_SECONDS)


def _ray() -> Any:
    """The library, which is told first to report to nobody."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise PruningError(
            "Working on a cluster needs the package ray. Install it: pip install 'prunescope[ray]'."
        ) from None
    return ray


def _connect(ray: Any, address: str) -> Address:
    """Connect to the cluster, or start one on this machine, for its loopback address alone; its head."""
    head = head_address(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    # What Ray tells of its machines goes to standard output otherwise, where results are read from.
    ray._private.worker._worker_logs_enabled = False
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    try:
        if head is None:
            with _on_loopback(ray):
                ray.init("local", include_dashboard=False, **quiet)
        else:
            ray.init(AUTO if address == AUTO else f"{head[0]}:{head[1]}", **quiet)
    except Exception as error:  # Ray's own, of gRPC and of the operating system
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = "Ray cannot be started on this machine" if head is None else f"Ray at {head[0]}:{head[1]}"
        raise PruningError(
            f"{where}: {text} This machine must have joined the cluster (`ray start --address=HOST:PORT`), "
            "with the same versions of Ray and Python and the same token."
        ) from None
    _send_tensors_as_bytes(ray)
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return host.strip("[]"), int(port)


@contextmanager
def _on_loopback(ray: Any) -> Iterator[None]:
    """While open, what Ray starts listens to this machine alone: by its own switch for systems without
    clusters, or it would take the address that others reach."""
    constants = ray._private.ray_constants
    switch, before = constants.ENABLE_RAY_CLUSTERS_ENV_VAR, constants.ENABLE_RAY_CLUSTER
    in_environment = os.environ.get(switch)
    constants.ENABLE_RAY_CLUSTER, os.environ[switch] = False, "0"
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before
        if in_environment is None:
            del os.environ[switch]
        else:
            os.environ[switch] = in_environment


def _send_tensors_as_bytes(ray: Any) -> None:
    """Tensors go through Ray's shared memory as they lie, and arrive on the CPU as tensors of their own."""

    def taken_apart(tensor: torch.Tensor) -> tuple[Any, torch.dtype, torch.Size]:
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        return flat.view(torch.uint8).numpy(), tensor.dtype, tensor.shape

    def put_together(parts: tuple[Any, torch.dtype, torch.Size]) -> torch.Tensor:
        numbers, dtype, shape = parts
        return torch.from_numpy(numbers.copy()).view(dtype).reshape(shape)

    ray.util.register_serializer(torch.Tensor, serializer=taken_apart, deserializer=put_together)


class Worker:
    """What runs in a process of Ray's, with a model and a session of its own."""

    def __init__(self, device: str, threads: int) -> None:
        _send_tensors_as_bytes(_ray())
        torch.set_num_threads(threads)
        self._device, self._task = device, 0
        self._model: SentModel | None = None
        self._loaded: Any = None
        self._do: Callable[[Any], Any] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="prunescope-", ignore_cleanup_errors=True)

    def where(self) -> str:
        """The machine's address."""
        return str(_ray().util.get_node_ip_address())

    def do(self, task: int, work: list[Any], value: Any) -> Any:
        """One piece of the asking machine's task; `work` holds what it sent for all of its pieces."""
        if self._task != task or self._do is None:
            self._do = None
            sent = _ray().get(work[0])
            if self._model != sent.model:
                self._loaded = self._model = None
                self._loaded, self._model = loaded_for(sent.model, self._device), sent.model
            session = session_for(sent, self._loaded, Store(Path(self._folder.name)))
            self._do, self._task = sent.begin(session, *sent.common), task
        return self._do(value)
