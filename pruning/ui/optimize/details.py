"""What the Optimize page tells an engineer of the plan it found: the solver's proof, and every figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.allocation.solver import Solution
from pruning.planning.forecast.predict import Forecast


def details(menu: ChoiceTable, solved: Solution, seen: Forecast, truth: Mapping[str, Any] | None) -> None:
    """The proof and the figures of a plan, forecast and, where there are any, measured."""
    counted = "" if menu.aim is None else ", what matters to you counted in"
    proof = (
        f"It is proved: no other plan within this reach costs less{counted}."
        if solved.gap == 0
        else f"No other plan within this reach is better by more than {100 * solved.gap:.2g} %{counted}."
    )
    st.markdown(
        f"Solved in **{solved.milliseconds:.0f} ms** over {len(menu.groups)} groups × "
        f"{menu.levels.shape[1]} levels. {proof} Levels lie within {100 * solved.reach:.0f} "
        "percentage points of the whole's sparsity: where single groups go much further, costs stop "
        "adding up."
    )
    rows = [
        ("Σ cost, before calibration", f"{solved.cost:.6g}", "–"),
        ("KL, nats per token", f"{seen.kl:.4g} ({seen.kl_low:.4g} – {seen.kl_high:.4g})", _of(truth, "kl")),
        (
            "Perplexity",
            f"{seen.perplexity:.4g} ({seen.perplexity_low:.4g} – {seen.perplexity_high:.4g})",
            _of(truth, "perplexity"),
        ),
        ("Same next word", f"{100 * seen.agreement:.1f} %", _of(truth, "agreement")),
        ("Bytes, zeros stored sparsely", f"{seen.bytes:,}", f"{truth['bytes']:,}" if truth else "–"),
        ("Parameters that stay", f"{seen.parameters:,}", "–"),
        ("Sparsity", f"{100 * seen.sparsity:.3f} %", _of(truth, "sparsity")),
    ]
    st.table(
        pd.DataFrame(rows, columns=["Figure", "Forecast", "Measured"]).set_index("Figure"),
        border="horizontal",
        alt="The plan's figures, forecast and measured",
    )


def _of(truth: Mapping[str, Any] | None, name: str) -> str:
    if truth is None or name not in truth:
        return "–"
    value = truth[name]
    return f"{100 * value:.1f} %" if name in ("agreement", "sparsity") else f"{value:.4g}"
