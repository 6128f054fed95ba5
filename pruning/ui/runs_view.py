"""The Runs page's parts: the filter, one card for each run with what can be done with it, the disk."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

import streamlit as st

from pruning import library
from pruning.library import Run
from pruning.ui import run_words, services, shell, state, words

PAGE_OF = {
    "map": "sensitivity",
    "sweep": "sensitivity",
    "measure": "explore",
    "baseline": "model",
    "export": "export",
}
STEP = 12
NAME = 40


def page(busy: bool) -> None:
    """The list of runs; where there is none, where to begin."""
    runs = library.runs(services.store())
    if not runs:
        shell.empty(
            "Nothing here yet",
            "Every map, sweep, measurement and written model is listed here as soon as it is made.",
            "start",
            "Start with the demo model",
        )
        return
    shown = _filter(runs)
    _compare(runs)
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
    left, right = st.columns([3, 1], vertical_alignment="bottom", gap="large")
    there = [kind for kind in run_words.KIND if any(run.kind == kind for run in runs)]
    kinds = left.pills(
        "Kind",
        there,
        selection_mode="multi",
        format_func=lambda kind: f"{run_words.KIND[kind]} · {sum(run.kind == kind for run in runs)}",
        key="runs_kinds",
        persist_state="session",
    )
    names = sorted({run.reference for run in runs if run.reference})
    chosen = right.selectbox(
        "Model",
        names,
        index=None,
        placeholder="Every model",
        format_func=shell.short,
        key="runs_model",
        persist_state="session",
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
    with shell.told():
        _take(ticked[0])
        for run in ticked:
            _pin(run)
        st.switch_page(shell.PAGES["compare"].script)


def _pin(run: Run) -> None:
    """Put a run's plan aside under its note, or as its settings say; one that is pinned already stays."""
    settings, kept = ",".join(run.settings), state.current().pins
    if any(pin.settings == settings for pin in kept):
        return
    text = (run.note or run_words.plan(run.settings)).splitlines()[0]
    name = text if len(text) <= NAME else f"{text[: NAME - 1]}…"
    same = sum(pin.name.startswith(name) for pin in kept)
    state.pin(f"{name} ({same + 1})" if same else name, settings)


# ---- one run ----------------------------------------------------------------------------------------


def _card(run: Run, busy: bool) -> None:
    with st.container(border=True, key=f"run_{run.id}", gap="xxsmall"):
        left, middle, right = st.columns([7, 2.2, 1.8], vertical_alignment="center")
        with left:
            _line(run)
        middle.caption(f"{run_words.when(run.made)}  \n{shell.short(run.reference or 'model unknown')}")
        with right.container(horizontal=True, horizontal_alignment="right", gap="small"):
            _open(run)
            with st.popover("", icon=":material/more_horiz:", key=f"more_{run.id}", help="More"):
                _more(run, busy)


def _line(run: Run) -> None:
    """Kind, title, figures and note; a measured plan can be ticked."""
    head = f":gray-badge[:material/{run_words.ICON[run.kind]}: {run_words.KIND[run.kind]}]"
    if run.kind in ("measure", "export"):
        st.checkbox(f"{head} **{run_words.title(run)}**", key=f"pick_{run.id}")
    else:
        st.markdown(f"{head} **{run_words.title(run)}**")
    if run.kind in ("export", "job") and run.settings:
        st.caption(run_words.plan(run.settings))
    st.markdown(f":small[{run_words.figures(run)}]")
    if run.note:
        st.markdown(f":small[:material/sticky_note_2: {run.note}]")


def _open(run: Run) -> None:
    known = run.reference is not None
    if st.button(
        "Open",
        key=f"open_{run.id}",
        disabled=not known,
        help=None
        if known
        else "Its model was never loaded in this dashboard. Load it on the Model page first.",
    ):
        _take(run)
        if run.kind == "sweep":
            spots = {(point["layer"], point["kind"]) for point in run.value["points"]}
            st.session_state["chosen_groups"] = sorted(spots)
        st.switch_page(shell.PAGES[_page_of(run)].script)


def _page_of(run: Run) -> str:
    if run.kind == "job":
        return words.TASK_PAGE[run.value["request"]["task"]].lower()
    return PAGE_OF[run.kind]


def _take(run: Run) -> None:
    """Make the run's model, criterion, text and plan the session's own."""
    chosen = _choice(run)
    if (run.reference, run.dtype) == (state.current().model, state.current().dtype):
        state.change(**chosen)
    else:
        state.choose_model(trust_remote_code=False, allow_pickle=False, **chosen)


def _choice(run: Run) -> dict[str, Any]:
    plan = {"settings": run.settings} if run.settings else {}
    about = {"criterion": run.criterion, "data": run.data}
    return {"model": run.reference or "", "dtype": run.dtype, **about, **plan}


def _more(run: Run, busy: bool) -> None:
    """Note, duplicate, share, delete."""
    st.text_area(
        "Note",
        run.note,
        key=f"note_{run.id}",
        height=80,
        placeholder="What this was for, or what you saw",
        on_change=lambda: library.annotate(services.store(), run, st.session_state[f"note_{run.id}"]),
    )
    _duplicate(run, busy)
    if run.settings and run.reference:
        st.markdown("The plan's address, to send or keep")
        st.code(_address(run), language=None, wrap_lines=True)
    if st.button("Delete …", icon=":material/delete:", key=f"delete_{run.id}", width="stretch"):
        _confirm(run)


def _duplicate(run: Run, busy: bool) -> None:
    """A plan becomes a new one on Explore, with the old one pinned beside it; a job is asked for again."""
    if run.settings and run.reference:
        if st.button(
            "Duplicate",
            icon=":material/content_copy:",
            key=f"duplicate_{run.id}",
            width="stretch",
            help="Takes the plan to Explore to change it there. This one is pinned beside it.",
        ):
            with shell.told():
                _take(run)
                _pin(run)
                st.switch_page(shell.PAGES["explore"].script)
        return
    wanted = _request(run)
    if wanted is not None:
        st.button(
            "Do it again",
            icon=":material/replay:",
            key=f"duplicate_{run.id}",
            width="stretch",
            disabled=busy,
            on_click=shell.act,
            args=(lambda: services.submit(wanted),),
        )


def _request(run: Run) -> dict[str, Any] | None:
    """The request that does a run again; a sweep measures no point twice, so there is none for it."""
    if run.kind == "job":
        return dict(run.value["request"])
    arguments = {
        "map": {"criterion": run.criterion, "levels": run.key.get("levels"), "data": run.data},
        "baseline": {"data": run.data},
    }
    if run.kind not in arguments or run.reference is None:
        return None
    model = {"reference": run.reference, "dtype": run.dtype, "device": state.current().device}
    return {"task": run.kind, "model": model, "arguments": arguments[run.kind]}


def _address(run: Run) -> str:
    """The address that opens Explore with the run's plan."""
    here = urlsplit(st.context.url or "")
    server = f"{here.scheme}://{here.netloc}" if here.netloc else ""
    return f"{server}/explore?{urlencode(state.to_address(state.Choice(**_choice(run))), doseq=True)}"


@st.dialog("Delete this run?")
def _confirm(run: Run) -> None:
    store = services.store()
    st.markdown(f"**{run_words.title(run)}**, {run_words.when(run.made)}")
    going = library.files(store, run)
    if going:
        st.write("These go from the disk as well:")
        st.code("\n".join(f"{words.size(library.size_of(path))}  {path}" for path in going), language=None)
    elif run.kind == "export":
        st.write(f"Its folder {run.value['out']} is not in the workspace and stays as it is.")
    st.caption("This cannot be undone.")
    with st.container(horizontal=True):
        if st.button(
            "Delete",
            type="primary",
            icon=":material/delete:",
            key="delete_yes",
            on_click=shell.act,
            args=(lambda: library.delete(store, run),),
        ):
            st.rerun()
        if st.button("Keep it", key="delete_no"):
            st.rerun()


# ---- the disk ---------------------------------------------------------------------------------------


def storage() -> None:
    """What the workspace takes, by kind, and where it is."""
    store = services.store()
    seen = library.storage(store)
    st.header("Storage", anchor=False)
    cells = [
        ("Database", seen.database, "results, notes, jobs"),
        ("Statistics and maps", seen.maps, "made again when needed"),
        ("Written models", seen.exports, "exports"),
    ]
    for column, (label, taken, note) in zip(st.columns(len(cells)), cells, strict=True):
        with column:
            shell.figure(label, words.size(taken), "measured", note)
    st.caption(f"The workspace is {store.root}.")
