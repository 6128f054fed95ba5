"""What can be done with a measured result: see its figures, open it on Explore, write it to disk."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import queries, requests, session, written
from pruning.ui.data import results as method_results
from pruning.ui.data.results import Result
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels


def actions(model: queries.Info, result: Result, busy: bool) -> None:
    """The result's figures, and the two ways on."""
    _figures(model, result)
    left, right = st.columns([1, 2], gap="large")
    with left:
        _explore(result)
    with right, page_frame.user_errors():
        _export(model, result, busy)


def _figures(model: queries.Info, result: Result) -> None:
    figures, dense = result.figures, queries.baseline(model)
    unpruned = (
        f"unpruned {format.perplexity(figures['dense_perplexity'])}" if "dense_perplexity" in figures else ""
    )
    before = f"unpruned {format.size(dense['bytes'])}" if dense else ""
    cells = (
        ("KL", f"{format.kl(figures['kl'])} nats", "per token", labels.KL),
        ("Perplexity", format.perplexity(figures["perplexity"]), unpruned, labels.PERPLEXITY),
        ("Same next word", format.percent(figures["agreement"], 1), "", labels.AGREEMENT),
        ("Model folder", format.size(method_results.file_bytes(result)), before, labels.SIZE),
    )
    for column, (label, value, note, help) in zip(st.columns(len(cells)), cells, strict=True):
        with column:
            page_frame.figure(label, value, "measured", note, help)


def _explore(result: Result) -> None:
    st.markdown("**Try what is near it**")
    if st.button("Open under Prune", icon=":material/tune:", key="method_open", disabled=not result.plain):
        session.change(criterion=result.criterion)
        session.set_settings(result.settings)
        page_frame.go("explore")
    if not result.plain:
        st.caption("A plan by hand has levels alone: no options, and no training.")


def _export(model: queries.Info, result: Result, busy: bool) -> None:
    st.markdown("**Write it to disk**")
    suggested = _free_name(result)
    name = st.text_input("Name", suggested, key=f"method_name_{suggested}").strip()
    masked = _masked(result)
    taken = queries.store().child("exports", name).exists()
    arguments: dict[str, Any] = {"recipe": _recipe(model, result, name).to_dict(), "name": name}
    request = requests.request("export", **arguments, **({"masked": True} if masked else {}))
    page_frame.submit_button(
        "Write the model", request, icon=":material/save:", key="method_export", disabled=busy or taken
    )
    folder = queries.store().exports() / name
    st.caption(f"{folder} is there already. Choose another name." if taken else f"Goes to {folder}")


def _masked(result: Result) -> bool:
    """Whether whole units are written as zeros: the user's choice, where there is one."""
    if not result.whole:
        st.caption("An ordinary file stores zeros as well, and stays as large as before.")
        return False
    why = result.figures.get("not_smaller")
    if why is not None:
        st.caption(f":material/info: Written full-size with zeros. {why}")
        return True
    return bool(
        st.toggle(
            "Full-size, with zeros",
            key=f"method_masked_{result.id}",
            help="Off: a smaller folder that from_pretrained loads. On: as large as before.",
        )
    )


def _free_name(result: Result) -> str:
    """A name that says what it is, and that is free."""
    model = format.file_stem(session.current().model)
    what = result.structure.replace(":", "").replace("_", "-")
    stem = f"{model}-{what}-{format.whole_percent(result.figures['sparsity'])}"
    return written.free_name(stem)


def _recipe(model: queries.Info, result: Result, name: str) -> Recipe:
    choice, groups = session.current(), method_results.groups_of(model, result.structure)
    return Recipe.from_plan(
        parse_settings(list(result.settings), groups),
        groups,
        ModelEntry(reference=choice.model, fingerprint=model.fingerprint),
        DataEntry(name=choice.data, fingerprint=result.figures["data_fingerprint"]),
        result.criterion,
        MaskOptions.of(result.options),
    ).with_details(name=name or None, recovery=result.recovery)
