"""What recoveries ended with: unpruned, pruned and recovered side by side, ways on, and the table of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pruning.errors import PruningError
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import queries, recoveries, requests, session, written
from pruning.ui.data import results as method_results
from pruning.ui.data.recoveries import Recovered
from pruning.ui.recover import charts as recover_charts
from pruning.ui.shared import charts
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.ui.text import recovery as recover_words
from pruning.wording import counted
from pruning.workspace import runs as stored_runs

CHOSEN, NEWEST = recoveries.CHOSEN, recoveries.NEWEST


def results(model: queries.Info, recovered: Sequence[Recovered], busy: bool) -> None:
    """One finished recovery with its figures, and what can be done with it."""
    if not recovered:
        return
    st.header("What training won back", anchor=False)
    recovery = _choose(recovered)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"{labels.MEASURED} {recover_words.verdict(recovery.value)}")
        _figures(recovery)
    with right:
        _bars(recovery)
    with st.expander("How training went", icon=":material/show_chart:", key="recovery_course"):
        _training_log(recovery)
    left, right = st.columns(2, gap="large")
    with left, page_frame.user_errors():
        _export(model, recovery, busy)
    with right:
        _measure(recovery, busy)


def shown_alone(recovery: Recovered) -> None:
    """A recovery that nothing can be done with here: its figures and its course."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"{recovery.name}: {recover_words.verdict(recovery.value)}")
        _figures(recovery)
    with right:
        _bars(recovery)
    _training_log(recovery)


def _bars(recovery: Recovered) -> None:
    st.plotly_chart(
        recover_charts.three_models(recovery.value),
        key="recovery_bars",
        config=charts.BARE,
        alt="KL of the unpruned, the pruned and the recovered model",
    )


def _choose(recovered: Sequence[Recovered]) -> Recovered:
    """The recovery to show: what was chosen, or the newest whenever there is a new one."""
    names = {recovery.id: recovery for recovery in recovered}
    overtaken = st.session_state.get(NEWEST, recovered[0].id) != recovered[0].id
    if overtaken or st.session_state.get(CHOSEN) not in names:
        st.session_state[CHOSEN] = recovered[0].id
    st.session_state[NEWEST] = recovered[0].id
    return names[
        st.selectbox(
            "Recovery",
            list(names),
            format_func=lambda key: names[key].name,
            key=CHOSEN,
            **session.PERSIST,
        )
    ]


def _figures(recovery: Recovered) -> None:
    value = recovery.value
    rows = [
        {
            "Model": name,
            f"KL, nats per token {labels.MEASURED}": format.kl(figures["kl"]),
            f"Perplexity {labels.MEASURED}": format.perplexity(figures["perplexity"]),
            f"Right next word {labels.MEASURED}": format.percent(figures["accuracy"], 1),
            f"Same next word {labels.MEASURED}": format.percent(figures["agreement"], 1),
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
        f"On {counted(value['tokens'], 'token')} that training never saw. "
        f"{format.percent(value['sparsity'], 1)} of "
        f"the prunable weights are gone. Best weights: step {value['best_step']} of {value['steps']}"
        f"{', when it stopped by itself' if value['stopped_early'] else ''}."
    )


def _training_log(recovery: Recovered) -> None:
    value, steps = recovery.value, recovery.training.steps
    if fit := recover_words.fit(value):
        st.markdown(fit)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f":small[**Loss on the text that is learnt from**] {labels.MEASURED}")
        st.plotly_chart(
            recover_charts.losses(value["losses"], steps),
            key="result_losses",
            config=charts.BARE,
            alt="Loss of each training step",
        )
    with right:
        st.markdown(f":small[**KL on text kept back from training**] {labels.MEASURED}")
        st.plotly_chart(
            recover_charts.evaluations(value["looks"], steps, value["best_step"]),
            key="result_looks",
            config=charts.BARE,
            alt="KL on text kept back, at each look; a star marks the best",
        )


# ---- ways on ----------------------------------------------------------------------------------------


def _export(model: queries.Info, recovery: Recovered, busy: bool) -> None:
    st.markdown("**Write the recovered model to disk**")
    suggested = _free_name(recovery)
    name = st.text_input("Name", suggested, key=f"recovered_name_{suggested}").strip()
    masked = recovery.options.whole and st.toggle(
        "Full-size, with zeros",
        key=f"recovered_masked_{recovery.id}",
        help="Off: a smaller folder, where every layer lost as much. On: as large as before.",
    )
    taken = queries.store().child("exports", name).exists()
    arguments: dict[str, Any] = {"recipe": _recipe(model, recovery, name).to_dict(), "name": name}
    request = requests.request("export", **arguments, **({"masked": True} if masked else {}))
    page_frame.submit_button(
        "Write the model",
        request,
        icon=":material/save:",
        key="recovered_export",
        disabled=busy or taken,
    )
    folder = queries.store().exports() / name
    st.caption(f"{folder} is there already. Choose another name." if taken else f"Goes to {folder}")


def _measure(recovery: Recovered, busy: bool) -> None:
    st.markdown("**Set it beside other methods**")
    request = requests.request("measure", **recovery.arguments())
    page_frame.submit_button(
        "Measure it with questions",
        request,
        icon=":material/straighten:",
        key="recovered_measure",
        disabled=busy,
    )
    st.caption("Then it is a point on Methods, with the questions it answers right.")
    page_frame.link("methods", "All methods on the same axes")


def _free_name(recovery: Recovered) -> str:
    """A name that says what it is, and that is free."""
    model = format.file_stem(session.current().model)
    stem = f"{model}-recovered-{format.whole_percent(recovery.value['sparsity'])}"
    return written.free_name(stem)


def _recipe(model: queries.Info, recovery: Recovered, name: str) -> Recipe:
    groups = method_results.groups_of(model, recovery.options.structure)
    return Recipe.from_plan(
        parse_settings(recovery.value["settings"], groups),
        groups,
        ModelEntry(reference=session.current().model, fingerprint=model.fingerprint),
        DataEntry(name=recovery.key["data"], fingerprint=recovery.key["data_fingerprint"]),
        recovery.value["criterion"],
        recovery.options,
    ).with_details(name=name or None, recovery=recovery.value["recovery"])


def throw_away(recovery: Recovered) -> None:
    """Take a half-done recovery and its files out of the workspace. Raises PruningError while it trains."""
    store = queries.store()
    runs = [run for run in stored_runs.runs(store) if run.kind == "recovery" and run.key == recovery.key]
    if not runs:
        store.put(recoveries.RESULT, recovery.key, recovery.value)
        runs = [run for run in stored_runs.runs(store) if run.kind == "recovery" and run.key == recovery.key]
    if not runs:
        raise PruningError("This recovery is no longer in the workspace.")
    stored_runs.delete(store, runs[0])


# ---- all of them ------------------------------------------------------------------------------------


def table(recovered: Sequence[Recovered]) -> None:
    """Every recovery of the model, newest first, to read and to take away."""
    if not recovered:
        return
    st.header("All recoveries of this model", anchor=False)
    frame = recoveries.frame(recovered)
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
        "kl_pruned_nats_per_token": number("KL pruned", format="%.4f", help=labels.KL),
        "kl_recovered_nats_per_token": number("KL recovered", format="%.4f", help=labels.KL),
        "won_back_percent": number("Won back", format="%.0f %%", help="Share of the KL that pruning cost."),
        "perplexity_recovered": number("Perplexity", format="%.2f", help=labels.PERPLEXITY),
        "accuracy_recovered_percent": number("Right next word", format="%.1f %%", help=labels.ACCURACY),
        "when": st.column_config.DatetimeColumn("When", format="D MMM, HH:mm"),
    }
