"""The short form of the torture: nothing is lost. How fast it is belongs to `make torture`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_is_lost() -> None:
    """In a process of its own: it forks, which a process that has threads must not."""
    command = [sys.executable, "-m", "tests.torture", "--short"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
