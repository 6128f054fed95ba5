"""The command that starts the dashboard."""

import os
import socket
import subprocess
import sys

import click

from pruning.cli.options import RAY_HELP, errors_as_sentences, prints
from pruning.cli.reference.result_types import AppResult
from pruning.cli.run import finish
from pruning.errors import PruningError
from pruning.resources import app_file

ADDRESS = "127.0.0.1"
FIRST_PORT, TRIED_PORTS = 8501, 100


@prints(AppResult)
@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help=f"Port to serve on; otherwise {FIRST_PORT} or the next that is free.",
)
@click.option("--ray", metavar="auto|HOST:PORT", help=f"For jobs started on the pages: {RAY_HELP}")
@errors_as_sentences
def app(port: int | None, ray: str | None) -> None:
    """Start the dashboard on this machine only, and print its address."""
    if ray is not None:
        os.environ["PRUNESCOPE_RAY"] = ray
    port = _free_port() if port is None else _checked(port)
    address = f"http://{ADDRESS}:{port}"
    command = [sys.executable, "-m", "pruning.ui.serve", "run", str(app_file())]
    command += ["--server.address", ADDRESS, "--server.port", str(port), "--server.headless", "true"]
    finish({"address": address}, [f"Prunescope is at {address} (Ctrl-C stops it)."])
    sys.stdout.flush()
    # What Streamlit says goes to standard error: the line of JSON stays the last on standard output.
    if sys.platform == "win32":
        raise SystemExit(subprocess.call(command, stdout=sys.stderr))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.execv(command[0], command)


def _free_port() -> int:
    for port in range(FIRST_PORT, FIRST_PORT + TRIED_PORTS):
        if _is_free(port):
            return port
    raise PruningError(
        f"No port from {FIRST_PORT} to {FIRST_PORT + TRIED_PORTS - 1} is free. Name one with --port."
    )


def _checked(port: int) -> int:
    if not _is_free(port):
        raise PruningError(
            f"Port {port} cannot be used. Name another, or leave --port out to take a free one."
        )
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, or a port whose last server has just ended would count as taken.
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True
