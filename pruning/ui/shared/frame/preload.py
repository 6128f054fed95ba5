"""Getting ready for the next page while the first one is read: the charts' code is large on both sides."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import streamlit as st

VIEWS = (
    "explore.page",
    "sensitivity.page",
    "optimize.view",
    "compare.view",
    "export",
    "present.page",
    "runs.page",
    "methods.page",
    "recover.page",
    "impact.page",
)
# Streamlit's own parts of the page, which the browser otherwise fetches and reads when the first is shown.
PARTS = ("PlotlyChart", "DataFrame", "arrowFormatUtils")
PAUSE = 0.3  # seconds
_begun = threading.Lock()
_component = st.components.v2.component(
    "prunescope_warm",
    js="""
export default function ({ data }) {
  if (window.prunescopeWarm) return;
  window.prunescopeWarm = true;
  const begin = window.requestIdleCallback ?? setTimeout;
  begin(() => data.parts.forEach((part) => import(new URL(part, document.baseURI).href)));
}
""",
)


def server() -> None:
    """Import what other pages need, once a process and as soon as the first page has gone out."""
    if _begun.acquire(blocking=False):
        timer = threading.Timer(PAUSE, _import)
        timer.daemon = True
        timer.start()


def _import() -> None:
    for name in VIEWS:
        importlib.import_module(f"pruning.ui.{name}")


def browser() -> None:
    """Let the browser read the charts' code when it has nothing else to do. Draws nothing."""
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    parts = [f"static/js/{path.name}" for name in PARTS for path in folder.glob(f"{name}.*.js")]
    if parts:
        _component(key="warm", data={"parts": parts})
