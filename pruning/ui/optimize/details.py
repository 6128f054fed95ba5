"""What stands beside a found plan: the solver's proof, every figure, and what there is to say of speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.allocation.mixed.choices import MixedChoices
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.mixed.solver import MixedSolution
from pruning.planning.allocation.solver import Solution
from pruning.planning.bisection import bisection
from pruning.planning.cost.latency_table import MODES, LatencyTable, speedup
from pruning.planning.cost.written import file_bytes
from pruning.planning.recipe.plan import MAX_LEVEL, Plan
from pruning.ui.data import costs, queries, session
from pruning.ui.shared import engines
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.plan import CurrentPlan
from pruning.ui.text import format, labels
from pruning.wording import counted

TIMES = "optimize_times"
UNIT = "neurons"
READING = {"prefill": "a prompt is read", "decode": "an answer is written"}


def details(
    choices: ChoiceTable | MixedChoices, solution: Solution | MixedSolution, current: CurrentPlan
) -> None:
    """The proof and the figures of a plan, forecast and, where there are any, measured."""
    forecast, measured = current.forecast, current.measured
    single = isinstance(choices, ChoiceTable)
    aim = (
        ""
        if not isinstance(choices, ChoiceTable) or choices.aim is None
        else ", what matters to you counted in"
    )
    proof = (
        f"It is proved: no other plan within this reach costs less{aim}."
        if solution.gap == 0
        else f"No other plan within this reach is better by more than {100 * solution.gap:.2g} %{aim}."
    )
    st.markdown(f"Solved in **{solution.milliseconds:.0f} ms** over {_looked_at(choices)}. {proof}")
    if single or solution.reach < 1:
        near = "the whole's sparsity" if single else "their mean"
        reach = format.whole_percent(solution.reach)
        st.markdown(
            f"Levels of weights lie within {reach} percentage points of {near}: where "
            "single groups go much further, costs stop adding up."
        )
    rows = [
        ("Σ cost, before calibration", f"{solution.cost:.6g}", "–"),
        (
            "KL, nats per token",
            f"{forecast.kl:.4g} ({forecast.kl_low:.4g} – {forecast.kl_high:.4g})",
            _of(measured, "kl"),
        ),
        (
            "Perplexity",
            f"{format.perplexity(forecast.perplexity)} ({format.perplexity(forecast.perplexity_low)} – "
            f"{format.perplexity(forecast.perplexity_high)})",
            _of(measured, "perplexity"),
        ),
        ("Same next word", format.percent(forecast.agreement, 1), _of(measured, "agreement")),
        (
            "Bytes of the model folder",
            f"{forecast.file_bytes:,}",
            f"{file_bytes(measured):,}" if measured else "–",
        ),
        ("Bytes as a compact file", f"{forecast.bytes:,}", f"{measured['bytes']:,}" if measured else "–"),
        ("Parameters that stay", f"{forecast.parameters:,}", "–"),
        ("Sparsity", format.percent(forecast.sparsity, 3), _of(measured, "sparsity")),
    ]
    # What is measured stands first, and the forecast beside it.
    order = ["Measured", "Forecast"] if measured else ["Forecast"]
    st.table(
        pd.DataFrame(rows, columns=["Figure", "Forecast", "Measured"]).set_index("Figure")[order],
        border="horizontal",
        alt="The plan's figures, forecast and measured",
    )


def _looked_at(choices: ChoiceTable | MixedChoices) -> str:
    """What the solver chose from."""
    if isinstance(choices, ChoiceTable):
        return f"{counted(len(choices.groups), 'group')} × {counted(choices.levels.shape[1], 'level')}"
    options, levels = choices.costs.shape[1], choices.weights.levels.shape
    return (
        f"{counted(len(choices.options), 'layer')} × {counted(options, 'way')} to take their units, and "
        f"{counted(levels[0], 'group')} of weights × {counted(levels[1], 'level')}"
    )


def saving(machine: Machine, plan: Plan, why_not: str | None) -> None:
    """The size of what is written and the speed, in a sentence, and where the speed comes from.

    `why_not`: why no folder holds what is left, smaller; None where one does.
    """
    cost, parts = machine.cost(plan), machine.parts
    dense = parts.file_bytes
    badge = labels.FORECAST if cost.timed else ":gray-badge[estimate]"
    less = format.percent(1 - cost.file_bytes / dense)
    folder = f"Model folder **{format.size(cost.file_bytes)}** ({less} less)"
    if why_not:
        folder = (
            f"Model folder **{format.size(dense)}**, full-size with zeros ({why_not}). Cut out it would be "
            f"{format.size(cost.file_bytes)}"
        )
    st.markdown(
        f"{folder} · {badge} once cut out: reading **{cost.prefill_speedup:.2f}×**, writing "
        f"**{cost.decode_speedup:.2f}×** as fast"
    )


def _of(measured: Mapping[str, Any] | None, name: str) -> str:
    if measured is None or name not in measured:
        return "–"
    value = measured[name]
    if name == "perplexity":
        return format.perplexity(value)
    return format.percent(value, 1) if name in ("agreement", "sparsity") else f"{value:.4g}"


# ---- speed: zeros bring none, whole units do, by what was measured here -----------------------------


def speed(model: queries.Info, busy: bool) -> None:
    """How many whole units a speed takes, and where to remove them."""
    st.markdown(
        "Zeros alone make nothing faster: the speed stays **1.0×** with any plan for single weights. Whole "
        "neurons, heads or layers bring speed, once they are cut out."
    )
    st.session_state.setdefault(TIMES, 1.4)
    table = costs.latency_of(model)
    if table is None and queries.target_device():
        st.caption("Forecasts of speed are of this machine. Choose it in the header to see them.")
    elif table is None:
        st.caption("How much faster is not known yet: this model was not timed on this machine.")
        page_frame.submit_button(
            "Time this model",
            costs.timing_request(),
            icon=":material/timer:",
            key="optimize_time",
            disabled=busy,
            width="stretch",
        )
    else:
        times = st.number_input(
            "Times as fast", min_value=1.0, step=0.1, key=TIMES, format="%.2f", **session.PERSIST
        )
        for mode in MODES:
            st.markdown(needed(table, model.layers, float(times), mode))
        st.caption(
            f"Measured {table.measured[:10]} on {table.machine}, {counted(table.threads, 'thread')}, "
            f"{engines.numbers(str(model.facts['dtype']))}."
        )
    page_frame.link("methods", "Whole units, by any method")


def needed(table: LatencyTable, layers: int, times: float, mode: str) -> str:
    """In a sentence, the share of neurons that must go from every layer for this speed."""

    def at(share: float) -> float:
        return speedup(table, {(layer, UNIT): share for layer in range(layers)}, mode)

    what = f"{labels.FORECAST} {READING[mode].capitalize()} **{times:.2f}×** as fast"
    if UNIT not in table.shares:
        return f"{what}: this model's neurons were not timed."
    if at(MAX_LEVEL) < times:
        return f"{what}: more than neurons can bring, which is {at(MAX_LEVEL):.2f}× at the most."
    _, share = bisection(lambda share: at(share) >= times, 0.0, MAX_LEVEL, rounds=30)
    return f"{what} without about {format.percent(share)} of the neurons of every layer."
