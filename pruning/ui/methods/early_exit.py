"""The Methods page's section on leaving the model early: at each depth, and once a token is sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pruning.ui.data import queries, requests, session
from pruning.ui.data.results import Result, latest_of
from pruning.ui.methods.chart import logarithmic
from pruning.ui.shared import charts
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.label_layout import NARROW, Axis, text_positions
from pruning.ui.text import format, labels

NOTHING = 1e-4  # nats per token: no logarithmic axis has a place for 0, and this is as good
GOOD = 0.9  # a share of next words that stay the same, to name a depth by


def section(model: queries.Info, chosen: Result | None, busy: bool) -> None:
    """Look at the predictions after every layer of the chosen result, or of the dense model."""
    st.markdown(
        "A word that is easy to guess need not pass all layers. This reads the predictions after every "
        "layer, and says how good they are there, and how many layers it takes if each word leaves once sure."
    )
    pruned = (
        chosen is not None
        and st.segmented_control(
            "Leave early from",
            ["The unpruned model", "The chosen result"],
            default="The unpruned model",
            required=True,
            key="exit_of",
            **session.PERSIST,
        )
        == "The chosen result"
    )
    result = chosen if pruned else None
    arguments: dict[str, Any] = {**(result.arguments() if result else {}), "data": session.current().data}
    request = requests.request("early_exit", **arguments)
    page_frame.submit_button(
        "Look after every layer", request, icon=":material/logout:", key="exit_start", disabled=busy
    )
    st.caption(f"Of: {result.name if result else 'the unpruned model'}.")
    value = latest_of(model, "early_exit", result)
    if value:
        _charts(value)


def _charts(value: dict[str, Any]) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Every word leaves after the same layer** {labels.MEASURED}")
        st.plotly_chart(
            by_depth(value["depths"]),
            key="exit_depths",
            config=charts.BARE,
            alt="KL by the number of layers that are used",
        )
    with right:
        st.markdown(f"**Each word leaves once it is sure** {labels.MEASURED}")
        st.plotly_chart(
            by_confidence(value["sure"], value["layers"]),
            key="exit_sure",
            config=charts.BARE,
            alt="KL against the layers used on average, a point for every threshold",
        )
    st.markdown(f"{labels.MEASURED} :small[{verdict(value)}]")
    few = len(_drawn(value["depths"])) < value["layers"]
    hidden = " Where KL is all but 0 no point is drawn." if few else ""
    st.caption(
        "KL is to the whole unpruned model. What it costs to look at the predictions after each layer is not "
        "counted, and every word is seen as if those before it had used all layers: read this as how much "
        f"there is to gain at most.{hidden}"
    )


def verdict(value: dict[str, Any]) -> str:
    """Where leaving is still good, in a sentence."""
    layers = value["layers"]
    deep = next((row["depth"] for row in value["depths"] if row["agreement"] >= GOOD), layers)
    fixed = f"Nine of ten next words are the same from layer {deep} of {layers} on."
    confident = next((row for row in value["sure"] if row["agreement"] >= GOOD), None)
    if value["depths"][-1]["agreement"] < GOOD:
        return (
            f"Even all {layers} layers of the pruned model keep fewer than nine of ten next words the same."
        )
    if deep == layers:
        fixed = f"No layer but the last ({layers}) keeps nine of ten next words the same."
    if confident is None:
        return fixed
    return (
        f"{fixed} Leaving at {format.percent(confident['threshold'], 1)} sure keeps as many, with "
        f"{confident['layers']:.1f} layers on average, at KL {format.kl(confident['kl'])} nats per token."
    )


def _drawn(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["kl"] >= NOTHING]


def by_depth(depths: Sequence[dict[str, Any]]) -> go.Figure:
    """KL (nats per token) after each number of layers, [layers] rows; what is all but 0 is not drawn."""
    layers, depths = len(depths), _drawn(depths)
    figure = go.Figure(
        go.Scatter(
            x=[row["depth"] for row in depths],
            y=[row["kl"] for row in depths],
            mode="lines+markers",
            line={"color": charts.CURVES[0], "width": 1},
            marker={"size": 7},
            customdata=[
                [format.perplexity(row["perplexity"]), format.percent(row["agreement"])] for row in depths
            ],
            hovertemplate="After %{x} layers<br>measured KL %{y:.3g} nats per token<br>perplexity "
            "%{customdata[0]}<br>same next word %{customdata[1]}<extra></extra>",
        )
    )
    figure.update_xaxes(title="Layers used", dtick=charts.tick(layers), range=[0, layers + 1])
    return charts.calm(logarithmic(figure), 320, legend=False)


def by_confidence(rows: Sequence[dict[str, Any]], layers: int) -> go.Figure:
    """KL (nats per token) against the layers used on average, a point for every confidence threshold."""
    rows = _drawn(rows)
    points = [(float(row["layers"]), float(row["kl"])) for row in rows]
    sure = [format.percent(row["threshold"], 1 if row["threshold"] > 0.99 else 0) for row in rows]
    kls = [kl for _, kl in points] or [1.0]
    across = Axis(0.0, layers * 1.08, NARROW / 2)
    sides = text_positions(points, sure, across, Axis(min(kls) / 1.3, max(kls) * 1.3, 220, log=True))
    figure = go.Figure(
        go.Scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode="lines+markers+text",
            text=[text if side else "" for text, side in zip(sure, sides, strict=True)],
            textposition=[side or "top right" for side in sides],
            line={"color": charts.CURVES[2], "width": 1},
            marker={"size": 9},
            customdata=[
                [format.perplexity(row["perplexity"]), format.percent(row["agreement"]), text]
                for row, text in zip(rows, sure, strict=True)
            ],
            hovertemplate="Leaves when %{customdata[2]} sure<br>%{x:.1f} layers on average<br>"
            "measured KL %{y:.3g} nats per token<br>perplexity %{customdata[0]}<br>"
            "same next word %{customdata[1]}<extra></extra>",
            cliponaxis=False,
        )
    )
    figure.update_xaxes(title="Layers used on average", range=[across.low, across.high])
    return charts.calm(logarithmic(figure), 320, legend=False)
