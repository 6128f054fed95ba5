"""The command that starts the dashboard."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from pruning.cli import main


def test_the_dashboard_starts_here_alone_and_prints_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pruning", "app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            health = f"http://127.0.0.1:{port}/_stcore/health"
            deadline = time.monotonic() + 60
            while not answers(health):
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            taken = CliRunner().invoke(main, ["app", "--port", str(port)])
            assert taken.exit_code == 1
            assert f"Port {port} cannot be used" in taken.stderr
        finally:
            server.send_signal(signal.SIGTERM)
            said = server.communicate(timeout=30)[0]
    assert json.loads(said.splitlines()[-1]) == {"address": f"http://127.0.0.1:{port}"}


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as reply:
            return reply.status == 200
    except OSError:
        return False
