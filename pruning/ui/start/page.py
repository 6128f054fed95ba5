"""The Start page's parts: the demo model in one press, what to go on with, the road, the words."""

from __future__ import annotations

import streamlit as st

from pruning.jobs import runner
from pruning.model_files.checkpoint import demo_folder
from pruning.model_files.preview import DEMO_FETCH
from pruning.ui.data import background, queries, requests, session
from pruning.ui.shared import jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import preload
from pruning.ui.shared.frame.places import PLACES, first_view
from pruning.ui.shared.frame.steps import done_steps, next_step
from pruning.ui.start import first_look
from pruning.ui.text import format, labels
from pruning.workspace.runs import ENDED_BADLY, models
from pruning.workspace.store import WAITING, Job

CHAIN = ("inspect", "map", "baseline")
STEPS = {
    "inspect": "Load the demo model",
    "map": "Draw its map",
    "baseline": "Measure how good it is now",
}
ABOUT = {
    "model": "Load a model. See what it is made of, how good it is and how fast, before anything is removed.",
    "sensitivity": "Draw the map: what pruning would cost in every layer and group.",
    "prune": "Set a plan by hand or let the solver, see quality, size and speed follow, fine-tune.",
    "compare": "Plans side by side, what they answer, and everything that was measured.",
    "export": "Write the pruned model, loaded again and checked, its recipe, and a report for everybody.",
}
RECENT = 3
WORDS = (
    "Group",
    "Level",
    "Plan",
    "Criterion",
    "Map",
    "Forecast",
    "Measured",
    "Perplexity",
    "KL",
    "Verdict",
)


def view() -> None:
    """What this is, the demo in one press, what to go on with, the places, and the words that matter."""
    busy = jobs.panel(first_look.TASKS)
    pitch()
    demo()
    own()
    go_on()
    first_look.section(busy)
    road()
    glossary()
    preload.browser()


def pitch() -> None:
    st.write(
        "Set how much goes from every part, and quality and size follow at once, each with an honest range. "
        "One press measures the truth, another writes the pruned model to disk."
    )


def demo() -> None:
    """One button that ends at the demo model's map, and how far it is."""
    before = [job.id for job in _at_work()]

    @st.fragment(run_every=jobs.RUNNING if before else jobs.IDLE)
    def watch() -> None:
        page_frame.callback_error()
        # The run that the press begins is lost where the card is just redrawn.
        if page_frame.NEXT_VIEW in st.session_state:
            st.rerun()
        _stop_what_cannot_work()
        work = _at_work()
        if [job.id for job in work] != before:
            st.rerun()
        with st.container(border=True, key="demo"):
            left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
            with left:
                _offer(work)
            with right:
                _steps(work)

    watch()
    if not before:
        jobs.ended(CHAIN)


def _at_work() -> list[Job]:
    """Waiting and running jobs that make the demo model ready, whoever asked for them."""
    return [
        job
        for job in requests.waiting_jobs()
        if job.request["model"]["reference"] == "demo" and job.request["task"] in CHAIN
    ]


def _offer(work: list[Job]) -> None:
    """What the demo is, and the page's one button."""
    st.subheader("Try it on the demo model", anchor=False)
    if queries.done_with_defaults("demo")["map"]:
        st.write("SmolLM2, a small chat model with 135 million parameters. Its map is ready.")
        offered = queries.info() is None and queries.demo_map_has_units()
        with page_frame.action_row():
            if offered:
                first_look.of_demo()
            st.button(
                "Open the demo's map",
                type="secondary" if offered or queries.info() else "primary",
                icon=":material/grid_on:",
                key="demo_open",
                on_click=_open,
            )
        return
    fetched = "" if demo_folder().is_dir() else f" {DEMO_FETCH}"
    st.write(
        "SmolLM2, a small chat model with 135 million parameters. Getting it ready takes a minute or two, "
        f"once.{fetched}"
    )
    if work:
        st.button("Stop", icon=":material/stop_circle:", key="demo_stop", on_click=_stop)
    else:
        st.button(
            "Get the demo model ready",
            type="primary",
            icon=":material/play_arrow:",
            key="demo_start",
            on_click=page_frame.on_click,
            args=(_start,),
        )


def _open() -> None:
    session.choose_demo()
    page_frame.go_next("sensitivity")


def _start() -> None:
    """Queue what is missing of the chain, in order."""
    session.choose_demo()
    done = queries.done_with_defaults("demo")
    missing = [task for task in CHAIN if not done[task]]
    arguments = {
        "inspect": {},
        "map": {"criterion": "fisher", "data": "demo"},
        "baseline": {"data": "demo"},
    }
    background.after_loading()
    st.session_state["demo_chain"] = [
        requests.submit(requests.request(task, **arguments[task])) for task in missing
    ]


def _stop() -> None:
    _drop(_at_work())


def _stop_what_cannot_work() -> None:
    """Where a step failed, those behind it would only fail again."""
    chain = [queries.store().job(job_id) for job_id in st.session_state.get("demo_chain", [])]
    if any(job.state in ENDED_BADLY for job in chain):
        _drop([job for job in chain if job.state in WAITING])
        del st.session_state["demo_chain"]


def _drop(dropped: list[Job]) -> None:
    """Cancel jobs that nobody needs to hear of again; the last first, so that none begins meanwhile."""
    for job in reversed(dropped):
        page_frame.on_click(lambda job_id=job.id: runner().cancel(job_id))  # type: ignore[misc]
        st.session_state.pop(f"job_{job.request['task']}", None)


def _steps(work: list[Job]) -> None:
    """The three steps, each with its sign, and the progress of the one that runs."""
    running = next((job for job in work if job.state == "running"), None)
    done = queries.done_with_defaults("demo")
    for task, label in STEPS.items():
        if running and running.request["task"] == task:
            st.markdown(f":material/pending: **{label}**")
        elif done[task]:
            st.markdown(f":green[:material/check_circle:] {label}")
        else:
            st.markdown(f":gray[:material/radio_button_unchecked: {label}]")
    if work:
        jobs.progress(running or work[0], requests.waiting_jobs())


def own() -> None:
    """A model of one's own, which is looked at before anything of it is loaded."""
    st.text_input(
        "Or try a model of your own",
        key="start_own",
        placeholder="hub id, such as HuggingFaceTB/SmolLM2-360M, folder or GGUF file",
        help="Next comes what it needs; nothing is loaded or fetched before you say so.",
        on_change=_take_own,
    )


def _take_own() -> None:
    reference = st.session_state["start_own"].strip()
    if reference:
        session.choose_model(model=reference, trust_remote_code=False, allow_pickle=False)
        page_frame.go_next("model")


def go_on() -> None:
    """Go on with the session's model, or with one that was used before."""
    choice = session.current()
    recent = [
        m for m in models(queries.store()) if (m["reference"], m["dtype"]) != (choice.model, choice.dtype)
    ]
    here = queries.info()
    if not recent and here is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="go_on"):
        st.markdown("Go on with", width="content")
        if here is not None:
            page_frame.link(
                first_view(next_step()), f"{format.short(choice.model)} · {PLACES[next_step()].title}"
            )
        for model in recent[:RECENT]:
            name = format.short(model["reference"])
            if st.button(
                name,
                type="tertiary",
                icon=":material/arrow_forward:",
                icon_position="right",
                key=f"go_on_{model['fingerprint']}_{model['dtype']}",
            ):
                session.choose_model(
                    model=model["reference"],
                    dtype=model["dtype"],
                    trust_remote_code=False,
                    allow_pickle=False,
                )
                st.switch_page(PLACES[next_step()].script)


def road() -> None:
    """The five places: what each is for, which are done, which comes next."""
    st.header("Five places, from left to right", anchor=False)
    done, following = done_steps(), next_step()
    for column, (name, place) in zip(st.columns(len(PLACES)), PLACES.items(), strict=True):
        comes_next = name == following and not done[name]
        key = "road_next" if comes_next else f"road_{name}"
        with column, st.container(border=True, height="stretch", key=key, vertical_alignment="distribute"):
            sign = ":green-badge[:material/check: done]" if done.get(name) else ""
            sign = ":blue-badge[next]" if comes_next else sign
            st.markdown(f"**{place.title}** {sign}\n\n{ABOUT[name]}")
            page_frame.link(first_view(name), f"Open {place.title}")


def glossary() -> None:
    """The words that matter, in two columns."""
    st.header("Ten words that matter", anchor=False)
    entries = [(word, labels.GLOSSARY[word]) for word in WORDS]
    half = (len(entries) + 1) // 2
    for column, part in zip(st.columns(2, gap="large"), (entries[:half], entries[half:]), strict=True):
        with column:
            page_frame.glossary(dict(part))
