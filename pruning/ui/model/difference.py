"""The model beside what somebody made of it: what was pruned, layer by layer, and how far it drifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pruning.planning.recipe.plan import KINDS
from pruning.ui.data import requests, session
from pruning.ui.shared import charts
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels

TASK, OTHER = "diff", "diff_other"
# Of a chart that says something, in pixels: the room of a row of cells.
ROW = 26


def section(busy: bool) -> None:
    """Which other model, and what the last comparison of this one found; folded away until there is one."""
    job = requests.latest_job(TASK)
    found = job.result if job and job.state == "done" else None
    with st.expander("Compare with another model", icon=":material/difference:", expanded=bool(found)):
        st.write(
            "What did a pruned version of this model lose, and where? Name one of the same family: a folder, "
            "a GGUF file or a hub id."
        )
        other = st.text_input(
            "The other model", key=OTHER, placeholder="/path/to/the-pruned-one", **session.PERSIST
        ).strip()
        page_frame.submit_button(
            "Compare", _request(other), icon=":material/difference:", disabled=busy, key="diff_start"
        )
        if found:
            _figures(found, job.request["arguments"]["data"] if job else "")
            for line in found["findings"] or ["Nothing shows that anything was pruned."]:
                st.markdown(f"- {format.plain(line)}")
            _drawn(found)


def _request(other: str) -> dict[str, Any] | None:
    if not other:
        return None
    choice = session.current()
    trust = {name: True for name in ("trust_remote_code", "allow_pickle") if getattr(choice, name)}
    return requests.request(TASK, other=other, data=choice.data, **trust)


def _figures(found: Mapping[str, Any], data: str) -> None:
    other, text = (format.plain(format.short(name)) for name in (found["other"], data))
    st.markdown(f"**{other}**, compared on the text {text}")
    before = f"this model {format.perplexity(found['dense_perplexity'])}"
    cells = (
        ("KL", f"{format.kl(found['kl'])} nats", "per token", labels.KL),
        ("Perplexity", format.perplexity(found["perplexity"]), before, labels.PERPLEXITY),
        ("Same next word", format.percent(found["agreement"], 1), "top-1 agreement", labels.AGREEMENT),
    )
    for column, (label, value, note, help) in zip(st.columns(len(cells)), cells, strict=True):
        with column:
            page_frame.figure(label, value, "measured", note, help)


def _drawn(found: Mapping[str, Any]) -> None:
    left, right = st.columns(2, gap="large")
    left.plotly_chart(
        drift(found),
        key="diff_drift",
        config=charts.BARE,
        alt="How far the output of every layer of the other model is from this model's",
    )
    right.plotly_chart(
        cells(found),
        key="diff_cells",
        config=charts.BARE,
        alt="Share of zeros in every group of the other model; narrower groups are marked",
    )


def drift(found: Mapping[str, Any]) -> go.Figure:
    """How far each layer's output moved, over the length of the first model's output."""
    figure = go.Figure(
        go.Bar(
            x=found["origin"],
            y=[row["relative"] for row in found["drift"]],
            marker_color=charts.HERE,
            customdata=[row["cosine"] for row in found["drift"]],
            hovertemplate="Layer %{x}<br>measured drift %{y:.3f}<br>cosine %{customdata:.4f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="Layer of this model", dtick=charts.tick(len(found["origin"])))
    figure.update_yaxes(title="Drift of its output (share)", rangemode="tozero")
    return charts.calm(figure, 300, legend=False)


def cells(found: Mapping[str, Any]) -> go.Figure:
    """Share of zeros by layer and kind; groups that are narrower have their shape written into the cell."""
    kinds = [kind for kind in KINDS if any(group["kind"] == kind for group in found["groups"])]
    layers = sorted({*found["origin"], *found["dropped"]})
    at = {(group["layer"], group["kind"]): group for group in found["groups"]}
    figure = go.Figure(
        go.Heatmap(
            x=layers,
            y=[labels.kind(kind) for kind in kinds],
            z=[[_zeros(at.get((layer, kind))) for layer in layers] for kind in kinds],
            customdata=[[_said(at.get((layer, kind))) for layer in layers] for kind in kinds],
            colorscale=[*zip((n / 9 for n in range(10)), charts.SPARSITY, strict=True)],
            zmin=0,
            zmax=100,
            xgap=1,
            ygap=1,
            colorbar={"title": "Zeros (%)", "thickness": 12},
            hovertemplate="Layer %{x}, %{y}<br>%{customdata}<extra></extra>",
        )
    )
    narrower = [key for key, group in at.items() if group["shape"] != group["other_shape"]]
    figure.add_scatter(
        x=[layer for layer, _ in narrower],
        y=[labels.kind(kind) for _, kind in narrower],
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 9, "color": charts.HERE, "line": {"width": 2}},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(title="Layer (empty: gone; red mark: narrower)", dtick=charts.tick(len(layers)))
    figure.update_yaxes(autorange="reversed")
    return charts.calm(figure, 120 + ROW * len(kinds), legend=False)


def _zeros(group: Mapping[str, Any] | None) -> float | None:
    return None if group is None else 100 * group["other_zeros"]


def _said(group: Mapping[str, Any] | None) -> str:
    if group is None:
        return "gone"
    shape, other = (" × ".join(map(str, group[name])) for name in ("shape", "other_shape"))
    width = shape if shape == other else f"{shape} → {other}"
    change = group["change"]
    moved = "" if change is None else f"<br>the others changed by {format.percent(change, 1)}"
    zeros = f"{format.percent(group['zeros'])} → {format.percent(group['other_zeros'])}"
    return f"{width}<br>zeros {zeros}{moved}"
