"""Questions answered right after pruning, by capability: forecast from the KL, and measured where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pruning.planning.forecast.capability_accuracy import (
    AccuracyCurve,
    Share,
    accuracy_curves,
    asked,
    share_right,
)
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.ui.data import queries, requests, session
from pruning.ui.explore import band_rows
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.workspace import results

SCALE = ((0.0, "0"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %"))


def curves(model: queries.Info, smap: SensitivityMap) -> dict[str, AccuracyCurve] | None:
    """How each capability falls with the KL; None where the unpruned model was asked nothing.

    Fitted to every measured plan of this model on this text, whatever chose its weights.
    """
    dense = queries.baseline(model)
    if not dense or not dense.get("probes"):
        return None
    rows = results.measured_rows(queries.store(), results.Subject.of_map(smap))
    values = [row["value"] for row in rows]
    measured = [
        (float(value["kl"]), value["probes"]) for value in values if value.get("probes") and value["kl"] > 0
    ]
    return accuracy_curves(dense["probes"], measured)


def ask(busy: bool) -> None:
    """The button that asks the unpruned model the questions, where nobody has."""
    request = requests.request("baseline", data=session.current().data)
    page_frame.submit_button(
        "Ask the unpruned model the questions",
        request,
        icon=":material/quiz:",
        key="ask_questions",
        disabled=busy,
        help="The forecast of questions right starts from its answers. Measures the whole baseline.",
    )


def section(curves: dict[str, AccuracyCurve], forecast: Forecast, measured: Mapping[str, Any] | None) -> None:
    """What the plan does to each capability, in an expander."""
    with st.expander("Questions answered right, by capability", icon=":material/quiz:", key="abilities"):
        shares = (measured or {}).get("probes") or {}
        key = [
            (band_rows.UNPRUNED, "unpruned, measured"),
            (band_rows.FORECAST, "this plan, forecast and band"),
        ]
        key += [(band_rows.MEASURED, "this plan, measured")] if shares else []
        rows = [
            row(name, curve, share_right(curve, forecast), shares.get(name)) for name, curve in curves.items()
        ]
        st.html(band_rows.tracks(rows, SCALE, key))
        st.caption(_basis(curves))


def row(name: str, curve: AccuracyCurve, share: Share, measured: float | None) -> band_rows.Row:
    """One capability: the unpruned model, the forecast, and what was measured of the plan."""
    band = f"{format.whole_percent(share.low)} – {format.percent(share.high)}"
    marks = [
        band_rows.Mark(band_rows.UNPRUNED, curve.dense, format.percent(curve.dense)),
        band_rows.Mark(
            band_rows.FORECAST,
            share.value,
            f"{format.percent(share.value)} ({band})",
            (share.low, share.high),
        ),
    ]
    if measured is not None:
        marks.append(band_rows.Mark(band_rows.MEASURED, measured, format.percent(measured)))
    return band_rows.Row(labels.capability(name), marks)


def _basis(curves: Mapping[str, AccuracyCurve]) -> str:
    """What the forecast rests on."""
    counts = sorted({asked()[name].questions for name in curves})
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    chance = format.percent(min(asked()[name].chance for name in curves))
    plans = max((curve.measured for curve in curves.values()), default=0)
    fitted = {0: "", 1: " and one measured plan of this model"}.get(
        plans, f" and {plans} measured plans of this model"
    )
    return (
        f"{many} questions each, of which guessing gets {chance} right. As the KL grows, the forecast falls "
        f"from the unpruned share to that, as quickly as our prior{fitted} {'say' if plans else 'says'}. "
        "The band holds the KL's own, and the luck of so few questions."
    )
