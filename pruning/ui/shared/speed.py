"""What other pages say of speed."""

from __future__ import annotations

import streamlit as st

from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries
from pruning.ui.shared import page as page_frame
from pruning.ui.text import speed as speed_words


def speed_line(model: queries.Info, plan: Plan) -> None:
    """How much faster a plan for whole units is, or where to time it first."""
    table = queries.latency(model)
    if table is None:
        page_frame.link("speed", "Time this model first, to see how much faster that is")
        return
    with page_frame.user_errors():
        said = speed_words.forecast_line(LatencyTable.from_dict(table), plan, str(model.facts["dtype"]))
        st.markdown(said or "How fast that is was not timed here.")
