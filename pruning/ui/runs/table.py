"""Runs as a table to sort and search, and as points on any two axes: pure rows, and their drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pruning.planning.cost.written import compact_bytes, file_bytes
from pruning.ui.data import session
from pruning.ui.data.results import Result
from pruning.ui.shared import charts
from pruning.ui.text import format
from pruning.ui.text import runs as run_words
from pruning.workspace.runs import Run

# By column: how a number is written, and what it is scaled by.
COLUMNS = {
    "Sparsity (%)": ("%.1f", 100.0),
    "KL": ("%.3f", 1.0),
    "Perplexity": ("%.1f", 1.0),
    "Same next word (%)": ("%.1f", 100.0),
    "Right next word (%)": ("%.1f", 100.0),
    "Questions right (%)": ("%.1f", 100.0),
    "File (MB)": ("%.1f", 1e-6),
    "Compact file (MB)": ("%.1f", 1e-6),
}
_FIGURES = {
    "Sparsity (%)": "sparsity",
    "KL": "kl",
    "Perplexity": "perplexity",
    "Same next word (%)": "agreement",
    "Right next word (%)": "accuracy",
    "Questions right (%)": "probe_accuracy",
}
# Both spread over powers of ten.
LOGARITHMIC = ("KL", "Perplexity")


def rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each run that measured quality: what it is, and its figures, all of them measured."""
    return [_row(run, value) for run in runs if (value := _measured(run)) is not None]


def _measured(run: Run) -> dict[str, Any] | None:
    """The figures of the run's model as a whole; None of a run that measured none."""
    value = run.value.get("recovered") if run.kind == "recovery" else run.value
    return value if isinstance(value, dict) and {"kl", "perplexity"} & set(value) else None


def _row(run: Run, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "Run": run_words.title(run),
        "Kind": run_words.KIND[run.kind],
        "Model": format.short(run.reference or "not known"),
        "Criterion": run.criterion,
        "Text": run.data,
        **_columns(value, with_sizes=run.kind != "baseline"),
        "Made": pd.Timestamp(run.made, unit="s"),
    }


def _columns(value: Mapping[str, Any], with_sizes: bool = True) -> dict[str, float]:
    """What a measurement has of the table's columns."""
    figures = {name: COLUMNS[name][1] * value[key] for name, key in _FIGURES.items() if key in value}
    if not with_sizes or "bytes" not in value:
        return figures
    sizes = {"File (MB)": file_bytes(value), "Compact file (MB)": compact_bytes(value)}
    return figures | {name: COLUMNS[name][1] * size for name, size in sizes.items() if size is not None}


def section(runs: Sequence[Run]) -> None:
    """The table, with the browser's own sorting, search and download, and the plot."""
    frame = pd.DataFrame(rows(runs))
    if frame.empty:
        st.caption("Nothing here was measured yet: the table is of measured plans, baselines and exports.")
        return
    there = [name for name in COLUMNS if name in frame and frame[name].notna().any()]
    st.caption(":green-badge[measured] Click a heading to sort. Search and download are at the top right.")
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            **{name: st.column_config.NumberColumn(format=COLUMNS[name][0]) for name in there},
            "Made": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
        key="runs_table",
    )
    left, right = st.columns(2)
    across = left.selectbox("Across", there, key="runs_across", **session.PERSIST)
    others = [name for name in there if name != across] or there
    up = right.selectbox("Up", others, key="runs_up", **session.PERSIST)
    st.plotly_chart(
        points(frame, str(across), str(up)),
        key="runs_plot",
        config=charts.BARE,
        alt=f"{up} against {across}, a point for each run",
    )


def of_gallery(plans: Sequence[Result]) -> None:
    """Plans that were measured elsewhere, in the same columns."""
    rows = [{"Plan": plan.name, "Criterion": plan.criterion, **_columns(plan.figures)} for plan in plans]
    frame = pd.DataFrame(rows)
    there = [name for name in COLUMNS if name in frame]
    config = {name: st.column_config.NumberColumn(format=COLUMNS[name][0]) for name in there}
    st.dataframe(frame, hide_index=True, column_config=config, key="gallery_table")


def points(frame: pd.DataFrame, across: str, up: str) -> go.Figure:
    """A point for each run that has both figures, in a colour for each kind; its name on hover."""
    figure = go.Figure()
    for kind, part in frame.dropna(subset=[across, up]).groupby("Kind", sort=False):
        figure.add_scatter(
            x=part[across],
            y=part[up],
            name=str(kind),
            mode="markers",
            marker={"size": 9},
            text=part["Run"] + ", " + part["Criterion"],
            hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra>" + str(kind) + "</extra>",
        )
    figure.update_layout(height=380, margin={"l": 60, "r": 20, "t": 20, "b": 50})
    for axis, name in ((figure.update_xaxes, across), (figure.update_yaxes, up)):
        axis(title_text=name, type="log" if name in LOGARITHMIC else "linear")
    return figure
