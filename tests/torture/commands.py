"""Prunescope's command line, in this process and in one of its own, and what one leaves behind."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
SENTENCE_CODES = (1, 2)


def environment(home: Path) -> dict[str, str]:
    """What a command needs to run quietly on a workspace of its own."""
    return {
        **os.environ,
        "PRUNESCOPE_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def here(words: Sequence[str]) -> tuple[int, str]:
    """Run a command in this process; its exit code and all it said. Exceptions other than exits pass."""
    from click.testing import CliRunner

    from pruning.cli import main

    done = CliRunner().invoke(main, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def started(
    words: Sequence[str], home: Path, log: Path, more: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a process of its own, whose output goes to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "pruning", *words],
            env={**environment(home), **(more or {})},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def ended(process: subprocess.Popen[bytes], seconds: float) -> tuple[float, float]:
    """Wait for a process; seconds it computed, and its most MB. One that waits too long is killed."""
    begun, most, used = time.monotonic(), 0.0, 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss / 1e6)
            used = sum(watched.cpu_times()[:2])
        except psutil.Error:
            break
        if time.monotonic() - begun > seconds:
            process.kill()
        time.sleep(0.02)
    process.wait()
    return used, most


def complaint(code: int, said: str, may_succeed: bool = True) -> str | None:
    """What is wrong with how a command ended; None where it succeeded or refused in a sentence."""
    if "Traceback" in said:
        return f"a traceback: {said.strip().splitlines()[-1][:200]}"
    if code == 0:
        return None if may_succeed else "it went through"
    if code not in SENTENCE_CODES:
        return f"exit code {code}: {said.strip()[-200:]}"
    if "Error: " not in said or not said.rpartition("Error: ")[2].strip():
        return f"no sentence: {said.strip()[-200:]!r}"
    return None


def halves(place: Path) -> list[Path]:
    """Files and folders that somebody began to write and did not finish, anywhere below a folder."""
    names = (".part", ".partial", ".tmp")
    return [path for path in place.rglob("*") if path.name.endswith(names)]
