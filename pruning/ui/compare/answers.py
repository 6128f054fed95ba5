"""The Compare page's answers: asking several models the same, and what they said, token by token."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import format_settings
from pruning.ui.compare import token_html
from pruning.ui.compare.page import Candidate
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.wording import counted

LENGTHS = (40, 80, 160)
SHOWN_PROMPTS = 6


def answers(model: queries.Info, smap: SensitivityMap, shown: list[Candidate], busy: bool) -> None:
    """Ask all plans the same prompts, and read the answers side by side."""
    st.header("What they answer", anchor=False)
    st.write(
        "The unpruned model and every plan answer the same prompts, always with the most likely next word. "
        "Nothing is changed for good."
    )
    _form(model, shown, busy)

    @st.fragment(run_every=2 if busy else None)
    def draw() -> None:
        _stored_answers(model, smap, shown, busy)

    draw()


def _form(model: queries.Info, shown: list[Candidate], busy: bool) -> None:
    with st.container(border=True):
        names = st.pills(
            "Prompts",
            list(labels.READY_PROMPTS),
            selection_mode="multi",
            default=list(labels.READY_PROMPTS)[:2],
            key="ask_ready",
            **session.PERSIST,
        )
        typed = st.text_area(
            "Your own prompt",
            key="ask_own",
            height=80,
            placeholder="Anything the model should answer or go on from",
            **session.PERSIST,
        )
        prompts = [labels.READY_PROMPTS[name] for name in names or ()] + (
            [typed.strip()] if typed.strip() else []
        )
        length = st.segmented_control(
            "Length of an answer",
            LENGTHS,
            default=LENGTHS[0],
            required=True,
            format_func=lambda tokens: f"{tokens} tokens",
            key="ask_length",
            **session.PERSIST,
        )
        request = _request(model, shown, prompts, int(length or LENGTHS[0]))
        with page_frame.action_row():
            pressed = st.button(
                f"Ask {counted(len(prompts), 'prompt')} of {counted(len(shown), 'plan')}",
                type="primary",
                icon=":material/chat:",
                disabled=busy or not prompts,
                key="ask",
            )
            if prompts:
                page_frame.command(request)
        if pressed:
            with page_frame.user_errors():
                requests.submit(request)
                st.rerun()
        if prompts:
            page_frame.expected_time(request)


def _request(model: queries.Info, shown: list[Candidate], prompts: list[str], length: int) -> dict[str, Any]:
    choice = session.current()
    return requests.request(
        "generate",
        prompts=prompts,
        plans=[format_settings(candidate.plan, model.groups) for candidate in shown],
        criterion=choice.criterion,
        data=choice.data,
        max_new_tokens=length,
    )


def _stored_answers(model: queries.Info, smap: SensitivityMap, shown: list[Candidate], busy: bool) -> None:
    """What is in the workspace for these plans: a tab for each prompt, the newest first."""
    rows = queries.answers(smap)
    asked = by_prompt(rows, [format_settings(candidate.plan, model.groups) for candidate in shown])
    if not asked:
        st.caption("The first answers are on their way." if busy else "Nothing was asked of these plans yet.")
        return
    st.html(token_html.legend())
    prompts = list(asked)[:SHOWN_PROMPTS]
    for tab, prompt in zip(st.tabs([format.plain(_short(p)) for p in prompts]), prompts, strict=True):
        with tab:
            st.markdown(f"**{format.plain(prompt)}**")
            for candidate in shown:
                row = asked[prompt].get(tuple(format_settings(candidate.plan, model.groups)))
                _answer(candidate.name, row)


def _answer(name: str, row: dict[str, Any] | None) -> None:
    with st.container(border=True):
        if row is None:
            st.markdown(f"**{format.plain(name)}** · :gray-badge[not asked this yet]")
            return
        st.markdown(f"**{format.plain(name)}** · {token_html.summary(row)}")
        st.html(token_html.answer(row, name))


def by_prompt(
    rows: list[dict[str, Any]], plans: list[list[str]]
) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """Answers of these plans by prompt and settings, of each prompt those of the length asked for last.

    Answers of two lengths cannot be laid side by side.

    Parameters
    ----------
    rows
        Values of the task `generate`, newest first.
    plans
        Settings of each plan.
    """
    latest: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    length: dict[str, int] = {}
    for row in rows:
        prompt, settings = row["prompt"], row["settings"]
        if settings in plans and length.setdefault(prompt, row["max_new_tokens"]) == row["max_new_tokens"]:
            latest.setdefault(prompt, {})[tuple(settings)] = row
    return latest


def _short(prompt: str) -> str:
    first = prompt.splitlines()[0]
    return first if len(first) <= 32 else f"{first[:31].rstrip()}…"
