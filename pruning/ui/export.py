"""The Export page's parts: the recipe, writing the model, the figures of what was written."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from pruning.planning.cost.written import file_bytes
from pruning.planning.exports.targets import CANNOT, MASKABLE
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.forecast.verdict import measured_verdict
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import costs, queries, requests, session, written
from pruning.ui.shared import jobs, verdict
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.exports import lights, nearest, numbers, words
from pruning.ui.shared.plan import CurrentPlan, after_recovery, current_plan
from pruning.ui.text import format, labels, sizes

MASKED = "export_masked"


def view() -> None:
    """The recipe to read and download, and the pruned model written, loaded again and checked."""
    busy = jobs.panel(("export",))
    model = page_frame.require_model()
    if model:
        page(model, busy)


def page(model: queries.Info, busy: bool) -> None:
    plan: Plan = {}
    with page_frame.user_errors():
        plan = session.plan(model.groups)
    if not plan:
        page_frame.empty(
            "Nothing is pruned yet", "Set the sliders under Prune first.", "explore", "Go to Prune"
        )
    else:
        with page_frame.user_errors():
            _write(model, plan, busy)
    _written(model)


def _write(model: queries.Info, plan: Plan, busy: bool) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        suggested = _suggestion(model, plan)
        # The key follows the suggestion: once a model is written, the field holds a name that is free.
        name = st.text_input(
            "Name",
            suggested,
            key=f"export_name_{suggested}",
            help="The folder's name inside the workspace.",
        ).strip()
        taken = queries.store().child("exports", name).exists()
        recipe = _recipe(model, plan, name)
        written_as = _form(model, plan)
        to, can = written_as.to, written_as.can
        if to not in words.IN_WORDS:
            _expectations(model, plan, written_as)
        request = requests.request("export", recipe=recipe.to_dict(), name=name, **written_as.arguments)
        page_frame.submit_button(
            f"Write the {words.FORM[to]}" if to in words.IN_WORDS else "Write the model",
            request if can else None,
            type="primary",
            icon=":material/save:",
            disabled=busy or taken,
            key="export_start",
        )
        folder = queries.store().exports() / name
        st.caption(
            f"{folder} is there already. Choose another name to write again."
            if taken
            else f"Goes to {folder}"
        )
    with right:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown("**The recipe**: everything needed to do the same again")
            st.download_button(
                "Download",
                recipe.dumps(),
                f"{name}.yaml",
                "application/yaml",
                icon=":material/download:",
                on_click="ignore",
                key="recipe_download",
            )
        # Scrolled by the box and not by the code itself, which the keyboard cannot reach.
        with st.container(height=340, border=False):
            st.code(recipe.dumps(), language="yaml", wrap_lines=True)


@dataclass(frozen=True)
class _Form:
    """How the plan is written: `to` as the command has it, `masked` full-size with zeros, in which
    `number_format` (empty: the form's own); `can`: whether it can be; `gguf`: what a GGUF file takes."""

    to: str
    masked: bool = False
    number_format: str = ""
    can: bool = True
    gguf: numbers.FileSize | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What the task is given; what has its default is left out."""
        said: dict[str, Any] = {"to": self.to} | ({"masked": True} if self.masked else {})
        if not self.number_format:
            return said
        return said | {"quantize" if self.to == "gguf" else "export_dtype": self.number_format}


def _form(model: queries.Info, plan: Plan) -> _Form:
    """Choose the form in which the plan is written."""
    shown = {light.target: light for light in lights.of_plan(model, plan)}
    to = st.radio(
        "Write it as",
        list(shown),
        format_func=words.FORM.__getitem__,
        captions=[words.about(light) for light in shown.values()],
        key="export_form",
        **session.PERSIST,
    )
    light = shown[to]
    st.markdown(f"{words.badge(light)} {light.reason}")
    smap = queries.mixed_map(model)
    forecaster = queries.forecaster(smap, queries.measurements(model, smap)) if smap else None
    masked = False
    if light.state == CANNOT:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            nearest.button(light, model, plan, forecaster)
        masked = _full_size(to)
        if not masked:
            return _Form(to, can=False)
    if to == "gguf":
        chosen = numbers.of_gguf(model, plan, masked, forecaster)
        return _Form(to, masked, chosen.numbers, chosen.can, chosen.size)
    return _Form(to, masked, "" if to in words.IN_WORDS else numbers.of_folder())


def _full_size(to: str) -> bool:
    """Whether what cannot be cut out is written as zeros; not offered of forms that hold no weights."""
    return to in MASKABLE and st.toggle(
        "Write it full-size instead, with zeros",
        key=MASKED,
        help="Every form that holds weights can hold zeros. It is no smaller and no faster than before.",
        **session.PERSIST,
    )


def _suggestion(model: queries.Info, plan: Plan) -> str:
    """A name that says what it is, and that is free."""
    stem = format.file_stem(session.current().model)
    name = f"{stem}-pruned-{format.whole_percent(model.sparsity(plan))}"
    return written.free_name(name)


def _recipe(model: queries.Info, plan: Plan, name: str) -> Recipe:
    choice = session.current()
    smap = queries.mixed_map(model)
    return Recipe.from_plan(
        plan,
        model.groups,
        ModelEntry(reference=choice.model, fingerprint=model.fingerprint),
        DataEntry(name=choice.data, fingerprint=smap.data_fingerprint if smap else None),
        choice.criterion,
    ).with_details(name=name)


def _expectations(model: queries.Info, plan: Plan, form: _Form) -> None:
    """The plan's figures before it is written: measured, else forecast; its size in the chosen form."""
    smap = queries.mixed_map(model)
    if smap is None:
        st.caption("Without a map there is no forecast. Writing the model measures the plan.")
        return
    unpriced = {kind for _, kind in plan} - set(smap.kinds)
    if unpriced:
        names = " and ".join(labels.kind(kind) for kind in sorted(unpriced))
        st.caption(f"The map does not price {names}, so there is no forecast. Draw it again on Sensitivity.")
        return
    measurements = queries.measurements(model, smap)
    current = current_plan(plan, model, queries.forecaster(smap, measurements), measurements)
    forecast, measured = current.forecast, current.measured
    forecast_perplexity = format.perplexity(forecast.perplexity)
    if measured:
        perplexity, source = format.perplexity(measured["perplexity"]), "measured"
        note = f"forecast was {forecast_perplexity}"
    else:
        perplexity, source = forecast_perplexity, "forecast"
        note = f"{format.perplexity(forecast.perplexity_low)} – {format.perplexity(forecast.perplexity_high)}"
    verdict.show(current)
    left, right = st.columns(2)
    with left:
        page_frame.figure("Perplexity", perplexity, source, note, labels.PERPLEXITY)
    with right, page_frame.user_errors():
        _size(model, smap, current, form)
    after_recovery(smap, plan)


def _size(model: queries.Info, smap: SensitivityMap, current: CurrentPlan, form: _Form) -> None:
    """What the chosen form takes, and beside it the unpruned model or the other form."""
    if form.to == "gguf":
        if form.gguf:
            dense = numbers.said(numbers.file_size(model, {}, form.number_format, masked=False))
            note = f"unpruned {dense}" if form.gguf.whole else "weights alone; load the model again"
            page_frame.figure("GGUF file", numbers.said(form.gguf), "exact", note, labels.GGUF_SIZE)
        return
    forecast, measured = current.forecast, current.measured
    source = "measured" if measured else "exact"
    # A graph needs no configuration that describes what is left.
    graph = form.to == "onnx"
    ordinary = file_bytes(measured) if measured and not graph else forecast.file_bytes
    if form.masked or (not graph and costs.why_full_size(model, current.plan) is not None):
        ordinary = int(smap.dense["bytes"])
    compact = measured["bytes"] if measured else forecast.bytes
    if form.number_format:
        cost, source = (
            numbers.in_dtype(model, {} if form.masked else current.plan, form.number_format),
            "exact",
        )
        ordinary, compact = cost.file_bytes, cost.compact_bytes
    if form.to == "compact":
        note = f"{sizes.less(compact, ordinary)} less than the model folder"
        page_frame.figure("Compact file", format.size(compact), source, note, labels.COMPACT)
    else:
        unpruned = format.size(smap.dense["bytes"])
        name = "Graph and weights" if graph else "Model folder"
        page_frame.figure(name, format.size(ordinary), source, f"unpruned {unpruned}", labels.SIZE)


def _written(model: queries.Info) -> None:
    """Models that were written from this one, newest first."""
    exports = written.exports(model)
    if not exports:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.header("Written models", anchor=False, width="content")
        page_frame.link("runs", "Compare or delete them")
    for value in exports:
        with st.container(border=True):
            _card(value)


def _card(value: dict[str, Any]) -> None:
    again = "read" if value.get("to") in words.IN_WORDS else "loaded"
    verified = (
        f":green-badge[:material/check: {again} again, equal]"
        if value.get("verified")
        else ":red-badge[not verified]"
    )
    folder = Path(value["out"])
    missing = "" if folder.exists() else " :orange-badge[moved or deleted since]"
    st.markdown(f"**{folder.name}** {verified}{missing}")
    st.markdown(verdict.line(measured_verdict(value)))
    st.markdown(
        f"{labels.MEASURED} perplexity {format.perplexity(value['perplexity'])} · "
        f"KL {format.kl(value['kl'])} nats per token · same next word {format.percent(value['agreement'])} · "
        f"{sizes.exported(value)}"
    )
    st.code(str(folder), language=None)
    if value.get("to") not in words.IN_WORDS and not missing:
        with st.popover(
            "Put it on the hub", icon=":material/cloud_upload:", type="tertiary", key=f"push_{folder}"
        ):
            st.markdown(
                "Nothing is uploaded by itself. With your own login (`hf auth login`), private at first:"
            )
            st.code(
                f"prunescope push {shlex.quote(str(folder))} YOU/{folder.name}",
                language="bash",
                wrap_lines=True,
            )
