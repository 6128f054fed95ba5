"""Runs the JavaScript tests where Node.js is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
TESTS = sorted(FOLDER.glob("*.test.mjs"))
NODE = shutil.which("node")


def version() -> int:
    """The major version of Node.js; 0 without it. `node --test` takes files since 18."""
    if NODE is None:
        return 0
    said = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=False).stdout
    return int(found[1]) if (found := re.match(r"v(\d+)", said)) else 0


@pytest.mark.skipif(version() < 18, reason="there is no Node.js 18 or newer on the PATH")
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_in_node(path: Path) -> None:
    done = subprocess.run([str(NODE), "--test", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.search(r"^# pass (\d+)$|pass (\d+)$", done.stdout, re.MULTILINE)
    assert ran is not None
    assert int(ran[1] or ran[2]) > 0, "a file without tests passes as well"
