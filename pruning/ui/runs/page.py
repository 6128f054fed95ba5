"""The Runs page's parts: the filter, plans to compare, one card for each run, the disk."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pruning.ui.data import gallery, queries, session
from pruning.ui.runs import actions, table
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import elsewhere
from pruning.ui.text import format, run_figures
from pruning.ui.text import runs as run_words
from pruning.workspace import runs as stored_runs
from pruning.workspace.runs import Run
from pruning.workspace.task_registry import BY_NAME

STEP = 12
CARDS, TABLE = "Cards", "Table and plot"


def view() -> None:
    """Everything that was made in this workspace, to find again, compare, take up and clear away."""
    busy = jobs.panel(tuple(BY_NAME))
    opened.way_back()
    page(busy)
    storage()


def page(busy: bool) -> None:
    """The list of runs; where there is none, where to begin."""
    runs = stored_runs.runs(queries.store())
    if not runs:
        page_frame.empty(
            "Nothing here yet",
            "Every map, sweep, measurement and written model is listed here as soon as it is made.",
            "start",
            "Start with the demo model",
        )
        elsewhere.card("Plans of the demo", lambda: table.of_gallery(gallery.plans()))
        return
    shown = _filter(runs)
    way = st.segmented_control(
        "Shown as", [CARDS, TABLE], default=CARDS, required=True, key="runs_as", **session.PERSIST
    )
    if way == TABLE:
        table.section(shown)
        return
    _compare(runs)
    actions.ask_about_deleting(runs)
    limit = st.session_state.get("runs_limit", STEP)
    for run in shown[:limit]:
        _card(run, busy)
    if not shown:
        st.caption("No run is of this kind and model. Choose others above.")
    if len(shown) > limit:
        st.button(
            f"Show {min(STEP, len(shown) - limit)} more of {len(shown)}",
            key="runs_more",
            on_click=lambda: st.session_state.update(runs_limit=limit + STEP),
        )


def _filter(runs: list[Run]) -> list[Run]:
    """The runs of the kinds and the model that are chosen; all of them at first."""
    left, right = st.columns([3, 1], gap="large")
    there = [kind for kind in run_words.KIND if any(run.kind == kind for run in runs)]
    kinds = left.pills(
        "Kind",
        there,
        selection_mode="multi",
        wrap=True,
        format_func=lambda kind: f"{run_words.KIND[kind]} · {sum(run.kind == kind for run in runs)}",
        key="runs_kinds",
        **session.PERSIST,
    )
    names = sorted({run.reference for run in runs if run.reference})
    chosen = right.selectbox(
        "Model",
        names,
        index=None,
        placeholder="Every model",
        format_func=format.short,
        key="runs_model",
        **session.PERSIST,
    )
    return [
        run
        for run in runs
        if (not kinds or run.kind in kinds) and (chosen is None or run.reference == chosen)
    ]


# ---- comparing --------------------------------------------------------------------------------------


def _compare(runs: list[Run]) -> None:
    """The page's one main action: the ticked plans side by side."""
    ticked = [run for run in runs if st.session_state.get(f"pick_{run.id}")]
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            f"Compare {len(ticked)} plans" if len(ticked) > 1 else "Compare plans",
            type="primary",
            icon=":material/compare_arrows:",
            disabled=len(ticked) < 2,
            key="runs_compare",
        ):
            _pin_and_go(ticked)
        st.caption("Tick two or more plans of one model, criterion and text.", width="content")


def _pin_and_go(ticked: list[Run]) -> None:
    if len({(run.reference, run.dtype, run.criterion, run.data) for run in ticked}) > 1:
        st.error(
            "These plans are of different models, criteria or texts, so their figures cannot be compared. "
            "Tick plans of one model, one criterion and one text.",
            icon=":material/error:",
        )
        return
    with page_frame.user_errors():
        # All of them are pinned; the session's own plan stays beside them.
        actions.take(ticked[0], with_plan=False)
        for run in ticked:
            actions.pin(run)
        page_frame.go("compare")


# ---- one run ----------------------------------------------------------------------------------------


def _card(run: Run, busy: bool) -> None:
    with st.container(border=True, key=f"run_{run.id}"):
        tick, left, middle, right = st.columns([0.35, 7.2, 2, 1.9], vertical_alignment="center")
        with tick:
            if run.kind in ("measure", "export") and actions.plan_is_whole(run):
                said = f"Compare {run_words.title(run)}"
                st.checkbox(said, key=f"pick_{run.id}", label_visibility="collapsed")
        with left.container(gap="xsmall"):
            _lines(run)
        middle.caption(f"{run_words.when(run.made)}  \n{run_words.about(run)}")
        with right.container(horizontal=True, horizontal_alignment="right", gap="small"):
            actions.open_button(run)
            more = st.popover("More", key=f"more_{run.id}", on_change="rerun")
            if more.open:
                with more:
                    actions.menu(run, busy)


def _lines(run: Run) -> None:
    """Kind and title, figures, note."""
    badge = f":gray-badge[:material/{run_words.ICON[run.kind]}: {run_words.KIND[run.kind]}]"
    missing = run.kind == "export" and not Path(run.value["out"]).exists()
    note = " :orange-badge[moved or deleted since]" if missing else ""
    st.markdown(f"**{run_words.title(run)}** {badge}{note}")
    if run.kind in ("export", "job") and run.settings:
        st.caption(run_words.described(run))
    st.markdown(f":small[{run_figures.figures(run)}]")
    if run.note:
        st.markdown(f":small[:material/sticky_note_2: {run.note}]")


# ---- the disk ---------------------------------------------------------------------------------------


def storage() -> None:
    """What the workspace takes, by kind, and where it is."""
    store = queries.store()
    disk = stored_runs.storage(store)
    st.header("Storage", anchor=False)
    cells = [
        ("Database", disk.database, "results, notes, jobs"),
        ("Statistics and maps", disk.maps, "made again when needed"),
        ("Written models", disk.exports, "exports"),
    ]
    for column, (label, taken, note) in zip(st.columns(len(cells)), cells, strict=True):
        with column:
            page_frame.figure(label, format.size(taken), "measured", note)
    st.caption(f"The workspace is {store.root}.")
