"""What can be done with a measured result: see its figures, open it on Explore, write it to disk."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import streamlit as st

from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import queries as services
from pruning.ui.data import results as method_results
from pruning.ui.data import session as state
from pruning.ui.data.results import Result
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words


def actions(model: services.Info, one: Result, busy: bool) -> None:
    """The result's figures, and the two ways on."""
    _figures(model, one)
    left, right = st.columns([1, 2], gap="large")
    with left:
        _explore(one)
    with right, shell.told():
        _export(model, one, busy)


def _figures(model: services.Info, one: Result) -> None:
    figures, dense = one.figures, services.baseline(model)
    unpruned = (
        f"unpruned {words.perplexity(figures['dense_perplexity'])}" if "dense_perplexity" in figures else ""
    )
    before = f"unpruned {words.size(dense['bytes'])}" if dense else ""
    cells = (
        ("KL", f"{words.kl(figures['kl'])} nats", "per token", words.KL),
        ("Perplexity", words.perplexity(figures["perplexity"]), unpruned, words.PERPLEXITY),
        ("Same next word", words.percent(figures["agreement"], 1), "", words.AGREEMENT),
        ("Ordinary file", words.size(method_results.file_bytes(one)), before, "What an export writes."),
    )
    for column, (label, value, note, help) in zip(st.columns(len(cells)), cells, strict=True):
        with column:
            shell.figure(label, value, "measured", note, help)


def _explore(one: Result) -> None:
    st.markdown("**Try what is near it**")
    if st.button("Open in Explore", icon=":material/tune:", key="method_open", disabled=not one.plain):
        state.change(settings=one.settings, criterion=one.criterion)
        st.switch_page(shell.PAGES["explore"].script)
    if not one.plain:
        st.caption("Explore knows levels of single weights, without options and without training.")


def _export(model: services.Info, one: Result, busy: bool) -> None:
    st.markdown("**Write it to disk**")
    suggested = _free_name(one)
    name = st.text_input("Name", suggested, key=f"method_name_{suggested}").strip()
    masked = _masked(one)
    taken = services.store().child("exports", name).exists()
    arguments: dict[str, Any] = {"recipe": _recipe(model, one, name).to_dict(), "name": name}
    wanted = services.request("export", **arguments, **({"masked": True} if masked else {}))
    shell.ask("Write the model", wanted, icon=":material/save:", key="method_export", disabled=busy or taken)
    there = services.store().exports() / name
    st.caption(f"{there} is there already. Choose another name." if taken else f"Goes to {there}")
    shell.command(wanted)


def _masked(one: Result) -> bool:
    """Whether whole units are written as zeros: the user's choice, where there is one."""
    if not one.whole:
        st.caption("An ordinary file stores zeros as well, and stays as large as before.")
        return False
    why = one.figures.get("not_smaller")
    if why is not None:
        st.caption(f":material/info: Written full-size with zeros. {why}")
        return True
    return bool(
        st.toggle(
            "Full-size, with zeros",
            key=f"method_masked_{one.id}",
            help="Off: a smaller folder that from_pretrained loads. On: as large as before.",
        )
    )


def _free_name(one: Result) -> str:
    """A name that says what it is, and that is free."""
    model = re.sub(r"[^A-Za-z0-9_-]+", "-", state.current().model.rstrip("/").split("/")[-1]).strip("-")
    what = one.structure.replace(":", "").replace("_", "-")
    stem = f"{model or 'model'}-{what}-{round(100 * one.figures['sparsity'])}"
    folder = services.store().exports()
    names = (f"{stem}-{number}" if number > 1 else stem for number in count(1))
    return next(free for free in names if not (folder / free).exists())


def _recipe(model: services.Info, one: Result, name: str) -> Recipe:
    choice, groups = state.current(), method_results.groups_of(model, one.structure)
    return Recipe.from_plan(
        parse_settings(list(one.settings), groups),
        groups,
        ModelEntry(reference=choice.model, fingerprint=model.fingerprint),
        DataEntry(name=choice.data, fingerprint=one.figures["data_fingerprint"]),
        one.criterion,
        MaskOptions.of(one.options),
    ).with_details(name=name or None, recovery=one.recovery)
