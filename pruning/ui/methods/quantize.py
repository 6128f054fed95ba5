"""The Methods page's section on 8-bit weights: quality and size dense, pruned, and both quantized."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pandas as pd
import streamlit as st

from pruning.ui.data import queries, requests, session
from pruning.ui.data.results import Result, latest_of
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels

METHOD = {None: "", "int8": "8-bit weights", "int8-dynamic": "8-bit weights and inputs"}


def section(model: queries.Info, chosen: Result | None, busy: bool) -> None:
    """Store the weights of the chosen result, and the dense model's, as 8-bit integers, and measure each."""
    st.markdown(
        "Weights as 8-bit integers take a quarter of the room of 32-bit numbers. Pruning first and "
        "quantizing then can be done together; this says what each step costs."
    )
    arguments: dict[str, Any] = {**(chosen.arguments() if chosen else {}), "data": session.current().data}
    request = requests.request("quantize", **arguments)
    there = find_spec("torchao") is not None
    if not there:
        st.info(
            "This needs the package torchao, which is not installed. Install it with "
            "`pip install 'prunescope[quantize]'`, and start the dashboard again.",
            icon=":material/info:",
        )
    page_frame.submit_button(
        "Quantize, and measure each step",
        request,
        icon=":material/compress:",
        key="quantize_start",
        disabled=busy or not there,
    )
    st.caption(f"Of: {chosen.name if chosen else 'the unpruned model'}.")
    value = latest_of(model, "quantize", chosen)
    if value:
        _table(value)


def _table(value: dict[str, Any]) -> None:
    rows = [
        {
            "What": _name(row),
            f"Perplexity {labels.MEASURED}": format.perplexity(row["perplexity"]),
            f"KL, nats per token {labels.MEASURED}": format.kl(row["kl"]),
            f"Same next word {labels.MEASURED}": format.percent(row["agreement"], 1),
            f"Model folder {labels.MEASURED}": format.size(row["file_bytes"]),
            f"With zeros left out {labels.MEASURED}": format.size(row["bytes"]),
        }
        for row in value["rows"]
    ]
    st.table(pd.DataFrame(rows).set_index("What"), border="horizontal", alt="Quality and size of every step")
    last = min(value["rows"], key=lambda row: row["bytes"])
    share = format.percent(last["bytes"] / value["rows"][0]["bytes"])
    said = f"Smallest: {_name(last).lower()}, {share} of the unpruned size, at KL {format.kl(last['kl'])}."
    st.markdown(f"{labels.MEASURED} :small[{said}]")


def _name(row: dict[str, Any]) -> str:
    pruned = "Pruned" if row["pruned"] else "Unpruned"
    return ", ".join([pruned, *([METHOD.get(row["method"], row["method"])] if row["method"] else [])])
