"""The window's title: how far a job is, and that it is done, for whoever looks elsewhere meanwhile."""

from __future__ import annotations

import streamlit as st

_component = st.components.v2.component(
    "prunescope_title",
    js="""
const NAME = "Prunescope";
export default function ({ data }) {
  const state = (window.prunescopeTitle ??= { running: false });
  if (data.share !== null) {
    state.running = true;
    document.title = `${data.share} · ${NAME}`;
  } else if (state.running) {
    state.running = false;
    document.title = document.hasFocus() ? NAME : `Done · ${NAME}`;
    window.addEventListener("focus", () => { document.title = NAME; }, { once: true });
  }
}
""",
)


def mark(share: str | None) -> None:
    """Show how far the work is ("34 %") in the window's title; None where nothing is under way."""
    _component(key="job_title", data={"share": share})
