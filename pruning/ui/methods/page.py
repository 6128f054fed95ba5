"""The Methods page: the form, all measured methods as a chart and a table, and what follows from one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pruning.ui.data import gallery, queries, session
from pruning.ui.data import results as method_results
from pruning.ui.data.results import CHOSEN, NEWEST, Result
from pruning.ui.methods import actions, chart, early_exit, form, quantize
from pruning.ui.shared import charts, jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import elsewhere
from pruning.ui.text import format, labels
from pruning.ui.text import methods as method_words

BYTES = ("bytes_stored_sparsely_or_cut", "bytes_ordinary_file")
TASKS = ("measure", "best", "export", "quantize", "early_exit")


def view() -> None:
    """Every way of pruning to try, measured on the same axes, and what can be done with a result."""
    busy = jobs.panel(TASKS)
    model = page_frame.require_model()
    if model:
        page(model, busy)
    if model is None or not method_results.results(model):
        elsewhere.card("Some plans, measured", lambda: _drawn(gallery.plans()))


def _drawn(plans: Sequence[Result]) -> None:
    _chart(plans, None)
    _rows(plans)


def page(model: queries.Info, busy: bool) -> None:
    """Choose and measure; then everything that was measured, and what can be done with one of it."""
    form.form(model, busy)
    results = method_results.results(model)
    st.header("All methods on the same axes", anchor=False)
    if not results:
        st.caption("Nothing is measured yet. Press the button above, and the first point appears here.")
    else:
        trained = (
            " Hollow points were trained after pruning." if any(result.recovery for result in results) else ""
        )
        st.markdown(f"{labels.MEASURED} :small[{method_words.SAME_SHARE}{trained}]")
    chosen = _chosen(results)
    if results:
        _chart(results, chosen)
        _table(model, results)
    st.header("Go on with one of them" if results else "More to find out", anchor=False)
    if results:
        chosen = _choose(results)
        actions.actions(model, chosen, busy)
    # Known to Python, or a job that ends would show the first one again.
    first, second = st.tabs(["Quantize", "Early exit"], key="methods_then", on_change="rerun")
    with first:
        quantize.section(model, chosen, busy)
    with second:
        early_exit.section(model, chosen, busy)


def _chosen(results: Sequence[Result]) -> Result | None:
    """The result to go on with: what was chosen, or the newest whenever there is a new one."""
    if not results:
        return None
    ids = [result.id for result in results]
    if st.session_state.get(NEWEST) != ids[0] or st.session_state.get(CHOSEN) not in ids:
        if NEWEST in st.session_state or st.session_state.get(CHOSEN) not in ids:
            st.session_state[CHOSEN] = ids[0]
        st.session_state[NEWEST] = ids[0]
    return results[ids.index(st.session_state[CHOSEN])]


def _choose(results: Sequence[Result]) -> Result:
    names = {result.id: result for result in results}
    chosen = st.selectbox(
        "Result",
        list(names),
        format_func=lambda key: _title(names[key]),
        key=CHOSEN,
        help="Also by a click on a point of the chart.",
        **session.PERSIST,
    )
    return names[chosen]


def _title(result: Result) -> str:
    figures = result.figures
    return f"{result.name} · {format.percent(figures['sparsity'], 1)} removed · KL {format.kl(figures['kl'])}"


def _chart(results: Sequence[Result], chosen: Result | None) -> None:
    st.plotly_chart(
        chart.figure(results, chosen.id if chosen else None),
        key="methods_chart",
        on_select=_take_point,
        selection_mode="points",
        config=charts.BARE,
        alt="Measured KL against the share of weights removed, a point for every measured method",
    )


def _take_point() -> None:
    points = st.session_state["methods_chart"]["selection"]["points"]
    ids = [point["customdata"][0] for point in points if point.get("customdata")]
    if ids:
        st.session_state[CHOSEN] = ids[0]


def _table(model: queries.Info, results: Sequence[Result]) -> None:
    frame, dense = method_results.frame(results), queries.baseline(model)
    unpruned = (
        f" Unpruned: perplexity {format.perplexity(dense['perplexity'])}, {format.size(dense['bytes'])}."
        if dense
        else ""
    )
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    left.caption(
        "Every figure is measured. The model folder is what an export writes: smaller where units are cut "
        f"out. A compact file leaves zeros out as well.{unpruned}"
    )
    right.download_button(
        "Download as CSV",
        lambda: frame.to_csv(index=False, float_format="%.6g"),
        file_name=f"methods-{_file_part()}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        key="methods_csv",
    )
    _rows(results)


def _rows(results: Sequence[Result]) -> None:
    frame = method_results.frame(results)
    st.dataframe(
        frame.assign(**{name: frame[name] / 1e6 for name in BYTES}),
        hide_index=True,
        column_order=list(_columns()),
        column_config=_columns(),
        key="methods_table",
    )


def _columns() -> dict[str, Any]:
    number, kl = st.column_config.NumberColumn, f"{labels.KL} In nats per token."
    return {
        "method": st.column_config.TextColumn("Method", width="large"),
        "removed_percent": number("Removed", format="%.1f %%", help=labels.SPARSITY),
        "measured_kl_nats_per_token": number("KL", format="%.4f", help=kl),
        "measured_perplexity": number("Perplexity", format="%.2f", help=labels.PERPLEXITY),
        "same_next_word_percent": number("Same next word", format="%.1f %%", help=labels.AGREEMENT),
        "bytes_ordinary_file": number("Model folder", format="%.0f MB", help=labels.SIZE),
        "bytes_stored_sparsely_or_cut": number("With zeros left out", format="%.0f MB", help=labels.COMPACT),
    }


def _file_part() -> str:
    return format.file_stem(session.current().model)
