"""The short form of the torture: nothing is lost. How fast it is belongs to `make torture`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.__main__ import SUBJECTS

ROOT = Path(__file__).parents[2]


# In a process of its own: some subjects fork, which one that has threads must not.
@pytest.mark.parametrize("subject", SUBJECTS)
def test_nothing_is_lost(subject: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--short", "--only", subject],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
