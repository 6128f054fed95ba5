"""Pins: plans put aside to be compared, with the row that pins one and their forecasts."""

from __future__ import annotations

from itertools import count

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import session
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.plan import CurrentPlan


def pin_button(current: CurrentPlan) -> None:
    """A row: the plan's name, the button that pins it, the way to Compare."""
    pins = session.current().pins
    twin = next((pin.name for pin in pins if pin.settings == current.text), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        suggested = twin or _free_name([pin.name for pin in pins])
        key = f"pin_name_{suggested}"
        st.text_input("Name of this plan", suggested, key=key, width=220, disabled=twin is not None)
        st.button(
            "Pinned" if twin else "Pin this plan",
            icon=":material/keep:",
            key="pin",
            disabled=not current.plan or twin is not None,
            help="Keeps the plan in the address and on the chart, to compare it with others.",
            on_click=page_frame.on_click,
            # The field is read at the click: a name typed just before arrives together with it.
            args=(lambda: session.pin(st.session_state[key].strip() or suggested, current.text),),
        )
        st.page_link(
            "pages/compare.py",
            label=f"Compare ({len(pins)} pinned)" if pins else "Compare",
            icon=":material/arrow_forward:",
            icon_position="right",
        )


def _free_name(taken: list[str]) -> str:
    return next(name for number in count(1) if (name := f"Plan {number}") not in taken)


def pinned_forecasts(forecaster: Forecaster) -> list[tuple[str, Plan, Forecast]]:
    """(name, plan, forecast) of every pin that fits the map; pins of another model stay in the address."""
    groups = list(forecaster.smap.groups)
    forecasts = []
    for pin in session.current().pins:
        try:
            plan = session.parse(pin.settings, groups)
        except PruningError:
            continue
        forecasts.append((pin.name, plan, forecaster.forecast(plan)))
    return forecasts
