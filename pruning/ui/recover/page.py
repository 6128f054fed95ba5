"""The Recover page: training, its result and all there are; progressive pruning and tickets as tabs."""

from __future__ import annotations

import time

import streamlit as st

from pruning.ui.data import gallery, queries, recoveries, requests
from pruning.ui.data.recoveries import Recovered
from pruning.ui.recover import charts as recover_charts
from pruning.ui.recover import form, lottery, progressive, result
from pruning.ui.shared import charts, jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import elsewhere
from pruning.ui.text import format, labels
from pruning.ui.text import recovery as recover_words

TASKS = ("recover", "progressive", "lottery", "measure", "export")
# Nobody can see from here whether the command line trains; it tells at least this often, in seconds.
ELSEWHERE = 60.0


def view() -> None:
    """Training what pruning left; progressive pruning and lottery tickets."""
    busy = jobs.panel(TASKS)
    model = page_frame.require_model()
    if model:
        page(model, busy)
    if model is None or not (busy or recoveries.recoveries(model)):
        elsewhere.card("What training can win back", lambda: result.shown_alone(gallery.recovery()))


def page(model: queries.Info, busy: bool) -> None:
    """The three ways to train, a tab each."""
    first, second, third = st.tabs(
        ["Recover", "Progressive", "Lottery ticket"], key="recover_tabs", on_change="rerun"
    )
    with first:
        _recover(model, busy)
    with second:
        progressive.section(model, busy)
    with third:
        lottery.section(model, busy)


def _recover(model: queries.Info, busy: bool) -> None:
    form.form(model, busy)
    if busy:
        st.fragment(_unfinished, run_every=jobs.CURVES)(model, busy)
    else:
        _unfinished(model, busy)
    result.results(model, [recovery for recovery in recoveries.recoveries(model) if recovery.finished], busy)
    result.table(recoveries.recoveries(model))


def _unfinished(model: queries.Info, busy: bool) -> None:
    """What is under way, and what was stopped."""
    recovered = recoveries.recoveries(model)
    running = under_way(recovered)
    if running is not None:
        _progress(running, "Training now", None)
    for recovery in recovered:
        if not recovery.finished and (running is None or recovery.id != running.id):
            _progress(recovery, "Stopped", busy)


def under_way(recovered: list[Recovered]) -> Recovered | None:
    """The recovery that a running job trains: the one that was heard of last, since that job began."""
    began = [
        job.started
        for job in requests.waiting_jobs()
        if job.request["task"] in ("recover", "progressive") and requests.about_model(job) and job.started
    ]
    heard = [recovery for recovery in recovered if not recovery.finished and "told" in recovery.value]
    latest = max(heard, key=lambda recovery: recovery.value["told"], default=None)
    return latest if began and latest is not None and latest.value["told"] >= min(began) else None


def _progress(recovery: Recovered, title: str, busy: bool | None) -> None:
    """How a recovery goes, or went until it was stopped; `busy` is None for one under way."""
    training, value = recovery.training, recovery.value
    with st.container(border=True, key=f"course_{recovery.id}"):
        st.markdown(f"**{title}: {recovery.name}**")
        if busy is None:
            st.progress(
                min(1.0, value["steps"] / training.steps), f"Step {value['steps']} of {training.steps}"
            )
        else:
            standing = recover_words.standing(value, training.steps, recovery.goes_on_from)
            st.markdown(f":orange-badge[stopped] {standing}")
        gradual = training.pruned_by() > 0
        st.markdown(recover_words.so_far(value["looks"], value["best_step"], gradual))
        if fit := recover_words.fit(value):
            st.markdown(fit)
        _curves(recovery)
        if busy is None:
            st.caption("The best weights are kept as they come. Cancel keeps them, and where training is.")
        else:
            _go_on(recovery, busy)


def _curves(recovery: Recovered) -> None:
    value, steps = recovery.value, recovery.training.steps
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f":small[**Loss on the text that is learnt from**] {labels.MEASURED}")
        if value["losses"]:
            st.plotly_chart(
                recover_charts.losses(value["losses"], steps),
                key=f"losses_{recovery.id}",
                config=charts.BARE,
                alt="Loss of each training step",
            )
        else:
            st.caption("The first step is still to come.")
    with right:
        st.markdown(f":small[**KL on text kept back from training**] {labels.MEASURED}")
        if value["looks"]:
            st.plotly_chart(
                recover_charts.evaluations(value["looks"], steps, value["best_step"]),
                key=f"looks_{recovery.id}",
                config=charts.BARE,
                alt="KL on text kept back, at each look; a star marks the best",
            )


def _go_on(recovery: Recovered, busy: bool) -> None:
    request = requests.request("recover", **recovery.arguments())
    silent = time.time() - recovery.value.get("told", 0.0)
    if silent < ELSEWHERE:
        st.caption(
            f":material/info: It was heard of {format.seconds(silent)} ago. If the command line is training "
            "it now, leave it alone."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Go on from step {recovery.goes_on_from}" if recovery.goes_on_from else "Start again",
            type="primary",
            icon=":material/play_arrow:",
            key=f"go_on_{recovery.id}",
            disabled=busy,
            on_click=page_frame.on_click,
            args=(lambda: requests.submit(request),),
        )
        st.button(
            "Throw it away",
            icon=":material/delete:",
            type="tertiary",
            key=f"throw_{recovery.id}",
            disabled=busy,
            help="Takes the half-done training and its files out of the workspace.",
            on_click=page_frame.on_click,
            args=(lambda: result.throw_away(recovery),),
        )
