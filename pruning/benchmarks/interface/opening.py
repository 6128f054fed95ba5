"""A fresh dashboard on a made-up model, and a window of a browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pruning.benchmarks import synthetic
from pruning.benchmarks.browser import Server, server
from pruning.workspace.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TIMEOUT = 60_000  # milliseconds


@contextmanager
def made_up(folder: Path, layers: int) -> Iterator[Server]:
    """A fresh dashboard whose workspace holds a made-up model of so many layers, its map and its times."""
    folder.mkdir()
    store = Store(folder / "home")
    synthetic.put_model(store, layers=layers)
    synthetic.put_map(store, layers=layers, units=True)
    synthetic.put_latency(store, layers=layers)
    with server(folder / "home", folder / "log") as found:
        yield found


@contextmanager
def opened(browser: Browser, found: Server | None) -> Iterator[Page]:
    context = browser.new_context(
        base_url=found.address if found else None, viewport={"width": 1280, "height": 720}
    )
    context.set_default_timeout(TIMEOUT)
    try:
        yield context.new_page()
    finally:
        context.close()
