"""A first look: one press to a model that is 20 % smaller, measured, and two answers side by side."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.forecast.verdict import measured_verdict
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.shared import token_html, verdict
from pruning.ui.text import format, labels

SMALLER = 0.2
TASKS = ("first_look",)
# In the session: the press came before the model was open.
WANTED = "first_look_wanted"


def section(busy: bool) -> None:
    """The press where the session's model has a map, and what it showed the last time."""
    model = queries.info()
    wanted = st.session_state.pop(WANTED, False)
    smap = queries.mixed_map(model) if model else None
    if model is None or smap is None or not smap.unit_totals:
        return
    if wanted:
        with page_frame.user_errors():
            requests.submit(_request(next(iter(labels.READY_PROMPTS.values()))))
        st.rerun()
    st.header(f"A first look: {format.percent(SMALLER)} smaller", anchor=False)
    prompt = _ask(busy)
    found = _newest(model, prompt)
    if found is not None:
        _show(found)


def of_demo() -> None:
    """The same press before any model is open: it opens the demo."""

    def take() -> None:
        session.choose_demo()
        st.session_state[WANTED] = True
        page_frame.go_next("start")

    st.button(
        f"Make the demo {format.percent(SMALLER)} smaller",
        type="primary",
        icon=":material/content_cut:",
        key="first_look_demo",
        on_click=take,
        help="Finds the plan that is forecast to hurt least, measures it, and lets both models answer.",
    )


def _request(prompt: str) -> dict[str, Any]:
    data = session.current().data
    return requests.request("first_look", smaller=SMALLER, prompt=prompt, data=data)


def _ask(busy: bool) -> str:
    """The prompt and the press; returns the prompt."""
    st.caption(
        "Finds the plan that is forecast to hurt least, prunes in memory, measures, and lets both models, "
        "unpruned and pruned, answer. No file changes."
    )
    prompt = st.text_input(
        "Prompt for both",
        next(iter(labels.READY_PROMPTS.values())),
        key="first_prompt",
        **session.PERSIST,
    ).strip()
    page_frame.submit_button(
        f"Make it {format.percent(SMALLER)} smaller",
        _request(prompt) if prompt else None,
        type="primary",
        icon=":material/content_cut:",
        key="first_look",
        disabled=busy,
    )
    return prompt


def _newest(model: queries.Info, prompt: str) -> dict[str, Any] | None:
    """The latest look at the model; of this prompt, where it was asked."""
    looks = [row["value"] for row in queries.rows(model, "first_look")]
    return next((look for look in looks if look["answer"]["prompt"] == prompt), next(iter(looks), None))


def _show(look: dict[str, Any]) -> None:
    before, after = look["dense_bytes"], look["file_bytes"]
    gone = format.percent(1 - after / before)
    cells = [
        (
            "File",
            f"{format.size(before)} → {format.size(after)}",
            "exact",
            f"{gone} less",
        ),
        (
            "Perplexity",
            f"{format.perplexity(look['dense_perplexity'])} → {format.perplexity(look['perplexity'])}",
            "measured",
            "lower is better",
        ),
        ("Same next word", format.percent(look["agreement"]), "measured", "top-1 agreement"),
        (
            "Right next word",
            f"{format.percent(look['dense_accuracy'])} → {format.percent(look['accuracy'])}",
            "measured",
            "top-1 accuracy",
        ),
    ]
    for column, (label, value, source, note) in zip(st.columns(len(cells)), cells, strict=True):
        with column:
            page_frame.figure(label, value, source, note)
    st.markdown(verdict.line(measured_verdict(look)), help=labels.VERDICT)
    with st.container(border=True):
        st.markdown(f"**{format.plain(look['answer']['prompt'])}**")
        st.html(token_html.answer(look["answer"], "Pruned"))
    st.caption(
        f"To be quick it was fitted to {look['fitting_tokens']:,} tokens and measured on {look['tokens']:,}, "
        "without questions. Measured under Prune it is fitted to more, and as a rule better."
    )
    with page_frame.action_row():
        if st.button("Take this plan to Prune", icon=":material/tune:", key="first_take"):
            session.set_settings(look["settings"])
            page_frame.go("explore")
        if st.button("Write it to disk", icon=":material/save:", key="first_write"):
            session.set_settings(look["settings"])
            page_frame.go("export")
