"""The real tasks in the real worker: a killed engine loses nothing, and the weights stay what they were."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pruning.engine.models.load import load
from pruning.engine.recovery.checkpoints import about
from pruning.jobs.process import Engine
from pruning.jobs.supervisor import Runner
from pruning.workspace.store import Job, Store

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


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Runner]:
    """A runner whose engine saves half-done training after every step."""
    running = Runner(Store(tmp_path / "workspace"), Engine(tasks="tests.support.hasty_tasks"))
    yield running
    running.shutdown()


def _kill_engine() -> None:
    """kill -9, which nobody can answer."""
    killed = 0
    for child in psutil.Process().children(recursive=True):
        if "pruning.jobs.worker" in " ".join(child.cmdline()):
            child.kill()
            killed += 1
    assert killed == 1


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
    _kill_engine()
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


def _course(runner: Runner) -> dict[str, Any]:
    """What the workspace says of the one recovery that has not ended."""
    rows = runner.store.find("recovery_course")
    return dict(rows[0]["value"]) if rows else {"saved_step": 0, "best_step": None}


def test_a_killed_recovery_goes_on_at_the_saved_step(hasty: Runner, llama_folder: Path, text: str) -> None:
    model = {"reference": str(llama_folder), "device": "cpu"}
    before = load(str(llama_folder)).fingerprint
    steps = 100
    recovery = {"steps": steps, "batch": 2, "learning_rate": 2e-3, "warmup": 5, "evaluate_every": 5}
    arguments = {"settings": ["all=0.5"], "criterion": "magnitude", "data": text, "recovery": recovery}
    request = {"task": "recover", "model": model, "arguments": arguments}
    job = hasty.submit(request)
    until = time.monotonic() + DEADLINE
    while _course(hasty)["saved_step"] < 12 or not _course(hasty)["best_step"]:
        assert time.monotonic() < until, hasty.store.job(job)
        time.sleep(0.02)
    assert hasty.store.job(job).state == "running"
    _kill_engine()
    assert _wait(hasty, job).state == "failed"
    left = _course(hasty)
    assert 12 <= left["saved_step"] <= left["steps"] < steps
    # The best weights so far outlived the engine too.
    [weights] = (hasty.store.root / "files" / "recovery").glob("*.safetensors")
    assert about(weights)["best"]["step"] >= left["best_step"]

    again = hasty.submit(request)
    ended = _wait(hasty, again)
    assert ended.state == "done"
    trained = [partial["loss"]["step"] for partial in hasty.partials(again) if "loss" in partial]
    # The step after the last that was told may have been saved as the engine was killed.
    assert trained[0] - 1 in (left["saved_step"], left["saved_step"] + 1)
    assert trained == list(range(trained[0], steps + 1))
    assert ended.result is not None
    assert [row["step"] for row in ended.result["losses"]] == list(range(1, steps + 1))
    assert ended.result["recovered"]["kl"] < ended.result["pruned"]["kl"]
    assert hasty.store.find("recovery_course") == []
    assert not list((hasty.store.root / "files" / "recovery").glob("*.pt"))
    # The engine that trained still holds the dense model, bit for bit: an empty plan is no drift at all.
    nothing = {"settings": [], "criterion": "magnitude", "data": text}
    measured = _wait(hasty, hasty.submit({"task": "measure", "model": model, "arguments": nothing}))
    assert measured.result is not None
    assert (measured.result["kl"], measured.result["agreement"]) == (0.0, 1.0)
    looked = _wait(hasty, hasty.submit({"task": "inspect", "model": model, "arguments": {}}))
    assert looked.result is not None
    assert looked.result["fingerprint"] == before
