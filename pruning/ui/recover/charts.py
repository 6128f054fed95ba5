"""Charts of the Recover page: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from pruning.planning.recipe.mix import sparsity
from pruning.planning.recipe.plan import Group, Plan
from pruning.planning.recipe.schedules import plan_at, prunes_at
from pruning.planning.recipe.training import Training
from pruning.ui.shared import charts
from pruning.ui.text import format

PRUNED, RECOVERED, DENSE = charts.HERE, "#009E73", charts.REST


def pruned_by_step(training: Training, plan: Plan, parameters: Mapping[Group, int]) -> list[float]:
    """The sparsity of all groups together during each training step.

    Parameters
    ----------
    training
        Its schedule says at which steps what is pruned.
    plan
        Final sparsity of each group, 0..1.
    parameters
        Weights of each group, and of the units that the plan may name.

    Returns
    -------
    list of float
        Sparsity 0..1 [steps + 1].
    """
    final = sparsity(plan, parameters)
    shares, share = [], final if training.pruned_by() == 0 else 0.0
    for step in range(training.steps + 1):
        if prunes_at(training.schedule, step, training.pruned_by(), training.prune_every):
            levels = plan_at(training.schedule, step, training.pruned_by(), plan)
            share = sparsity(levels, parameters)
        shares.append(share)
    return shares


def schedule(shares: Sequence[float]) -> go.Figure:
    """The sparsity (0..1) during each step."""
    figure = go.Figure(
        go.Scatter(
            x=list(range(len(shares))),
            y=[100 * share for share in shares],
            mode="lines",
            line={"color": charts.CURVES[0], "width": 2, "shape": "hv"},
            fill="tozeroy",
            hovertemplate="Step %{x}<br>%{y:.0f} % gone<extra></extra>",
        )
    )
    figure.update_xaxes(title="Training step", nticks=5)
    figure.update_yaxes(title="Gone (%)", range=[0, max(10.0, 115 * max(shares))], nticks=4)
    return charts.calm(figure, 150, legend=False)


def losses(rows: Sequence[Mapping[str, float]], steps: int) -> go.Figure:
    """The loss of each step, nats per token. `rows`: {step, loss}."""
    figure = go.Figure(
        go.Scatter(
            x=[row["step"] for row in rows],
            y=[row["loss"] for row in rows],
            mode="lines+markers" if len(rows) < 30 else "lines",
            line={"color": charts.CURVES[0], "width": 1.5},
            marker={"size": 5},
            hovertemplate="Step %{x}<br>loss %{y:.3f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="Training step", range=[0, steps * 1.02])
    figure.update_yaxes(title="Loss (nats per token)", rangemode="tozero")
    return charts.calm(figure, 260, legend=False)


def evaluations(rows: Sequence[Mapping[str, float]], steps: int, best: int | None) -> go.Figure:
    """KL on held-out text at each evaluation; a star marks the best step.

    Where there are two evaluations at step 0, weights were fitted between them.

    Parameters
    ----------
    rows
        {step, kl in nats per token, perplexity, agreement and accuracy 0..1}.
    steps
        Steps of the whole training.
    best
        The step whose weights were kept; None where there is none.
    """
    starred = max((place for place, row in enumerate(rows) if row["step"] == best), default=None)
    figure = go.Figure(
        go.Scatter(
            x=[row["step"] for row in rows],
            y=[row["kl"] for row in rows],
            mode="lines+markers",
            line={"color": RECOVERED, "width": 1.5},
            marker={
                "size": [12 if place == starred else 7 for place in range(len(rows))],
                "symbol": ["star" if place == starred else "circle" for place in range(len(rows))],
            },
            customdata=[
                [format.perplexity(row["perplexity"]), format.percent(row["agreement"], 1)] for row in rows
            ],
            hovertemplate="Step %{x}<br>KL %{y:.3g} nats per token<br>perplexity %{customdata[0]}<br>"
            "same next word %{customdata[1]}<extra></extra>",
        )
    )
    figure.update_xaxes(title="Training step", range=[-0.02 * steps, steps * 1.02])
    figure.update_yaxes(title="KL (nats per token)", rangemode="tozero")
    return charts.calm(figure, 260, legend=False)


def three_models(value: Mapping[str, Any]) -> go.Figure:
    """KL (nats per token) of the unpruned, the pruned and the recovered model as bars."""
    rows = [("Unpruned", value["dense"], DENSE), ("Pruned", value["pruned"], PRUNED)]
    rows = [row for row in [*rows, ("Recovered", value["recovered"], RECOVERED)] if row[1]]
    highest = max(figures["kl"] for _, figures, _ in rows)
    figure = go.Figure(
        go.Bar(
            x=[figures["kl"] for _, figures, _ in rows],
            y=[name for name, _, _ in rows],
            orientation="h",
            marker_color=[colour for _, _, colour in rows],
            text=[format.kl(figures["kl"]) for _, figures, _ in rows],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="Measured KL (nats per token)", range=[0, max(highest, 1e-6) * 1.25])
    return charts.calm(figure, 190, legend=False)


def progressive(rows: Sequence[Mapping[str, Any]], budget: Mapping[str, float | None]) -> go.Figure:
    """KL (nats per token) or, where only perplexity has a budget, perplexity at each sparsity level (0..1).

    The budget is a line.
    """
    name = "kl" if budget["kl"] is not None else "perplexity"
    limit = budget[name]
    spoken = "KL (nats per token)" if name == "kl" else "perplexity"
    figure = go.Figure(
        go.Scatter(
            x=[100 * row["level"] for row in rows],
            y=[row[name] for row in rows],
            mode="lines+markers",
            line={"color": charts.CURVES[0], "width": 1.5},
            marker={
                "size": 10,
                "symbol": ["diamond" if row["recovered"] else "circle" for row in rows],
                "color": [PRUNED if limit is not None and row[name] > limit else RECOVERED for row in rows],
            },
            cliponaxis=False,
            customdata=[["trained" if row["recovered"] else "not trained"] for row in rows],
            hovertemplate=f"%{{x:.0f}} % gone, %{{customdata[0]}}<br>measured {spoken} %{{y:.3g}}"
            "<extra></extra>",
        )
    )
    if limit is not None:
        figure.add_hline(y=limit, line_dash="dash", line_color=charts.REST, annotation_text="budget")
    figure.update_xaxes(title="Level of all groups (%)", range=[0, 102])
    figure.update_yaxes(title=f"Measured {spoken}", rangemode="tozero")
    return charts.calm(figure, 280, legend=False)
