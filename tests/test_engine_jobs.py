"""The real tasks in the real worker: a killed engine loses nothing, and the weights stay what they were."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pruning.jobs.supervisor import Runner
from pruning.models import load
from pruning.store import Job, Store

DEADLINE = 120


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    running = Runner(Store(tmp_path / "workspace"))
    yield running
    running.shutdown()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(
        "\n\n".join(f"The {n} boats knocked against the wall, {n * n} times an hour. " * 6 for n in range(40))
    )
    return str(path)


def _wait(runner: Runner, job: int, points: int | None = None) -> Job:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        found = runner.store.job(job)
        if found.state in ("done", "failed", "cancelled"):
            return found
        if points is not None and len(runner.partials(job)) >= points:
            return found
        time.sleep(0.05)
    raise AssertionError(f"job {job} did not get there: {runner.store.job(job)}")


def test_a_killed_engine_loses_nothing_and_changes_nothing(
    runner: Runner, llama_folder: Path, text: str
) -> None:
    model = {"reference": str(llama_folder), "device": "cpu"}
    before = load(str(llama_folder)).fingerprint
    levels = [round(0.07 * step, 2) for step in range(1, 13)]
    request = {
        "task": "sweep",
        "model": model,
        "arguments": {"criterion": "magnitude", "levels": levels, "data": text},
    }
    job = runner.submit(request)
    assert _wait(runner, job, points=5).state == "running"
    for child in psutil.Process().children(recursive=True):
        if "pruning.jobs.worker" in " ".join(child.cmdline()):
            child.kill()
    ended = _wait(runner, job)
    assert ended.state == "failed"
    assert "killed" in (ended.error or "")
    kept = len(runner.store.find("sweep_point"))
    assert kept >= 5

    again = _wait(runner, runner.submit(request))
    assert again.state == "done"
    assert again.result is not None
    assert again.result["measured"] <= len(levels) * 15 - kept
    looked = _wait(runner, runner.submit({"task": "inspect", "model": model, "arguments": {}}))
    assert looked.result is not None
    assert looked.result["fingerprint"] == before


def test_a_cancelled_sweep_keeps_its_points_and_the_model(
    runner: Runner, llama_folder: Path, text: str
) -> None:
    model = {"reference": str(llama_folder), "device": "cpu"}
    levels = [round(0.07 * step, 2) for step in range(1, 13)]
    arguments = {"criterion": "magnitude", "levels": levels, "data": text}
    job = runner.submit({"task": "sweep", "model": model, "arguments": arguments})
    _wait(runner, job, points=3)
    runner.cancel(job)
    assert _wait(runner, job).state == "cancelled"
    assert len(runner.store.find("sweep_point")) >= 3
    # The engine still holds the same model: an empty plan must be the dense model exactly.
    arguments = {"settings": [], "criterion": "magnitude", "data": text}
    measured = _wait(runner, runner.submit({"task": "measure", "model": model, "arguments": arguments}))
    assert measured.result is not None
    assert measured.result["agreement"] == 1.0
    assert measured.result["kl"] == 0.0
