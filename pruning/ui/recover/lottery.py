"""The Recover page's tab on lottery tickets: train, prune, rewind, repeat, with chance beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pruning.jobs import runner
from pruning.planning.recipe.plan import MAX_LEVEL, format_level
from pruning.planning.recipe.training import Training
from pruning.ui.data import queries, recoveries, requests, session
from pruning.ui.recover import form, training_options
from pruning.ui.shared import jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.ui.text import recovery as recover_words
from pruning.wording import counted

BEFORE, EARLY = "Before training", "Early in training"
EVERYWHERE, EXPLORE = "The same share everywhere", "Your plan"
SHOWN = 3


def section(model: queries.Info, busy: bool) -> None:
    """Choose a ticket and how its rounds train; what is measured appears as it comes."""
    st.markdown(
        "Is there a small network inside this one that learns as well as the whole? Each round trains, "
        "removes the smallest weights, and puts the others back to where they were early on. A random "
        "ticket of the same size is the control: only what beats it has won."
    )
    request: dict[str, Any] | None = None
    with st.container(border=True, key="ticket_form"):
        with page_frame.user_errors():
            request = _request(model)
        page_frame.submit_button(
            "Draw the ticket",
            request,
            # From trainings before, `_request` says how long it takes.
            timed=recoveries.seconds_a_step(recoveries.recoveries(model), Training()) is None,
            type="primary",
            icon=":material/confirmation_number:",
            key="ticket_start",
            disabled=busy,
        )

    @st.fragment(run_every=jobs.PARTIAL if busy else None)
    def draw() -> None:
        drawn = _drawn_so_far()
        if drawn:
            st.markdown(f"**So far** {labels.MEASURED}")
            st.table(frame(drawn), border="horizontal", alt="What was drawn so far")
        for row in queries.rows(model, "lottery")[:SHOWN]:
            _ticket(row["value"])

    draw()


def _request(model: queries.Info) -> dict[str, Any]:
    """The request that the controls make. Raises PruningError for what cannot be."""
    first, second, third, fourth = st.columns(4, vertical_alignment="bottom")
    settings = _settings(model, first, second)
    rounds = third.number_input(
        "Rounds",
        1,
        20,
        3,
        key="ticket_rounds",
        help="Each removes the same share of what is left.",
        **session.PERSIST,
    )
    steps = fourth.number_input(
        "Steps of each training", 2, 100_000, 100, 10, key="ticket_steps", **session.PERSIST
    )
    rewind = _rewind(steps)
    with st.expander("More settings", icon=":material/tune:", key="ticket_more"):
        details = training_options.details(steps, "ticket", whole=True)
    training = Training.of({"loss": "task", "steps": steps, **details})
    total = (rounds + 2) * steps
    pace = recoveries.seconds_a_step(recoveries.recoveries(model), training)
    st.markdown(
        f":small[{counted(rounds + 2, 'training')} of {counted(steps, 'step')}. "
        f"{recover_words.estimate(total, pace)}]"
    )
    recovery = {name: value for name, value in training.changed().items() if name != "loss"}
    return requests.request(
        "lottery",
        settings=settings,
        rounds=rounds,
        rewind=rewind,
        data=session.current().data,
        recovery=recovery,
    )


def _settings(model: queries.Info, left: Any, right: Any) -> list[str]:
    """What the ticket prunes, as settings; raises PruningError for the plan of Explore where it is empty."""
    source = left.selectbox("What is pruned", [EVERYWHERE, EXPLORE], **session.PERSIST, key="ticket_of")
    share = right.number_input(
        "Share that goes (%)",
        1,
        round(100 * MAX_LEVEL),
        80,
        5,
        key="ticket_share",
        disabled=source == EXPLORE,
        **session.PERSIST,
    )
    return form.plan_of_explore(model) if source == EXPLORE else [f"all={format_level(share / 100)}"]


def _rewind(steps: int) -> int:
    """The step whose weights each round begins with; 0: the pretrained ones."""
    when = st.segmented_control(
        "Rewind weights to",
        [BEFORE, EARLY],
        default=BEFORE,
        required=True,
        key="ticket_rewind",
        help="Frankle and Carbin 2019; and early checkpoints, which large models need, 2020.",
        **session.PERSIST,
    )
    if when == BEFORE:
        return 0
    return st.number_input(
        "Rewind to step",
        1,
        steps - 1,
        max(1, steps // 10),
        key=f"ticket_rewind_{steps}",
        width=200,
        **session.PERSIST,
    )


# ---- results ----------------------------------------------------------------------------------------


def _drawn_so_far() -> dict[str, dict[str, float]]:
    """What a running lottery has measured, by name."""
    for job in requests.waiting_jobs():
        if job.request["task"] == "lottery" and requests.about_model(job):
            draws = [partial["draw"] for partial in runner().partials(job.id) if "draw" in partial]
            return {draw["name"]: draw for draw in draws}
    return {}


def _ticket(value: Mapping[str, Any]) -> None:
    training = Training.of(value["recovery"])
    back = "where they were before training" if value["rewind"] == 0 else f"those of step {value['rewind']}"
    with st.container(border=True):
        st.markdown(f"{labels.MEASURED} {recover_words.ticket_verdict(value)}")
        st.table(
            frame({name: value[name] for name in recover_words.DRAW}),
            border="horizontal",
            alt="The ticket beside a random one and the unpruned model",
        )
        st.caption(
            f"{counted(value['rounds'], 'round')} of {counted(training.steps, 'step')}; after each, "
            f"weights went back to {back}. "
            "Measured on text that training never saw. Few steps tell little: a ticket that wins after 20 "
            "may not after 2,000."
        )


def frame(draws: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Networks that were measured, as a table to read, a row each.

    Parameters
    ----------
    draws
        By name: {kl: nats per token to the unpruned model, perplexity, accuracy: share 0..1}.
    """
    return pd.DataFrame(
        [
            {
                "Network": recover_words.DRAW.get(name, name.capitalize()),
                f"Perplexity {labels.MEASURED}": format.perplexity(row["perplexity"]),
                f"Right next word {labels.MEASURED}": format.percent(row["accuracy"], 1),
                f"KL to the unpruned model, nats per token {labels.MEASURED}": format.kl(row["kl"]),
            }
            for name, row in draws.items()
        ]
    ).set_index("Network")
