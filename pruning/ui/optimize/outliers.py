"""OWL's curve on the Optimize page: it goes by outliers, which a job counts."""

from __future__ import annotations

import streamlit as st

from pruning.planning.forecast.predict import SensitivityMap
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.workspace import results


def outliers(smap: SensitivityMap) -> dict[int, float] | None:
    """The share of outliers of each layer of the map's model on the map's text, where it was counted."""
    return results.outlier_shares(queries.store(), smap)


def ask(smap: SensitivityMap, busy: bool) -> None:
    """The button that counts outliers, where they are not counted yet."""
    if outliers(smap) is not None:
        return
    with st.popover("Add OWL's curve", icon=":material/add_chart:", key="optimize_owl"):
        st.write(
            "OWL takes less from layers with more outliers. To count them, the model reads the "
            "calibration text once."
        )
        wanted = requests.request("outliers", data=session.current().data)
        page_frame.submit_button("Count them", wanted, key="optimize_count", disabled=busy)
        page_frame.command(wanted)
