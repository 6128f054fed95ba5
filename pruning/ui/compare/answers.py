"""The Compare page's answers: asking several models the same, and what they said, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import format_settings
from pruning.ui.compare.page import Candidate
from pruning.ui.data import gallery, queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.shared import token_html
from pruning.ui.text import format, labels
from pruning.wording import counted
from pruning.workspace.keys import digest

LENGTHS = (40, 80, 160)
SHOWN_PROMPTS = 6
# A plan with its stored answers to one prompt, the longest first.
Asked = tuple[Candidate, list[dict[str, Any]]]


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


def of_gallery(found: gallery.Answers) -> None:
    """One prompt's answers by the plans of the gallery, the unpruned model's beside each."""
    prompt = st.selectbox("Prompt", list(found.asked), key="gallery_prompt", **session.PERSIST)
    st.html(token_html.legend())
    for title, rows in zip(found.titles, found.asked[prompt], strict=True):
        _answer(title, rows[0] if rows else None, "")


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
        page_frame.submit_button(
            f"Ask {counted(len(prompts), 'prompt')} of {counted(len(shown), 'plan')}",
            request if prompts else None,
            type="primary",
            icon=":material/chat:",
            disabled=busy,
            key="ask",
        )


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
    """What is in the workspace for these plans, wherever it was asked; the prompt answered last first."""
    asked = queries.answers(smap, [candidate.plan for candidate in shown])
    if not asked:
        st.caption("The first answers are on their way." if busy else "Nothing was asked of these plans yet.")
        return
    st.html(token_html.legend())
    prompts = list(asked)
    if len(prompts) > SHOWN_PROMPTS:
        prompts = [st.selectbox(f"Prompt, one of {len(prompts)}", prompts, key="answers_prompt")]
        places = [st.container()]
    else:
        places = list(st.tabs([format.plain(_short(prompt)) for prompt in prompts]))
    for place, prompt in zip(places, prompts, strict=True):
        with place:
            st.markdown(f"**{format.plain(prompt)}**")
            _side_by_side(model, prompt, list(zip(shown, asked[prompt], strict=True)), busy)


def _side_by_side(model: queries.Info, prompt: str, asked: list[Asked], busy: bool) -> None:
    """The plans' answers to one prompt at one length, and a way to what is missing there."""
    mark = digest({"prompt": prompt})[:8]
    lengths = sorted({row["max_new_tokens"] for _, rows in asked for row in rows})
    length = lengths[-1]
    if len(lengths) > 1:
        length = st.segmented_control(
            "Tokens of each answer",
            lengths,
            default=length,
            required=True,
            key=f"answers_length_{mark}",
            help="Longer answers begin like shorter ones, so they are cut to be laid beside them.",
        )
    missing = []
    for candidate, rows in asked:
        row = at_length(rows, length)
        whole = row is not None and reaches(row, length)
        missing += [] if whole else [candidate]
        _answer(candidate.name, row, "" if whole or row is None else _short_of(row, length))
    if missing:
        names = ", ".join(format.plain(candidate.name) for candidate in missing)
        page_frame.submit_button(
            f"Ask {names} for {length} tokens",
            _request(model, missing, [prompt], length),
            icon=":material/chat:",
            key=f"answers_missing_{mark}",
            disabled=busy,
        )


def _short_of(row: dict[str, Any], length: int) -> str:
    return f" · :gray-badge[asked for {row['max_new_tokens']} of these {length} tokens]"


def _answer(name: str, row: dict[str, Any] | None, lack: str) -> None:
    with st.container(border=True):
        if row is None:
            st.markdown(f"**{format.plain(name)}** · :gray-badge[not asked this yet]")
            return
        st.markdown(f"**{format.plain(name)}** · {token_html.summary(row)}{lack}")
        st.html(token_html.answer(row, name))


def at_length(rows: Sequence[dict[str, Any]], length: int) -> dict[str, Any] | None:
    """Of one plan's answers to a prompt, the longest first, the one for a length; None where there is none.

    Answers are greedy, so a longer one is cut; where all are shorter it is the longest of them.
    """
    long_enough = [row for row in rows if row["max_new_tokens"] >= length]
    if not long_enough:
        return rows[0] if rows else None
    return cut(long_enough[-1], length)


def cut(row: dict[str, Any], length: int) -> dict[str, Any]:
    """A row of the task `generate` as it would be for fewer tokens."""
    if row["max_new_tokens"] <= length:
        return row
    shorter = {**row, "max_new_tokens": length, "kl": row["kl"][:length]}
    for name in ("dense", "pruned"):
        tokens = row[f"{name}_tokens"]
        shorter[f"{name}_tokens"] = tokens[:length]
        shorter[f"{name}_ended"] = row[f"{name}_ended"] and len(tokens) <= length
        shorter[name] = "".join(tokens[:length]).strip()
    place = row["first_difference"]
    return {**shorter, "first_difference": place if place is not None and place < length else None}


def reaches(row: dict[str, Any], length: int) -> bool:
    """Whether an answer is all that it would be for so many tokens."""
    return bool(row["max_new_tokens"] >= length or (row["dense_ended"] and row["pruned_ended"]))


def _short(prompt: str) -> str:
    first = prompt.splitlines()[0]
    return first if len(first) <= 32 else f"{first[:31].rstrip()}…"
