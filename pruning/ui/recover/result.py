"""What recoveries ended with: unpruned, pruned and recovered side by side, ways on, and the table of all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from typing import Any

import pandas as pd
import streamlit as st

from pruning.errors import PruningError
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import queries as services
from pruning.ui.data import recoveries
from pruning.ui.data import results as method_results
from pruning.ui.data import session as state
from pruning.ui.data.recoveries import Recovered
from pruning.ui.recover import charts as recover_chart
from pruning.ui.shared import charts
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words
from pruning.ui.text import recovery as recover_words
from pruning.workspace import runs as library

CHOSEN, NEWEST = recoveries.CHOSEN, "recovery_newest"
MEASURED = ":green-badge[measured]"


def results(model: services.Info, found: Sequence[Recovered], busy: bool) -> None:
    """One finished recovery with its figures, and what can be done with it."""
    if not found:
        return
    st.header("What training won back", anchor=False)
    one = _choose(found)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"{MEASURED} {recover_words.verdict(one.value)}")
        _figures(one)
    with right:
        st.plotly_chart(
            recover_chart.won_back(one.value),
            key="recovery_bars",
            config=charts.BARE,
            alt="KL of the unpruned, the pruned and the recovered model",
        )
    with st.expander("How training went", icon=":material/show_chart:", key="recovery_course"):
        _course(one)
    left, right = st.columns(2, gap="large")
    with left, shell.told():
        _export(model, one, busy)
    with right:
        _measure(one, busy)


def _choose(found: Sequence[Recovered]) -> Recovered:
    """The recovery to show: what was chosen, or the newest whenever there is a new one."""
    names = {one.id: one for one in found}
    overtaken = st.session_state.get(NEWEST, found[0].id) != found[0].id
    if overtaken or st.session_state.get(CHOSEN) not in names:
        st.session_state[CHOSEN] = found[0].id
    st.session_state[NEWEST] = found[0].id
    return names[
        st.selectbox(
            "Recovery",
            list(names),
            format_func=lambda key: names[key].name,
            key=CHOSEN,
            persist_state="session",
        )
    ]


def _figures(one: Recovered) -> None:
    value = one.value
    rows = [
        {
            "Model": name,
            f"KL, nats per token {MEASURED}": words.kl(figures["kl"]),
            f"Perplexity {MEASURED}": words.perplexity(figures["perplexity"]),
            f"Right next word {MEASURED}": words.percent(figures["accuracy"], 1),
            f"Same next word {MEASURED}": words.percent(figures["agreement"], 1),
        }
        for name, figures in (
            ("Unpruned", value["dense"]),
            ("Pruned", value["pruned"]),
            ("Recovered", value["recovered"]),
        )
        if figures is not None
    ]
    st.table(pd.DataFrame(rows).set_index("Model"), border="horizontal", alt="Quality before and after")
    st.caption(
        f"On {value['tokens']:,} tokens that training never saw. {words.percent(value['sparsity'], 1)} of "
        f"the prunable weights are gone. Best weights: step {value['best_step']} of {value['steps']}"
        f"{', when it stopped by itself' if value['stopped_early'] else ''}."
    )


def _course(one: Recovered) -> None:
    value, steps = one.value, one.training.steps
    if fit := recover_words.fit(value):
        st.markdown(fit)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f":small[**Loss on the text that is learnt from**] {MEASURED}")
        st.plotly_chart(
            recover_chart.losses(value["losses"], steps),
            key="result_losses",
            config=charts.BARE,
            alt="Loss of each training step",
        )
    with right:
        st.markdown(f":small[**KL on text kept back from training**] {MEASURED}")
        st.plotly_chart(
            recover_chart.looks(value["looks"], steps, value["best_step"]),
            key="result_looks",
            config=charts.BARE,
            alt="KL on text kept back, at each look; a star marks the best",
        )


# ---- ways on ----------------------------------------------------------------------------------------


def _export(model: services.Info, one: Recovered, busy: bool) -> None:
    st.markdown("**Write the recovered model to disk**")
    suggested = _free_name(one)
    name = st.text_input("Name", suggested, key=f"recovered_name_{suggested}").strip()
    masked = one.options.whole and st.toggle(
        "Full-size, with zeros",
        key=f"recovered_masked_{one.id}",
        help="Off: a smaller folder, where every layer lost as much. On: as large as before.",
    )
    taken = services.store().child("exports", name).exists()
    arguments: dict[str, Any] = {"recipe": _recipe(model, one, name).to_dict(), "name": name}
    wanted = services.request("export", **arguments, **({"masked": True} if masked else {}))
    st.button(
        "Write the model",
        icon=":material/save:",
        key="recovered_export",
        disabled=busy or taken,
        on_click=shell.act,
        args=(lambda: services.submit(wanted),),
    )
    there = services.store().exports() / name
    st.caption(f"{there} is there already. Choose another name." if taken else f"Goes to {there}")
    shell.command(wanted)


def _measure(one: Recovered, busy: bool) -> None:
    st.markdown("**Set it beside other methods**")
    wanted = services.request("measure", **one.arguments())
    st.button(
        "Measure it with questions",
        icon=":material/straighten:",
        key="recovered_measure",
        disabled=busy,
        on_click=shell.act,
        args=(lambda: services.submit(wanted),),
    )
    st.caption("Then it is a point on Methods, with the questions it answers right.")
    shell.link("methods", "All methods on the same axes")


def _free_name(one: Recovered) -> str:
    """A name that says what it is, and that is free."""
    model = re.sub(r"[^A-Za-z0-9_-]+", "-", state.current().model.rstrip("/").split("/")[-1]).strip("-")
    stem = f"{model or 'model'}-recovered-{round(100 * one.value['sparsity'])}"
    folder = services.store().exports()
    names = (f"{stem}-{number}" if number > 1 else stem for number in count(1))
    return next(free for free in names if not (folder / free).exists())


def _recipe(model: services.Info, one: Recovered, name: str) -> Recipe:
    groups = method_results.groups_of(model, one.options.structure)
    return Recipe.from_plan(
        parse_settings(one.value["settings"], groups),
        groups,
        ModelEntry(reference=state.current().model, fingerprint=model.fingerprint),
        DataEntry(name=one.key["data"], fingerprint=one.key["data_fingerprint"]),
        one.value["criterion"],
        one.options,
    ).with_details(name=name or None, recovery=one.value["recovery"])


def throw_away(one: Recovered) -> None:
    """Take a half-done recovery and its files out of the workspace. Raises PruningError while it trains."""
    store = services.store()
    runs = [run for run in library.runs(store) if run.kind == "recovery" and run.key == one.key]
    if not runs:
        store.put(recoveries.RESULT, one.key, one.value)
        runs = [run for run in library.runs(store) if run.kind == "recovery" and run.key == one.key]
    if not runs:
        raise PruningError("This recovery is no longer in the workspace.")
    library.delete(store, runs[0])


# ---- all of them ------------------------------------------------------------------------------------


def table(found: Sequence[Recovered]) -> None:
    """Every recovery of the model, newest first, to read and to take away."""
    if not found:
        return
    st.header("All recoveries of this model", anchor=False)
    frame = recoveries.frame(found)
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    left.caption("Newest first. Every figure is measured, on text that training never saw.")
    right.download_button(
        "Download as CSV",
        lambda: frame.to_csv(index=False, float_format="%.6g"),
        file_name="recoveries.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        key="recoveries_csv",
    )
    st.dataframe(
        frame, hide_index=True, column_order=list(_columns()), column_config=_columns(), key="recoveries"
    )


def _columns() -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "what": text("Recovery", width="large"),
        "state": text("State"),
        "kl_pruned_nats_per_token": number("KL pruned", format="%.4f", help=words.KL),
        "kl_recovered_nats_per_token": number("KL recovered", format="%.4f", help=words.KL),
        "won_back_percent": number("Won back", format="%.0f %%", help="Share of the KL that pruning cost."),
        "perplexity_recovered": number("Perplexity", format="%.2f", help=words.PERPLEXITY),
        "accuracy_recovered_percent": number("Right next word", format="%.1f %%", help=words.ACCURACY),
        "when": st.column_config.DatetimeColumn("When", format="D MMM, HH:mm"),
    }
