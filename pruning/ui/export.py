"""The Export page's parts: the recipe, writing the model, the figures of what was written."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan, sparsity
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words


def page(model: services.Info, busy: bool) -> None:
    plan: Plan = {}
    with shell.told():
        plan = state.plan(model.groups)
    if not plan:
        shell.empty("Nothing is pruned yet", "Set the sliders on Explore first.", "explore", "Go to Explore")
    else:
        with shell.told():
            _write(model, plan, busy)
    _written(model)


def _write(model: services.Info, plan: Plan, busy: bool) -> None:
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
        taken = services.store().child("exports", name).exists()
        recipe = _recipe(model, plan, name)
        _expectations(model, plan)
        wanted = services.request("export", recipe=recipe.to_dict(), name=name)
        st.button(
            "Write the model",
            type="primary",
            icon=":material/save:",
            disabled=busy or taken,
            key="export_start",
            on_click=shell.act,
            args=(lambda: services.submit(wanted),),
        )
        there = services.store().exports() / name
        st.caption(
            f"{there} is there already. Choose another name to write again." if taken else f"Goes to {there}"
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
        shell.command(wanted)


def _suggestion(model: services.Info, plan: Plan) -> str:
    """A name that says what it is, and that is free."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", state.current().model.rstrip("/").split("/")[-1]).strip("-")
    name = f"{stem or 'model'}-pruned-{round(100 * sparsity(plan, model.parameters))}"
    folder = services.store().exports()
    names = (f"{name}-{number}" if number > 1 else name for number in count(1))
    return next(free for free in names if not (folder / free).exists())


def _recipe(model: services.Info, plan: Plan, name: str) -> Recipe:
    choice = state.current()
    smap = services.the_map(model)
    return Recipe.from_plan(
        plan,
        model.groups,
        ModelEntry(reference=choice.model, fingerprint=model.fingerprint),
        DataEntry(name=choice.data, fingerprint=smap.data_fingerprint if smap else None),
        choice.criterion,
    ).with_details(name=name)


def _expectations(model: services.Info, plan: Plan) -> None:
    """What is known of the plan before it is written."""
    smap = services.the_map(model)
    if smap is None:
        st.caption("Without a map there is no forecast. Writing the model measures the plan.")
        return
    known = services.measurements(model, smap)
    truth = services.measured(plan, known, model.groups)
    first, second = st.columns(2)
    if truth:
        with first:
            shell.figure(
                "Perplexity", words.perplexity(truth["perplexity"]), "measured", "", words.PERPLEXITY
            )
        with second:
            shell.figure("Size, stored sparsely", words.size(truth["bytes"]), "measured", "", words.SIZE)
    else:
        seen = Forecaster(smap, services.calibration(smap, known)).forecast(plan)
        band = f"{words.perplexity(seen.perplexity_low)} – {words.perplexity(seen.perplexity_high)}"
        with first:
            shell.figure("Perplexity", words.perplexity(seen.perplexity), "forecast", band, words.PERPLEXITY)
        with second:
            gone = f"{words.percent(seen.sparsity)} of prunable weights gone"
            shell.figure("Size, stored sparsely", words.size(seen.bytes), "forecast", gone, words.SIZE)


def _written(model: services.Info) -> None:
    """Models that were written from this one, newest first."""
    found = services.exports(model)
    if not found:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.header("Written models", anchor=False, width="content")
        shell.link("runs", "Compare or delete them")
    for value in found:
        with st.container(border=True):
            _one(value)


def _one(value: dict[str, Any]) -> None:
    verified = (
        ":green-badge[:material/check: loaded again, equal]"
        if value.get("verified")
        else ":red-badge[not verified]"
    )
    folder = Path(value["out"])
    gone = "" if folder.exists() else " :orange-badge[moved or deleted since]"
    st.markdown(f"**{folder.name}** {verified}{gone}")
    st.markdown(
        f":green-badge[measured] perplexity {words.perplexity(value['perplexity'])} · "
        f"KL {words.kl(value['kl'])} nats per token · same next word {words.percent(value['agreement'])} · "
        f"{words.size(value['bytes'])} on disk · {words.size(value['sparse_bytes'])} stored sparsely"
    )
    st.code(str(folder), language=None)
