"""The Present page's parts: the presentation, its file, its full screen, and what may be changed about it."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan
from pruning.planning.report import presentation as html
from pruning.planning.report.sums import Assumptions
from pruning.planning.report.words import Speed
from pruning.ui.data import costs, queries, requests, session
from pruning.ui.present.facts import default_title, facts, known_of
from pruning.ui.shared import engines, jobs, missing_map
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame.header import ALONE, FULL, full_screen
from pruning.ui.shared.plan import CurrentPlan, after_recovery, current_plan, session_plan
from pruning.ui.text import format, labels

KEY = "present"
BACK = "present_back"
MOST = 1e9
ANSWER_TOKENS = 80
# In the session: the question whose answer is shown, and the one that was asked here last.
PROMPT, ASKED = "present_prompt", "present_asked"
# The row of the task `generate` of each prompt.
Answers = dict[str, dict[str, Any]]
BARE = """<style>
[data-testid="stHeader"], [data-testid="stToolbar"] {display: none}
[data-testid="stMainBlockContainer"] {padding-top: 1.5rem}
</style>"""
# Who comes back from the presentation alone stands where they left for it.
FOCUS = """<script>
document.querySelector(".st-key-present_full button")?.focus();
</script>"""


def view() -> None:
    """What the session's plan does, for people who know nothing of machine learning, here or as a file."""
    full = full_screen("present")
    busy = False if full else jobs.panel(("generate", "map"))
    model = page_frame.require_model()
    smap = queries.mixed_map(model) if model else None
    if model and missing_map.require_map(smap, "The figures on this page come from", busy):
        plan = session_plan(smap.groups)
        if plan:
            page(model, smap, plan, full, busy)
        else:
            page_frame.empty(
                "Nothing to present yet",
                "Set a plan first. This page then says in plain words what it does.",
                "explore",
                "Set a plan",
            )


def _show(full: bool) -> None:
    if full:
        st.query_params[ALONE] = FULL
    else:
        st.query_params.pop(ALONE, None)
        st.session_state[BACK] = True


# ---- assumptions ------------------------------------------------------------------------------------


def assumptions() -> Assumptions:
    """The session's assumptions; read from the address when the session is new, and kept in it."""
    if KEY not in st.session_state:
        st.session_state[KEY] = from_address(dict(st.query_params))
    chosen: Assumptions = st.session_state[KEY]
    for field in fields(Assumptions):
        value = getattr(chosen, field.name)
        if value == field.default:
            st.query_params.pop(field.name, None)
        elif st.query_params.get(field.name) != f"{value}":
            st.query_params[field.name] = f"{value}"
    return chosen


def from_address(params: dict[str, str]) -> Assumptions:
    """Assumptions from an address; what is missing or makes no sense takes its default."""
    chosen = Assumptions(
        title=params.get("title", "")[:120], currency=params.get("currency", Assumptions.currency)[:5]
    )
    for name in ("price", "copies", "memory"):
        try:
            value = float(params[name])
        except (KeyError, ValueError):
            continue
        if math.isfinite(value) and 0 <= value <= MOST:
            changed: dict[str, Any] = {name: int(value) if name == "copies" else value}
            chosen = replace(chosen, **changed)
    return chosen


def _take(name: str) -> None:
    value = st.session_state[f"present_{name}"]
    if value is not None:
        st.session_state[KEY] = replace(st.session_state[KEY], **{name: value})


# ---- the page ---------------------------------------------------------------------------------------


def page(model: queries.Info, smap: SensitivityMap, plan: Plan, full: bool, busy: bool) -> None:
    """The presentation; around it, unless it is shown alone, what can be done with it."""
    chosen = assumptions()
    measurements = queries.measurements(model, smap)
    current = current_plan(plan, model, queries.forecaster(smap, measurements), measurements)
    answers = _answers(smap, plan, busy)
    dense = queries.baseline(model) or {}
    reference = session.current().model
    known = known_of(
        reference,
        smap,
        plan,
        current.forecast,
        measured=current.measured,
        questions=dense.get("probe_accuracy"),
        speed=_speed(model, plan),
        answer=_chosen(answers),
    )
    content = facts(chosen.title.strip() or default_title(reference), smap, known, chosen)
    if full:
        st.html(BARE)
        st.html(html.body(content, rank=1))
        with st.container(horizontal_alignment="center"):
            st.button(
                "Leave this view",
                type="tertiary",
                key="present_leave",
                on_click=_show,
                args=(False,),
                shortcut="Esc",
            )
        return
    with st.container(horizontal=True):
        st.button(
            "Show it alone",
            icon=":material/fullscreen:",
            key="present_full",
            on_click=_show,
            args=(True,),
            help="Hides everything else on this page. Esc brings it back, and F11 gives it the whole screen.",
        )
        st.download_button(
            "Download as one file",
            html.document(content),
            f"{_file_name(content.screen.title)}.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            key="present_download",
            help="A page for any browser, to send or print. It needs no network.",
        )
    if st.session_state.pop(BACK, False):
        st.html(FOCUS, unsafe_allow_javascript=True)
    with st.container(border=True):
        st.html(html.body(content))
    after_recovery(smap, plan)
    _controls(current, chosen, answers, busy)


def _speed(model: queries.Info, plan: Plan) -> Speed | None:
    """How fast the plan is, for what the session's times are of; None for a model without counted parts."""
    try:
        known = costs.cost_model(model)
        cost = known.of(plan)
    except PruningError:
        return None
    device = queries.target_device()
    return Speed.of(cost, known.latency, device.name if device else engines.NAMES[queries.engine()])


def _file_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "presentation"


def _answers(smap: SensitivityMap, plan: Plan, busy: bool) -> Answers:
    """What this plan answered on any page, by prompt: the longest answers, the newest first.

    The prompt that was asked here last is shown as soon as its answer is there.
    """
    answers = {prompt: rows[0] for prompt, [rows] in queries.answers(smap, [plan]).items()}
    if st.session_state.get(ASKED) in answers:
        st.session_state[PROMPT] = st.session_state[ASKED]
    if st.session_state.get(PROMPT) not in answers:
        st.session_state.pop(PROMPT, None)
    if not busy or st.session_state.get(PROMPT) == st.session_state.get(ASKED):
        st.session_state.pop(ASKED, None)
    return answers


def _chosen(answers: Answers) -> dict[str, Any] | None:
    """The answer to the question that was picked; before any is, the newest."""
    prompt = st.session_state.get(PROMPT, next(iter(answers), None))
    return None if prompt is None else answers[prompt]


# ---- what may be changed ----------------------------------------------------------------------------


def _controls(current: CurrentPlan, chosen: Assumptions, answers: Answers, busy: bool) -> None:
    st.subheader("Change what it says", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        title = default_title(session.current().model)
        _field("title", st.text_input, "Title", chosen.title, max_chars=120, placeholder=title)
        _assumption_fields(chosen)
    with right:
        _question(current, answers, busy)


def _assumption_fields(chosen: Assumptions) -> None:
    st.markdown("**Assumptions** :small[Only you can know these. 0 leaves one out.]")
    first, second = st.columns([3, 1])
    with first:
        _field(
            "price",
            st.number_input,
            "Price of a GB of memory a month",
            chosen.price,
            min_value=0.0,
            max_value=MOST,
            step=0.5,
            format="%.2f",
        )
    with second:
        _field("currency", st.text_input, "Currency", chosen.currency, max_chars=5)
    _field(
        "copies", st.number_input, "Copies that run", chosen.copies, min_value=0, max_value=int(MOST), step=1
    )
    _field(
        "memory",
        st.number_input,
        "Free memory of one device, in GB",
        chosen.memory,
        min_value=0.0,
        max_value=MOST,
        step=1.0,
        format="%.1f",
    )


def _field(name: str, widget: Any, label: str, value: Any, **more: Any) -> None:
    """An input whose value is the session's and is kept when the page is left."""
    widget(label, value=value, key=f"present_{name}", on_change=_take, args=(name,), **more)


def _question(current: CurrentPlan, answers: Answers, busy: bool) -> None:
    if len(answers) > 1:
        st.selectbox("Question shown", list(answers), key=PROMPT, **session.PERSIST)
    prompt = st.text_area(
        "A question to ask",
        next(iter(labels.READY_PROMPTS.values())),
        key="present_ask",
        height=80,
        **session.PERSIST,
    ).strip()
    choice = session.current()
    request = requests.request(
        "generate",
        prompts=[prompt],
        plans=[list(current.settings)],
        criterion=choice.criterion,
        data=choice.data,
        max_new_tokens=ANSWER_TOKENS,
    )
    with page_frame.action_row():
        pressed = st.button(
            "Ask before and after",
            icon=":material/chat:",
            disabled=busy or not prompt,
            key="present_answer",
            help="The model answers as it is, and then with the plan. Nothing is changed for good.",
        )
        if prompt:
            page_frame.command(request)
    if pressed:
        with page_frame.user_errors():
            if prompt not in answers or answers[prompt]["max_new_tokens"] < ANSWER_TOKENS:
                requests.submit(request)
            st.session_state[ASKED] = prompt
            st.rerun()
    if ASKED in st.session_state:
        st.caption(
            f"“{format.plain(st.session_state[ASKED])}” is being answered. It is shown when it is there."
        )
    if prompt:
        page_frame.expected_time(request)
