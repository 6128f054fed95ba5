"""The Present page's parts: the presentation, its file, its full screen, and what may be changed about it."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from typing import Any

import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.compare.answers import READY
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.present import html as present_page
from pruning.ui.present.facts import Assumptions, facts, short_name
from pruning.ui.shared import page as shell

KEY = "present"
VIEW, FULL = "view", "full"
MOST = 1e9
ANSWER_TOKENS = 80
BARE = """<style>
[data-testid="stHeader"], [data-testid="stToolbar"] {display: none}
[data-testid="stMainBlockContainer"] {padding-top: 1.5rem}
</style>"""


def full_screen() -> bool:
    """Whether the address asks for the presentation alone."""
    return bool(st.query_params.get(VIEW) == FULL)


def _show(full: bool) -> None:
    if full:
        st.query_params[VIEW] = FULL
    else:
        st.query_params.pop(VIEW, None)


# ---- assumptions ------------------------------------------------------------------------------------


def supposed() -> Assumptions:
    """The session's assumptions; read from the address when the session is new, and kept in it."""
    if KEY not in st.session_state:
        st.session_state[KEY] = from_address(dict(st.query_params))
    now: Assumptions = st.session_state[KEY]
    for field in fields(Assumptions):
        value = getattr(now, field.name)
        if value == field.default:
            st.query_params.pop(field.name, None)
        elif st.query_params.get(field.name) != f"{value}":
            st.query_params[field.name] = f"{value}"
    return now


def from_address(params: dict[str, str]) -> Assumptions:
    """Assumptions from an address; what is missing or makes no sense takes its default."""
    found = Assumptions(
        title=params.get("title", "")[:120], currency=params.get("currency", Assumptions.currency)[:5]
    )
    for name in ("price", "copies", "memory"):
        try:
            value = float(params[name])
        except (KeyError, ValueError):
            continue
        if math.isfinite(value) and 0 <= value <= MOST:
            changed: dict[str, Any] = {name: int(value) if name == "copies" else value}
            found = replace(found, **changed)
    return found


def _take(name: str) -> None:
    value = st.session_state[f"present_{name}"]
    if value is not None:
        st.session_state[KEY] = replace(st.session_state[KEY], **{name: value})


# ---- the page ---------------------------------------------------------------------------------------


def page(model: services.Info, smap: SensitivityMap, plan: Plan, full: bool, busy: bool) -> None:
    """The presentation; around it, unless it is shown alone, what can be done with it."""
    now = supposed()
    known = services.measurements(model, smap)
    answers = _answers(model, smap, plan)
    told = facts(
        state.current().model,
        smap,
        plan,
        Forecaster(smap, services.calibration(smap, known)).forecast(plan),
        services.measured(plan, known, model.groups),
        now,
        _chosen(answers),
    )
    if full:
        st.html(BARE)
        st.html(present_page.body(told, rank=1))
        with st.container(horizontal_alignment="center"):
            st.button("Leave this view", type="tertiary", key="present_leave", on_click=_show, args=(False,))
        return
    with st.container(horizontal=True):
        st.button(
            "Show it alone",
            icon=":material/fullscreen:",
            key="present_full",
            on_click=_show,
            args=(True,),
            help="Hides everything else on this page. F11 gives it the whole screen.",
        )
        st.download_button(
            "Download as one file",
            present_page.document(told),
            f"{_file_name(told.title)}.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            key="present_download",
            help="A page for any browser, to send or print. It needs no network.",
        )
    with st.container(border=True):
        st.html(present_page.body(told))
    _controls(model, plan, now, answers, busy)


def _file_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "presentation"


def _answers(model: services.Info, smap: SensitivityMap, plan: Plan) -> list[dict[str, Any]]:
    """What this plan answered, newest first."""
    settings = format_settings(plan, model.groups)
    return [row for row in services.answers(smap) if row["settings"] == settings]


def _chosen(answers: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The answer to the question that was picked; before any is, the newest."""
    wanted = st.session_state.get("present_prompt")
    return next((row for row in answers if row["prompt"] == wanted), answers[0] if answers else None)


# ---- what may be changed ----------------------------------------------------------------------------


def _controls(
    model: services.Info, plan: Plan, now: Assumptions, answers: list[dict[str, Any]], busy: bool
) -> None:
    st.subheader("Change what it says", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        name = short_name(state.current().model)
        _field("title", st.text_input, "Title", now.title, max_chars=120, placeholder=f"A smaller {name}")
        _assumptions(now)
    with right:
        _question(model, plan, answers, busy)


def _assumptions(now: Assumptions) -> None:
    st.markdown("**Assumptions** :small[Only you can know these. 0 leaves one out.]")
    first, second = st.columns([3, 1])
    with first:
        _field(
            "price",
            st.number_input,
            "Price of a GB of memory a month",
            now.price,
            min_value=0.0,
            max_value=MOST,
            step=0.5,
            format="%.2f",
        )
    with second:
        _field("currency", st.text_input, "Currency", now.currency, max_chars=5)
    _field("copies", st.number_input, "Copies that run", now.copies, min_value=0, max_value=int(MOST), step=1)
    _field(
        "memory",
        st.number_input,
        "Free memory of one device, in GB",
        now.memory,
        min_value=0.0,
        max_value=MOST,
        step=1.0,
        format="%.1f",
    )


def _field(name: str, widget: Any, label: str, value: Any, **more: Any) -> None:
    """An input whose value is the session's and stays when the page is left."""
    widget(label, value=value, key=f"present_{name}", on_change=_take, args=(name,), **more)


def _question(model: services.Info, plan: Plan, answers: list[dict[str, Any]], busy: bool) -> None:
    prompts = list(dict.fromkeys(row["prompt"] for row in answers))
    if len(prompts) > 1:
        st.selectbox("Question shown", prompts, key="present_prompt", persist_state="session")
    prompt = st.text_area(
        "A question to ask",
        next(iter(READY.values())),
        key="present_ask",
        height=80,
        persist_state="session",
    ).strip()
    choice = state.current()
    wanted = services.request(
        "generate",
        prompts=[prompt],
        plans=[format_settings(plan, model.groups)],
        criterion=choice.criterion,
        data=choice.data,
        max_new_tokens=ANSWER_TOKENS,
    )
    if st.button(
        "Ask before and after",
        icon=":material/chat:",
        disabled=busy or not prompt,
        key="present_answer",
        help="The model answers as it is, and then with the plan. Nothing is changed for good.",
    ):
        with shell.told():
            services.submit(wanted)
            st.rerun()
    if prompt:
        shell.command(wanted)
