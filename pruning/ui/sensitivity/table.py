"""The Sensitivity page's table: every group and level in figures, to sort and to take away as CSV."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.ui.data import queries, session, single_groups
from pruning.ui.text import format, labels

HEIGHT = 390
PERPLEXITIES = ("forecast_perplexity", "forecast_perplexity_low", "forecast_perplexity_high")


def section(model: queries.Info, smap: SensitivityMap) -> None:
    """The table of all groups and levels; a click on a column's head sorts by it."""
    forecaster = queries.forecaster(smap, queries.measurements(model, smap))
    single = single_groups.alone(forecaster)
    frame = single_groups.frame(smap, single, queries.sweep_points(smap))
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        st.subheader("Every group and level", anchor=False)
        st.caption(
            "Click on a column's head to sort by it. Every forecast is worked out in two ways; the last "
            "column says by what factor they part. Above 2 it is less sure, and worth measuring."
        )
    right.download_button(
        "Download as CSV",
        lambda: frame.to_csv(index=False, float_format="%.6g"),  # written when it is asked for
        file_name=_file_name(smap),
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    dense = smap.dense["perplexity"]
    shown = frame.assign(
        group=frame["group"].map(labels.kind),
        **{name: 100 * (frame[name] / dense - 1) for name in PERPLEXITIES},
    ).drop(columns="measured_perplexity")
    st.dataframe(
        shown, hide_index=True, height=HEIGHT, column_config=_columns(), placeholder="", key="map_table"
    )


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    kl, band = f"{labels.KL} In nats per token.", f"{labels.BAND} KL in nats per token."
    return {
        "layer": number("Layer", width="small"),
        "group": st.column_config.TextColumn("Group"),
        "level_percent": number("Level", format="%.3g %%", width="small", help="Share set to zero."),
        "forecast_kl_nats_per_token": number("KL, forecast", format="%.4f", help=kl),
        "forecast_kl_low_nats_per_token": number("from", format="%.4f", help=band),
        "forecast_kl_high_nats_per_token": number("to", format="%.4f", help=band),
        "forecast_perplexity": number("Perplexity, forecast", format="%+.2f %%", help=labels.PERPLEXITY),
        "forecast_perplexity_low": number("from", format="%+.2f %%", help=labels.BAND),
        "forecast_perplexity_high": number("to", format="%+.2f %%", help=labels.BAND),
        "measured_kl_nats_per_token": number("KL, measured", format="%.4f", help=kl),
        "estimators_apart_factor": number(
            "Estimates part by",
            format="× %.2f",
            help="The forecast is worked out in two ways. × 1.00: both say the same.",
        ),
    }


def _file_name(smap: SensitivityMap) -> str:
    model = format.file_stem(session.current().model)
    return f"sensitivity-{model}-{smap.criterion}.csv"
