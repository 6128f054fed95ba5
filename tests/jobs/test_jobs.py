"""The job runner with real child processes and small tasks that behave, stop, fail and die."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

import pruning.jobs
from pruning.errors import PruningError
from pruning.jobs import Runner
from pruning.jobs.history import History
from pruning.jobs.process import Engine
from pruning.jobs.stages import PASSES, Stage
from pruning.workspace.store import INTERRUPTED, Job, Store

FACTS = {"fingerprint": "f", "parameters": 100, "layers": 2, "groups": []}
ENGINE = Engine(tasks="tests.jobs.fake_engine", models="tests.jobs.fake_engine")
T = TypeVar("T")
FINISHED = ("done", "failed", "cancelled")


def until(found: Callable[[], T]) -> T:
    """What `found` gives once it is true; the deadline only keeps a broken test from hanging."""
    deadline = time.monotonic() + 120
    while not (value := found()):
        if time.monotonic() > deadline:
            raise TimeoutError("waited two minutes in vain")
        time.sleep(0.02)
    return value


def finish(runner: Runner, job_id: int) -> Job:
    until(lambda: runner.store.job(job_id).state in FINISHED)
    return runner.store.job(job_id)


def request(task: str, reference: str = "demo", device: str = "cpu", **arguments: Any) -> dict[str, Any]:
    return {"task": task, "model": {"reference": reference, "device": device}, "arguments": arguments}


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(Store(tmp_path / "home"), ENGINE, grace=60)
    yield runner
    runner.shutdown()


def test_a_task_reports_streams_and_gives_its_result(runner: Runner) -> None:
    job_id = runner.submit(request("count", steps=4))
    job = finish(runner, job_id)
    assert (job.state, job.done, job.total, job.error, job.seconds_left) == ("done", 1, 1, None, None)
    assert job.result is not None
    assert (job.result["steps"], job.result["model"]) == (4, "demo")
    assert job.started is not None
    assert job.finished is not None
    assert runner.partials(job_id) == [{"point": step} for step in range(4)]
    assert runner.store.get("measure", {"by": "count", "steps": 4}) == {"steps": 4}
    assert runner.partials(12345) == []


def test_the_model_stays_until_another_is_asked_for(runner: Runner) -> None:
    jobs = [runner.submit(request("count", reference)) for reference in ("demo", "demo", "other", "demo")]
    results = [finish(runner, job).result for job in jobs]
    assert [result and result["loads"] for result in results] == [
        ["demo"],
        ["demo"],
        ["demo", "other"],
        ["demo", "other", "demo"],
    ]
    assert len({result["pid"] for result in results if result}) == 1


def test_every_device_has_a_process_of_its_own(runner: Runner, tmp_path: Path) -> None:
    busy = runner.submit(request("patient", device="cpu", marker=str(tmp_path / "marker")))
    beside = runner.submit(request("count", device="cuda:0"))
    assert finish(runner, beside).state == "done"
    assert runner.store.job(busy).state == "running"
    runner.cancel(busy)
    assert finish(runner, busy).state == "cancelled"
    assert (runner.store.root / "logs" / "worker-cuda-0.log").exists()


def test_prints_cannot_disturb_the_protocol(runner: Runner) -> None:
    job = finish(runner, runner.submit(request("chatter")))
    assert (job.state, job.result) == ("done", {"input": ""})
    log = (runner.store.root / "logs" / "worker-cpu.log").read_text()
    assert "from Python" in log
    assert "from a child" in log
    assert "forged" in log


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (request("refuse"), "The text is empty. Choose another one."),
        (request("count", reference="missing"), "There is no model 'missing'. Check the name."),
        (request("nonsense"), "There is no task 'nonsense'. Choose one of chatter, "),
        (request("count", stepz=3), "The task count does not take what was asked for: "),
        (
            {"task": "count", "model": {"ref": "demo"}, "arguments": {}},
            "The model does not take what was asked for",
        ),
        ({"task": "count"}, "The model does not take what was asked for"),
        (request("overflow"), "Memory ran out during overflow."),
    ],
)
def test_what_cannot_be_done_is_said(runner: Runner, bad: dict[str, Any], sentence: str) -> None:
    job = finish(runner, runner.submit(bad))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.startswith(sentence)
    assert "Traceback" not in job.error


@pytest.mark.parametrize(
    ("task", "word"), [("stumble", "KeyError: 'weights'"), ("unsendable", "cannot be sent")]
)
def test_an_unexpected_error_leaves_its_traceback_in_the_log(runner: Runner, task: str, word: str) -> None:
    job = finish(runner, runner.submit(request(task)))
    log = runner.store.root / "logs" / "worker-cpu.log"
    assert job.state == "failed"
    assert job.error is not None
    assert word in job.error
    assert str(log) in job.error
    assert "\n" not in job.error
    assert "Traceback" in log.read_text()
    assert finish(runner, runner.submit(request("count"))).state == "done"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (request("leave", code=3), "ended by itself (exit code 3)"),
        (request("leave", code=0), "ended by itself (exit code 0)"),
        (request("killed"), "was killed, most likely because memory ran out"),
        (request("killed", number=int(signal.SIGSEGV)), "crashed (SIGSEGV)"),
    ],
)
def test_the_queue_goes_on_after_a_dead_process(runner: Runner, bad: dict[str, Any], words: str) -> None:
    before = runner.submit(request("count"))
    crashed, after = runner.submit(bad), runner.submit(request("count"))
    job = finish(runner, crashed)
    assert job.state == "failed"
    assert job.error is not None
    assert words in job.error
    first, second = finish(runner, before).result, finish(runner, after).result
    assert first is not None
    assert second is not None
    assert first["pid"] != second["pid"]
    assert second["loads"] == ["demo"]
    assert bad["task"] != "killed" or runner.store.get("measure", {"by": "killed"}) == {"kept": True}


def test_a_process_that_died_while_idle_is_replaced(runner: Runner) -> None:
    first = finish(runner, runner.submit(request("count"))).result
    assert first is not None
    # No waiting: whether the runner has noticed yet or not, the next job must not suffer.
    psutil.Process(first["pid"]).kill()
    second = finish(runner, runner.submit(request("count"))).result
    assert second is not None
    assert second["pid"] != first["pid"]


def test_cancel_lets_the_task_put_things_back(runner: Runner, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    job_id, waiting = runner.submit(request("patient", marker=str(marker))), runner.submit(request("count"))
    pid = until(lambda: runner.partials(job_id))[0]["pid"]
    runner.cancel(job_id)
    assert finish(runner, job_id).state == "cancelled"
    assert marker.read_text() == "restored"
    result = finish(runner, waiting).result
    assert result is not None
    assert (result["pid"], result["loads"]) == (pid, ["demo"])


def test_cancel_ends_the_process_of_a_task_that_does_not_listen(tmp_path: Path) -> None:
    runner = Runner(Store(tmp_path / "home"), ENGINE, grace=0.2)
    try:
        job_id, waiting = runner.submit(request("deaf")), runner.submit(request("count"))
        pid = until(lambda: runner.partials(job_id))[0]["pid"]
        runner.cancel(job_id)
        assert finish(runner, job_id).state == "cancelled"
        assert not running(pid)
        result = finish(runner, waiting).result
        assert result is not None
        assert result["pid"] != pid
    finally:
        runner.shutdown()


def test_a_task_that_saves_what_it_has_may_take_longer_to_stop(tmp_path: Path) -> None:
    """Without its time of its own, `slow` is ended before it hears that it is cancelled."""
    engine = Engine(ENGINE.tasks, ENGINE.models, slow_to_stop={"slow": 60.0, "deaf": 600.0})
    runner, marker = Runner(Store(tmp_path / "home"), engine, grace=0.2), tmp_path / "marker"
    try:
        job_id = runner.submit(request("slow", marker=str(marker)))
        pid = until(lambda: runner.partials(job_id))[0]["pid"]
        runner.cancel(job_id)
        job = finish(runner, job_id)
        assert (job.state, job.note) == ("cancelled", "Stopped")
        assert marker.read_text() == "restored"
        assert psutil.pid_exists(pid), "the engine goes on with its model"
        job_id = runner.submit(request("deaf"))
        until(lambda: runner.partials(job_id))
        runner.cancel(job_id)
    finally:
        runner.shutdown()
    assert runner.store.job(job_id).state == "cancelled", "shutting down does not wait ten minutes"


def test_cancel_of_queued_and_finished_jobs(runner: Runner, tmp_path: Path) -> None:
    first = runner.submit(request("patient", marker=str(tmp_path / "marker")))
    second = runner.submit(request("count"))
    until(lambda: runner.partials(first))
    runner.cancel(second)
    assert runner.store.job(second).state == "cancelled"
    runner.cancel(first)
    finish(runner, first)
    done = runner.submit(request("count"))
    assert finish(runner, done).state == "done"
    runner.cancel(done)
    assert runner.store.job(done).state == "done"
    assert runner.store.job(second).started is None
    with pytest.raises(PruningError, match="no job"):
        runner.cancel(12345)


def test_two_runners_on_one_workspace_keep_to_their_own_jobs(runner: Runner, tmp_path: Path) -> None:
    other = Runner(Store(runner.store.root), ENGINE, grace=60)
    try:
        mine = [runner.submit(request("count")) for _ in range(3)]
        theirs = [other.submit(request("count")) for _ in range(3)]
        pids = [[finish(runner, job).result["pid"] for job in jobs] for jobs in (mine, theirs)]  # type: ignore[index]
        assert len(set(pids[0])) == len(set(pids[1])) == 1
        assert pids[0] != pids[1]
        held = other.submit(request("patient", marker=str(tmp_path / "marker")))
        until(lambda: other.partials(held))
        with pytest.raises(PruningError, match="another running dashboard"):
            runner.cancel(held)
        third = Runner(Store(runner.store.root), ENGINE)
        third.shutdown()
        assert other.store.job(held).state == "running"
    finally:
        other.shutdown()
    assert runner.store.job(held).state == "cancelled"


def test_shutdown_cancels_everything_and_leaves_no_process(runner: Runner, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    first = runner.submit(request("patient", marker=str(marker)))
    second = runner.submit(request("count"))
    pid = until(lambda: runner.partials(first))[0]["pid"]
    runner.shutdown()
    runner.shutdown()
    assert [runner.store.job(job).state for job in (first, second)] == ["cancelled", "cancelled"]
    assert marker.read_text() == "restored"
    assert not running(pid)
    with pytest.raises(PruningError, match="is stopping"):
        runner.submit(request("count"))


SERVER = """
import sys, time
from pathlib import Path
from pruning.jobs import Runner
from pruning.jobs.history import History
from pruning.jobs.process import Engine
from pruning.jobs.stages import PASSES, Stage
from pruning.workspace.store import Store
engine = Engine("tests.jobs.fake_engine", "tests.jobs.fake_engine")
runner = Runner(Store(Path(sys.argv[1])), engine, grace=60)
job = runner.submit({"task": sys.argv[2], "model": {"reference": "demo"}, "arguments": eval(sys.argv[3])})
queued = runner.submit({"task": "count", "model": {"reference": "demo"}, "arguments": {}})
while not runner.partials(job):
    time.sleep(0.02)
print(job, queued, runner.partials(job)[0]["pid"], flush=True)
if sys.argv[4] == "wait":
    time.sleep(600)
"""


def serve(
    root: Path, task: str, arguments: dict[str, Any], then: str
) -> tuple[subprocess.Popen[str], list[int]]:
    command = [sys.executable, "-c", SERVER, str(root), task, repr(arguments), then]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, [int(word) for word in server.stdout.readline().split()]


@pytest.mark.parametrize("task", ["patient", "deaf"])
def test_a_killed_server_takes_its_engine_along(tmp_path: Path, task: str) -> None:
    marker = tmp_path / "marker"
    arguments = {"marker": str(marker)} if task == "patient" else {}
    server, (job, queued, pid) = serve(tmp_path / "home", task, arguments, "wait")
    with server:
        server.kill()
    until(lambda: not running(pid))
    assert marker.exists() == (task == "patient")
    store = Store(tmp_path / "home")
    assert [store.job(number).state for number in (job, queued)] == ["running", "queued"]
    Runner(store, ENGINE).shutdown()
    assert {(store.job(number).state, store.job(number).error) for number in (job, queued)} == {
        ("failed", INTERRUPTED)
    }


def test_a_server_that_ends_cleans_up_by_itself(tmp_path: Path) -> None:
    arguments = {"marker": str(tmp_path / "marker")}
    server, (job, queued, pid) = serve(tmp_path / "home", "patient", arguments, "end")
    with server:
        assert server.wait() == 0
    assert not running(pid)
    store = Store(tmp_path / "home")
    assert [store.job(number).state for number in (job, queued)] == ["cancelled", "cancelled"]


def test_there_is_one_runner_for_a_process_and_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "a"))
    first = pruning.jobs.runner()
    for name in [name for name in sys.modules if name.partition(".")[0] == "pruning"]:
        monkeypatch.delitem(sys.modules, name)
    import pruning.jobs as reloaded

    assert reloaded.Runner is not Runner
    assert reloaded.runner() is first
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "b"))
    second = reloaded.runner()
    assert second.store.root == tmp_path / "b"
    second.shutdown()
    third = reloaded.runner()
    assert third is not second
    assert not third.closed
    first.shutdown()
    third.shutdown()


def test_what_is_expected_of_jobs_one_after_the_other(runner: Runner) -> None:
    """The second finds the engine started, the model loaded and the text read."""
    wanted = {**request("map", criterion="fisher"), "model": {"reference": "demo", "device": "auto"}}
    runner.store.put("inspect", {"reference": "demo", "dtype": "float32"}, FACTS)
    assert runner.expected_seconds(wanted) is None
    History(runner.store, wanted["model"]).keep({"dense": (PASSES["dense"], 1.0)})
    once, twice = runner.expected_seconds(wanted), runner.expected_seconds(wanted, wanted)
    assert once is not None
    assert twice is not None
    before = sum(PASSES[name] for name in ("start", "load", "text", "dense", "statistics"))
    assert twice == pytest.approx(2 * once - before)


def test_a_timed_job_is_expected_to_take_as_long_again(runner: Runner) -> None:
    job = finish(runner, runner.submit(request("count")))
    assert job.state == "done"
    model = {"reference": "demo", "device": "cpu"}
    assert History(runner.store, model).seconds(Stage("start")) is not None


def test_the_server_side_imports_no_torch() -> None:
    code = (
        "import sys, pruning.jobs; sys.exit(bool({'torch', 'transformers', 'streamlit'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
