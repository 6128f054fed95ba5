"""A dashboard server of one's own and a Chromium that looks at it, for browser tests, pictures and benches.

Playwright is needed only here and imported when it is.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pruning.errors import PruningError
from pruning.resources import app_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOST = "127.0.0.1"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",  # which root, as in a container, cannot have; only our own pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUIET = '[data-testid="stApp"][data-test-script-state="notRunning"]'
START_SECONDS, STOP_SECONDS = 60, 20


@dataclass(frozen=True)
class Server:
    address: str
    pid: int
    log: Path


def chromium() -> str | None:
    """Where Chromium or Chrome is, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A Chromium without a window. Raises PruningError where there is none, no Playwright, or it gives up."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise PruningError(
            "This needs Playwright to drive a browser. Install it: pip install 'prunescope[dev]'."
        ) from None
    path = chromium()
    if path is None:
        raise PruningError(
            "This needs Chromium or Chrome on the PATH, and finds neither. Install one (Debian, Ubuntu: "
            "apt-get install chromium)."
        )
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            try:
                yield browser
            finally:
                browser.close()
        except Error as error:
            raise PruningError(f"The browser gave up: {error.message.splitlines()[0]}") from error


@contextmanager
def server(home: Path, log: Path, threads: int = 1) -> Iterator[Server]:
    """A dashboard on a free port, with `home` as its workspace and `threads` for its engine."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PRUNESCOPE_HOME": str(home), "OMP_NUM_THREADS": str(threads)}
    script = app_file()
    command = [sys.executable, "-m", "pruning.ui.serve", "run", str(script), "--server.port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=script.parent,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        address = f"http://{HOST}:{port}"
        try:
            _wait_healthy(address, process, log)
            yield Server(address, process.pid, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PruningError(f"The dashboard did not start:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise PruningError(f"The dashboard did not answer within a minute:\n{log.read_text()}")


def settle(page: Page, timeout: float = 60_000) -> None:
    """Wait until the script has run, every part has arrived, every chart is drawn and nothing fades any more.

    What was stale fades in when it is fresh again; what turns for ever, as a spinner, is not waited for.
    """
    page.wait_for_selector(QUIET, timeout=timeout)
    page.wait_for_function(
        """() => document.querySelector('h1') && !document.querySelector('[data-testid="stSkeleton"]')
                 && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
                    .every(chart => chart.querySelector('.main-svg'))
                 && document.getAnimations().every(each => each.playState !== 'running'
                    || each.effect.getComputedTiming().endTime === Infinity)""",
        timeout=timeout,
    )
