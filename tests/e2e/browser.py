"""A dashboard server of one's own and a Chromium that looks at it, for browser tests and screenshots."""

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

from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUIET = '[data-testid="stApp"][data-test-script-state="notRunning"]'


@dataclass(frozen=True)
class Server:
    address: str
    pid: int
    log: Path


def chromium() -> str | None:
    """Where Chromium or Chrome is, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def server(home: Path, log: Path, threads: int = 1) -> Iterator[Server]:
    """A dashboard on a free port, with `home` as its workspace and `threads` for its engine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PRUNESCOPE_HOME": str(home), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_healthy(address, process, log)
            yield Server(address, process.pid, log)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the dashboard did not start:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the dashboard did not answer within a minute:\n{log.read_text()}")


@contextmanager
def launched() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def settle(page: Page, timeout: float = 60_000) -> None:
    """Wait until the script has run, every part has arrived in the browser and every chart is drawn."""
    page.wait_for_selector(QUIET, timeout=timeout)
    page.wait_for_function(
        """() => document.querySelector('h1') && !document.querySelector('[data-testid="stSkeleton"]')
                 && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
                    .every(chart => chart.querySelector('.main-svg'))""",
        timeout=timeout,
    )


def fit(page: Page, width: int = 1280) -> None:
    """Make the window as high as the page, so that a picture holds all of it."""
    height = 720
    for _ in range(6):
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        wanted = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
        if wanted <= height:
            return
        height = wanted


def fader(page: Page, label: str) -> Locator:
    """The desk's fader of a whole group."""
    return page.locator("[data-desk]").get_by_role("slider", name=label, exact=True)


def nudge(page: Page, label: str, percent: int) -> None:
    """Move a fader of the desk to a level with the keys, and wait until Python has settled it."""
    handle = fader(page, label)
    handle.press("Home")
    for key, step in (("PageUp", 10), ("ArrowUp", 1)):
        for _ in range(percent // step):
            handle.press(key)
        percent %= step
    page.wait_for_selector("[data-desk][data-settled]")


def wait_for_plan(page: Page, plan: str) -> None:
    """Wait until the page's address holds the plan: a slider's last step may still be on its way."""
    page.wait_for_function(
        "plan => new URLSearchParams(location.search).get('plan') === plan", arg=plan, timeout=60_000
    )
