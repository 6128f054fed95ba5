"""What can be done with a run: open it, note, duplicate, share and delete it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import streamlit as st

from pruning.planning.exports.llamacpp import LLAMA_CPP, PYTORCH
from pruning.ui.data import queries, recoveries, requests, session
from pruning.ui.data import results as method_results
from pruning.ui.shared import opened
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.ui.text import runs as run_words
from pruning.workspace import results, task_registry
from pruning.workspace import runs as stored_runs
from pruning.workspace.runs import Run

# By kind of run, the page that shows it; a job is shown by its task's.
PAGE_OF = {
    "map": "sensitivity",
    "sweep": "sensitivity",
    "capabilities": "capabilities",
    "measure": "explore",
    "measure_recovered": "methods",
    "baseline": "model",
    "export": "export",
    "recovery": "recover",
    "ladder": "recover",
    "lottery": "recover",
    "answer": "compare",
    "quantize": "methods",
    "early_exit": "methods",
    "impact": "impact",
    "latency": "speed",
    "first_look": "start",
}
# The tab of its page that shows a kind of run, by the key of the tabs.
TABS = {
    "quantize": ("methods_then", "Quantize"),
    "early_exit": ("methods_then", "Early exit"),
    "recovery": ("recover_tabs", "Recover"),
    "ladder": ("recover_tabs", "Progressive"),
    "lottery": ("recover_tabs", "Lottery ticket"),
}
NAME = 40


def plan_is_whole(run: Run) -> bool:
    """Whether a session can hold all that the run was about: it knows no options of
    pruning.planning.recipe.mask_options."""
    return bool(run.settings) and run.reference is not None and not run.options


def open_button(run: Run) -> None:
    """Open the run on the page that shows it; the page says what was switched, and holds the way back."""
    unknown = run.reference is None
    why = (
        "Its model was never loaded in this dashboard. Load it on the Model page first." if unknown else None
    )
    if st.button("Open", key=f"open_{run.id}", disabled=unknown, help=why):
        page = page_of(run)
        _select(run, page)
        _take_to(run, page)


def _take_to(run: Run, page: str) -> None:
    """Go to a page with all that the run was about; what the session held before is remembered."""
    before, plans = session.current(), session.history()
    take(run)
    opened.remember(run, page, before, plans)
    page_frame.go(page)


def page_of(run: Run) -> str:
    """The page that shows a run."""
    page = PAGE_OF[run.kind] if run.kind != "job" else task_registry.page(run.value["request"]["task"])
    # Explore knows levels of single weights by a criterion that can have a map, and nothing else.
    plain = not run.options and run.criterion in labels.CRITERION
    return "methods" if page == "explore" and not plain else page


def _select(run: Run, page: str) -> None:
    """Have the page begin with just this run, where it can show several."""
    if run.kind == "sweep":
        spots = {(point["layer"], point["kind"]) for point in run.value["points"]}
        st.session_state["chosen_groups"] = sorted(spots)
    if run.kind in TABS:
        tabs, name = TABS[run.kind]
        st.session_state[tabs] = name
    if page == "methods":
        st.session_state[method_results.CHOSEN] = _measured_id(run)
        st.session_state.pop(method_results.NEWEST, None)
        st.session_state["exit_of"] = "The chosen result" if run.settings else "The unpruned model"
    if run.kind == "recovery":
        st.session_state[recoveries.CHOSEN] = run.id
        st.session_state.pop(recoveries.NEWEST, None)


def _measured_id(run: Run) -> str:
    """The id of the measured plan that a run is about: its own, or that of what it was made from."""
    if run.kind in ("measure", "measure_recovered"):
        return run.id
    kind = "measure_recovered" if "recovery" in run.key else "measure"
    apart = ("methods", "thresholds")
    return replace(run, kind=kind, key={name: run.key[name] for name in run.key if name not in apart}).id


def take(run: Run, with_plan: bool = True) -> None:
    """Make the run's model, criterion, text, device and plan the session's own; a plan can be undone."""
    chosen = _choice(run)
    plan = chosen.pop("settings", None)
    settings = plan if with_plan else None
    if (run.reference, run.dtype) == (session.current().model, session.current().dtype):
        session.change(**chosen)
        if settings is not None:
            session.set_settings(settings)
    else:
        new_plan = {} if settings is None else {"settings": settings}
        session.choose_model(trust_remote_code=False, allow_pickle=False, **chosen, **new_plan)


def _choice(run: Run) -> dict[str, Any]:
    """What the session has to hold so that pages are about the run; what it was not about stays."""
    chosen: dict[str, Any] = {"model": run.reference or "", "dtype": run.dtype}
    if run.kind not in run_words.NO_TEXT:
        chosen["data"] = run.data
    # That of a map: not what is learnt while training.
    if run.kind not in run_words.NO_CRITERION and run.criterion in labels.CRITERION:
        chosen["criterion"] = run.criterion
    if run.device == LLAMA_CPP:
        chosen["engine"] = LLAMA_CPP
    elif run.device is not None and run.device != _device(run):
        chosen["device"] = run.device
    if run.kind == "latency" and run.device != LLAMA_CPP:
        chosen["engine"] = PYTORCH
    # What was made with options is no plan for Explore; the session's own stays.
    if run.settings and not run.options:
        chosen["settings"] = run.settings
    return chosen


def _device(run: Run) -> str:
    """The device that the session's results are of, as they name it."""
    chosen = session.current().device
    facts = results.inspected(queries.store(), run.reference or "", run.dtype) or {}
    return str(facts.get("device", chosen)) if chosen == "auto" else chosen


def pin(run: Run) -> None:
    """Put a run's plan aside under its note, or as its settings say; one that is pinned already stays."""
    settings, kept = ",".join(run.settings), session.current().pins
    if any(pin.settings == settings for pin in kept):
        return
    text = (run.note or run_words.plan(run.settings)).splitlines()[0]
    name = text if len(text) <= NAME else f"{text[: NAME - 1]}…"
    same = sum(pin.name.startswith(name) for pin in kept)
    session.pin(f"{name} ({same + 1})" if same else name, settings)


def menu(run: Run, busy: bool) -> None:
    """Note, duplicate, share, delete."""
    st.text_area(
        "Note",
        run.note,
        key=f"note_{run.id}",
        height=80,
        placeholder="What this was for, or what you saw",
        on_change=lambda: stored_runs.annotate(queries.store(), run, st.session_state[f"note_{run.id}"]),
    )
    _duplicate(run, busy)
    if plan_is_whole(run):
        st.markdown("The plan's address, to send or keep")
        st.code(_address(run), language=None, wrap_lines=True)
    st.button(
        "Delete …",
        icon=":material/delete:",
        key=f"delete_{run.id}",
        width="stretch",
        # The menu closes, or it would stand in front of the question.
        on_click=lambda: st.session_state.update({f"more_{run.id}": False, "runs_deleting": run.id}),
    )


def _duplicate(run: Run, busy: bool) -> None:
    """A plan becomes a new one on Explore, with the old one pinned beside it; a job is asked for again."""
    if plan_is_whole(run) and run.kind != "job":
        if st.button(
            "Duplicate",
            icon=":material/content_copy:",
            key=f"duplicate_{run.id}",
            width="stretch",
            help="Takes the plan to Prune to change it there. This one is pinned beside it.",
        ):
            with page_frame.user_errors():
                pin(run)
                _take_to(run, "explore")
        return
    request = _request(run)
    if request is not None:
        st.button(
            "Do it again",
            icon=":material/replay:",
            key=f"duplicate_{run.id}",
            width="stretch",
            disabled=busy,
            on_click=page_frame.on_click,
            args=(lambda: requests.submit(request),),
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
    model = {"reference": run.reference, "dtype": run.dtype, "device": session.current().device}
    return {"task": run.kind, "model": model, "arguments": arguments[run.kind]}


def _address(run: Run) -> str:
    """The address that opens Explore with the run's plan."""
    here = urlsplit(st.context.url or "")
    server = f"{here.scheme}://{here.netloc}" if here.netloc else ""
    return f"{server}/explore?{urlencode(session.to_address(session.Choice(**_choice(run))), doseq=True)}"


def ask_about_deleting(runs: list[Run]) -> None:
    doomed = next((run for run in runs if run.id == st.session_state.get("runs_deleting")), None)
    if doomed is not None:
        _confirm(doomed)


def _settled() -> None:
    st.session_state.pop("runs_deleting", None)


def _delete(run: Run) -> None:
    _settled()
    stored_runs.delete(queries.store(), run)


@st.dialog("Delete this run?", on_dismiss=_settled)
def _confirm(run: Run) -> None:
    store = queries.store()
    st.markdown(f"**{run_words.title(run)}**, {run_words.when(run.made)}")
    going = stored_runs.files(store, run)
    if going:
        st.write("These go from the disk as well:")
        st.code(
            "\n".join(f"{format.size(stored_runs.size_of(path))}  {path}" for path in going), language=None
        )
    elif run.kind == "export":
        st.write(f"Its folder {run.value['out']} is not in the workspace and stays as it is.")
    st.caption("This cannot be undone.")
    with st.container(horizontal=True):
        confirmed = st.button(
            "Delete",
            type="primary",
            icon=":material/delete:",
            key="delete_yes",
            on_click=page_frame.on_click,
            args=(lambda: _delete(run),),
        )
        if confirmed or st.button("Keep it", key="delete_no", on_click=_settled):
            st.rerun()
