"""The Model page's parts: choosing, the check before loading, what it is made of, the baseline."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.model_files.preview import Preview
from pruning.planning.recipe.plan import KINDS
from pruning.ui.data import background, queries, requests, session
from pruning.ui.model import difference, estimate, text_preview
from pruning.ui.shared import charts, jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.wording import counted

DTYPES = {
    "float32": "float32 (exact)",
    "bfloat16": "bfloat16 (half the memory)",
    "float16": "float16 (for GPUs)",
}
DEVICES = {"auto": "Best available", "cpu": "CPU", "cuda": "CUDA GPU", "mps": "Apple GPU"}


def view() -> None:
    """Choosing and loading, the baseline, the text, and what the model is made of."""
    model = queries.info()
    busy = jobs.panel(("inspect", "text", "baseline", "latency", difference.TASK))
    chooser(model, busy)
    if model:
        baseline(model, busy)
        text_preview.text(model, busy)
        made_of(model)
        difference.section(busy)


def chooser(model: queries.Info | None, busy: bool) -> None:
    """Choosing a model: open and with all its parts before one is loaded, folded away after."""
    if model is None:
        with st.container(border=True):
            _choose(busy)
    else:
        folded = st.expander(
            "Choose another model", icon=":material/swap_horiz:", key="chooser", on_change="rerun"
        )
        if folded.open:  # what it needs may have to be asked of the hub
            with folded:
                _choose(busy)


def _choose(busy: bool) -> None:
    choice = session.current()
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Start with the demo", anchor=False)
        st.write("SmolLM2, a small chat model with 135 million parameters. It runs on any laptop.")
        st.button(
            "Load the demo model",
            type="secondary" if choice.model else "primary",
            icon=":material/play_arrow:",
            disabled=busy,
            on_click=_load_demo,
        )
        st.subheader("Or bring your own", anchor=False)
        st.text_input(
            "Hub id, folder or GGUF file",
            value="" if choice.model == "demo" else choice.model,
            key="reference",
            placeholder="HuggingFaceTB/SmolLM2-360M or /path/to/model",
            help="A model of the hub, a folder with config.json and safetensors files, or a .gguf file.",
            on_change=_take_reference,
        )
        _options(choice)
    with right:
        _check(choice, busy)
    estimate.section(choice)


def _load_demo() -> None:
    session.choose_model(model="demo", trust_remote_code=False, allow_pickle=False)
    page_frame.on_click(lambda: requests.submit(requests.request("inspect")))
    background.after_loading()


def _take_reference() -> None:
    session.choose_model(model=st.session_state["reference"].strip())


def _take_options() -> None:
    session.choose_model(
        dtype=st.session_state["dtype"],
        device=st.session_state["device"],
        data=st.session_state["data"].strip() or "demo",
        trust_remote_code=st.session_state["trust"],
        allow_pickle=st.session_state["pickle"],
    )


def _options(choice: session.Choice) -> None:
    with st.expander("Options", icon=":material/settings:"):
        left, right = st.columns(2)
        left.selectbox(
            "Number format",
            list(DTYPES),
            index=list(DTYPES).index(choice.dtype) if choice.dtype in DTYPES else 0,
            format_func=DTYPES.__getitem__,
            key="dtype",
            on_change=_take_options,
        )
        right.selectbox(
            "Device",
            list(DEVICES),
            index=list(DEVICES).index(choice.device) if choice.device in DEVICES else 0,
            format_func=DEVICES.__getitem__,
            key="device",
            on_change=_take_options,
        )
        st.text_input(
            "Text to measure on",
            value=choice.data,
            key="data",
            on_change=_take_options,
            help="demo (shipped with Prunescope), wikitext, a hub data set, or the path of a file or folder: "
            "text, JSONL, JSON, CSV or parquet, packed or not. Columns by hand: table.csv#title+body. "
            "Several with their shares: wiki.txt:0.5,chat.jsonl:0.5.",
        )
        _trust(choice)


def _trust(choice: session.Choice) -> None:
    """What may run while a model is loaded, each with its warning."""
    st.toggle(
        "Run code that comes with the model",
        choice.trust_remote_code,
        key="trust",
        on_change=_take_options,
    )
    if choice.trust_remote_code:
        st.warning(
            "The model's own Python code will run on this machine with your rights. "
            "Only do this for authors you trust.",
            icon=":material/warning:",
        )
    st.toggle("Allow pickle files", choice.allow_pickle, key="pickle", on_change=_take_options)
    if choice.allow_pickle:
        st.warning(
            "A pickle file can run any program while it is read. Safetensors and GGUF files cannot.",
            icon=":material/warning:",
        )


def _check(choice: session.Choice, busy: bool) -> None:
    """What the chosen model needs, before anything is loaded."""
    st.subheader("Before loading", anchor=False)
    with page_frame.user_errors():
        with st.spinner("Looking at the model …"):
            preview = queries.cached_preview(choice.model or "demo", choice.dtype)
        _facts(choice, preview)
        if not choice.model:
            return
        page_frame.submit_button(
            f"Load {choice.model}" if len(choice.model) < 40 else "Load this model",
            requests.request("inspect"),
            type="primary",
            icon=":material/download:",
            disabled=busy,
            on_click=background.after_loading,
        )
        st.caption("Its baseline and its speed here are measured by themselves after that.")


def _facts(choice: session.Choice, preview: Preview) -> None:
    rows: dict[str, str] = {"Model": preview.reference, "Architecture": preview.architecture}
    if preview.parameters:
        rows["Parameters"] = format.count(preview.parameters)
    if preview.bytes_on_disk:
        rows["On disk" if preview.local else "Download"] = format.size(preview.bytes_on_disk)
    rows["Memory free"] = format.size(preview.memory_available)
    st.table(rows, border="horizontal", hide_header=True)
    estimate.verdict(choice, preview.fits)
    if preview.warning:
        st.warning(preview.warning, icon=":material/warning:")


def made_of(model: queries.Info) -> None:
    """A picture of where the parameters are."""
    st.header("What it is made of", anchor=False)
    prunable = sum(model.parameters.values())
    whole = int(model.facts["parameters"])
    st.caption(
        f"{model.facts['architecture']}: {counted(model.layers, 'layer')} with "
        f"{counted(len(model.kinds), 'group')} each. "
        f"{format.percent(prunable / whole)} of its {format.count(whole)} parameters are in groups "
        "that can be pruned."
    )
    before = model.facts.get("pruned_before")
    if before:
        st.info(
            f"**It has been pruned before.** {' '.join(map(format.plain, before))} Its zeros stay zero, "
            "whatever is pruned or trained here.",
            icon=":material/content_cut:",
        )
    by_kind = {kind: sum(n for (_, k), n in model.parameters.items() if k == kind) for kind in KINDS}
    left, right = st.columns([3, 2], gap="large")
    left.plotly_chart(
        charts.composition([(layer, kind, n) for (layer, kind), n in model.parameters.items()]),
        key="composition",
        config=charts.BARE,
        alt="Parameters of each layer, stacked by group",
    )
    right.plotly_chart(
        charts.totals(by_kind, whole - prunable),
        key="totals",
        config=charts.BARE,
        alt="Parameters of each kind of group in the whole model",
    )


def baseline(model: queries.Info, busy: bool) -> None:
    """How good the unpruned model is: measured figures, or the button that measures them."""
    st.header("How good it is now", anchor=False)
    figures = queries.baseline(model)
    request = requests.request("baseline", data=session.current().data)
    if figures is None:
        st.write(
            "Measure the unpruned model once, on real text and on questions with known answers. "
            "Everything later is compared with it."
        )
        _measure_button(request, busy, "Measure the baseline", "primary")
        return
    _figures(figures)
    if figures.get("probes"):
        st.subheader("Questions answered right, by capability", anchor=False)
        st.plotly_chart(
            charts.abilities([("Unpruned", figures["probes"])]),
            key="abilities",
            config=charts.BARE,
            alt="Share of questions answered right for each capability",
        )
    _measure_button(request, busy, "Measure again", "secondary")


def _measure_button(request: dict[str, Any], busy: bool, label: str, kind: str) -> None:
    page_frame.submit_button(label, request, type=kind, icon=":material/straighten:", disabled=busy)


def _figures(figures: dict[str, Any]) -> None:
    cells = [
        ("Perplexity", format.perplexity(figures["perplexity"]), "lower is better", labels.PERPLEXITY),
        ("Right next word", format.percent(figures["accuracy"]), "first guess", labels.ACCURACY),
        (
            "Weights",
            format.size(figures["bytes"]),
            "as loaded",
            "Bytes of all weights in the loaded number format.",
        ),
    ]
    # The figures may be of another device, and then its times are left out.
    if "prefill_ms" in figures:
        cells += [
            ("Reading a prompt", format.milliseconds(figures["prefill_ms"]), "this machine", labels.PREFILL),
            ("Each further word", format.milliseconds(figures["decode_ms"]), "this machine", labels.DECODE),
        ]
    if figures.get("probe_accuracy") is not None:
        share = format.percent(figures["probe_accuracy"])
        cells.append(
            (
                "Questions right",
                share,
                "overall",
                labels.QUESTIONS,
            )
        )
    for column, (label, value, note, help) in zip(st.columns(len(cells)), cells, strict=True):
        with column:
            page_frame.figure(label, value, "measured", note, help)
