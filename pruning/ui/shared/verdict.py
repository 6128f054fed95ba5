"""Safe, noticeable or broken, as a badge with its reasons in a sentence."""

from __future__ import annotations

import streamlit as st

from pruning.planning.forecast.verdict import BROKEN, FORECAST, MEASURED, NOTICEABLE, SAFE, Verdict
from pruning.ui.shared.plan import CurrentPlan
from pruning.ui.text import labels

# A colour and a sign for each level: neither stands alone.
COLOUR = {SAFE: "green", NOTICEABLE: "orange", BROKEN: "red"}
ICON = {SAFE: "check_circle", NOTICEABLE: "error", BROKEN: "dangerous"}
SOURCE = {
    MEASURED: labels.MEASURED,
    FORECAST: labels.FORECAST,
    # Results of older versions, and models that cannot answer.
    "measured KL only": ":gray-badge[measured KL only]",
}


def badge(verdict: Verdict) -> str:
    """The level in a badge, in the colour of its worse end, and where it comes from in another."""
    worst = verdict.worst
    return f":{COLOUR[worst]}-badge[:material/{ICON[worst]}: {verdict.level}] {SOURCE[verdict.source]}"


def line(verdict: Verdict) -> str:
    """The badge and the reasons."""
    return f"{badge(verdict)} {verdict.sentence}"


def show(current: CurrentPlan) -> None:
    """The verdict of a plan that prunes something: measured where it was, else forecast."""
    if current.plan:
        st.markdown(line(current.verdict), help=labels.VERDICT)
