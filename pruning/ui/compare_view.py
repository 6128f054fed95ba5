"""Comparing plans: pinning one on Explore, and the Compare page's figures and answers."""

from __future__ import annotations

from itertools import count
from typing import Any

import pandas as pd
import streamlit as st

from pruning.errors import PruningError
from pruning.forecast import Calibration, Forecast, SensitivityMap, forecast
from pruning.plan import Plan, format_settings
from pruning.ui import services, shell, state, words

PROMPT = "Explain in two sentences why the sky is blue."


def pinned_forecasts(
    model: services.Info, table: SensitivityMap, calibration: Calibration
) -> list[tuple[str, Plan, Forecast]]:
    """(name, plan, forecast) of every pin that fits this model; pins of another model stay in the address."""
    found = []
    for pin in state.current().pins:
        try:
            plan = state.parse(pin.settings, model.groups)
        except PruningError:
            continue
        found.append((pin.name, plan, forecast(table, plan, calibration)))
    return found


def pin_button(model: services.Info, plan: Plan) -> None:
    """A row for Explore: the plan's name, the button that pins it, the way to Compare."""
    kept = state.current().pins
    text = ",".join(format_settings(plan, model.groups))
    twin = next((pin.name for pin in kept if pin.settings == text), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        suggested = twin or _free_name([pin.name for pin in kept])
        name = st.text_input(
            "Name of this plan", suggested, key=f"pin_name_{suggested}", width=220, disabled=twin is not None
        )
        st.button(
            "Pinned" if twin else "Pin this plan",
            icon=":material/keep:",
            key="pin",
            disabled=not plan or twin is not None,
            help="Keeps the plan in the address and on the chart, to compare it with others.",
            on_click=shell.act,
            args=(lambda: state.pin(name.strip() or suggested, text),),
        )
        st.page_link(
            "pages/compare.py",
            label=f"Compare ({len(kept)} pinned)" if kept else "Compare",
            icon=":material/arrow_forward:",
            icon_position="right",
        )


def _free_name(taken: list[str]) -> str:
    return next(name for number in count(1) if (name := f"Plan {number}") not in taken)


def pins(
    model: services.Info,
    table: SensitivityMap,
    plan: Plan,
    known: list[services.Measured],
    calibration: Calibration,
) -> None:
    """What is pinned, side by side."""
    pinned = pinned_forecasts(model, table, calibration)
    if not pinned:
        st.caption("Pin plans on Explore to see them side by side here.")
        return
    rows = [("This plan", plan, forecast(table, plan, calibration)), *pinned]
    st.dataframe(
        pd.DataFrame([_row(*row, services.measured(row[1], known, model.groups)) for row in rows]),
        hide_index=True,
        key="pins_table",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Pinned plan", [name for name, _, _ in pinned], key="pin_chosen", width=260)
        plans = {name: pinned_plan for name, pinned_plan, _ in pinned}
        st.button(
            "Take it up again",
            icon=":material/undo:",
            key="pin_use",
            on_click=lambda: state.set_plan(plans[chosen], model.groups),
        )
        st.button(
            "Remove the pin", icon=":material/close:", key="pin_remove", on_click=lambda: state.unpin(chosen)
        )


def _row(name: str, plan: Plan, seen: Forecast, truth: dict[str, Any] | None) -> dict[str, str]:
    band = f"{words.perplexity(seen.perplexity_low)} – {words.perplexity(seen.perplexity_high)}"
    return {
        "Plan": name,
        "Weights gone": words.percent(seen.sparsity),
        "Size, sparse": words.size(seen.bytes),
        "Perplexity, forecast": f"{words.perplexity(seen.perplexity)} ({band})",
        "Perplexity, measured": words.perplexity(truth["perplexity"]) if truth else "–",
        "Same next word, forecast": words.percent(seen.agreement),
        "Same next word, measured": words.percent(truth["agreement"]) if truth else "–",
    }


def answers(model: services.Info, busy: bool) -> None:
    """The same prompt answered by the unpruned model and by this plan."""
    st.header("Ask both models", anchor=False)
    prompt = st.text_area("Prompt", PROMPT, key="prompt", height=80, persist_state="session")
    if st.button(
        "Answer with both", icon=":material/chat:", disabled=busy or not prompt.strip(), key="answer"
    ):
        # Read at the click: the desk's fragment may have moved the plan since this part was drawn.
        with shell.told():
            services.submit(_question(model, prompt.strip()))
            st.rerun()
    job = services.latest_job("generate")
    if job is None or job.state != "done" or not job.result:
        st.caption("The pruned model answers with the plan that is set when you ask.")
        return
    asked = job.result["answers"][0]
    st.caption(f"Asked: {asked['prompt']}")
    left, right = st.columns(2)
    for column, title, answer in (
        (left, "Unpruned", asked["dense"]),
        (right, ", ".join(asked["settings"]) or "Nothing removed", asked["pruned"]),
    ):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.text(answer.strip() or "(no answer)")
    shell.command(job.request)


def _question(model: services.Info, prompt: str) -> dict[str, Any]:
    settings = format_settings(state.plan(model.groups), model.groups)
    choice = state.current()
    return services.request(
        "generate", prompts=[prompt], plans=[settings], criterion=choice.criterion, data=choice.data
    )
