"""The Recover page's tab on progressive pruning: level after level until quality leaves a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pruning.errors import PruningError
from pruning.planning.recipe.plan import check_level, parse_levels
from pruning.planning.recipe.training import Training
from pruning.ui.data import queries, recoveries, requests, session
from pruning.ui.recover import charts as recover_charts
from pruning.ui.shared import charts, jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.ui.text import recovery as recover_words
from pruning.workspace.keys import canonical


def section(model: queries.Info, busy: bool) -> None:
    """Choose levels and a budget; the table and the chart fill as levels are done."""
    st.markdown(
        "How far can this model go? All groups are pruned to one level after another, each from the unpruned "
        "model, and measured, until quality leaves a budget."
    )
    request: dict[str, Any] | None = None
    with st.container(border=True, key="ladder_form"):
        with page_frame.user_errors():
            request = _request(model)
        page_frame.submit_button(
            "Climb the ladder",
            request,
            type="primary",
            icon=":material/stairs:",
            key="ladder_start",
            disabled=busy,
        )

    @st.fragment(run_every=jobs.PARTIAL if busy else None)
    def draw() -> None:
        row = _matching(model, request)
        if row is not None:
            _result(row)

    draw()


def _request(model: queries.Info) -> dict[str, Any]:
    """The request that the controls make. Raises PruningError for what cannot be."""
    columns = st.columns(4, vertical_alignment="bottom")
    usual = list(labels.CRITERION)
    criterion = columns[0].selectbox(
        "Criterion",
        usual,
        index=usual.index(session.current().criterion) if session.current().criterion in usual else 0,
        format_func=labels.CRITERION_NAME.__getitem__,
        key="ladder_criterion",
        **session.PERSIST,
    )
    metric = columns[1].selectbox("Budget for", ["KL", "Perplexity"], key="ladder_metric", **session.PERSIST)
    most = _most(model, metric, columns[2])
    text = columns[3].text_input(
        "Levels",
        "0.1:0.9:0.1",
        key="ladder_levels",
        help="First:last:step, or a list like 0.3,0.5.",
        **session.PERSIST,
    )
    levels = [check_level(level, "Levels") for level in parse_levels(text)]
    if not any(levels):
        raise PruningError("A ladder needs levels above 0, such as 0.1:0.9:0.1.")
    budget = {"max_kl" if metric == "KL" else "max_perplexity": most}
    return requests.request(
        "progressive",
        levels=levels,
        criterion=criterion,
        data=session.current().data,
        **budget,
        **_recovery(model),
    )


def _most(model: queries.Info, metric: str, place: Any) -> float:
    if metric == "KL":
        label, value, step, help = "At most (nats per token)", 0.3, 0.05, labels.KL
    else:
        dense = queries.baseline(model)
        value = round(1.2 * dense["perplexity"], 1) if dense else 30.0
        label, step, help = "At most", 1.0, labels.PERPLEXITY
    most = place.number_input(
        label, 0.001, 1e6, value, step, key=f"ladder_most_{metric}", help=help, **session.PERSIST
    )
    return float(most)


def _recovery(model: queries.Info) -> dict[str, Any]:
    """How a level over the budget is trained, where that is asked for."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if not st.toggle(
            "Train a level that goes over",
            key="ladder_recover",
            help="It counts as it is after training, so the ladder goes further; it takes much longer.",
            **session.PERSIST,
        ):
            return {}
        steps = st.number_input(
            "Steps", 1, 100_000, 100, 10, key="ladder_steps", width=160, **session.PERSIST
        )
    training = Training.of({"steps": steps, "warmup": min(10, max(1, steps // 4)) if steps > 1 else 0})
    pace = recoveries.seconds_a_step(recoveries.recoveries(model), training)
    st.markdown(f":small[**Training one level.** {recover_words.estimate(steps, pace)}]")
    return {"recovery": training.changed()}


# ---- results ----------------------------------------------------------------------------------------


def _matching(model: queries.Info, request: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The row of the progressive pruning that the controls ask for; where there is none, the newest."""
    rows = queries.rows(model, "ladder")
    if request is not None:
        asked = request["arguments"]
        fields = {
            "levels": asked["levels"],
            "criterion": asked["criterion"],
            "kl": asked.get("max_kl"),
            "perplexity": asked.get("max_perplexity"),
            "recovery": asked.get("recovery"),
        }
        text = canonical(fields)
        same = (row for row in rows if canonical({name: row["key"][name] for name in fields}) == text)
        return next(same, rows[0] if rows else None)
    return rows[0] if rows else None


def _result(row: dict[str, Any]) -> None:
    """How far the levels went, as a chart and a table."""
    value, key = row["value"], row["key"]
    st.subheader(
        f"{labels.CRITERION_NAME.get(key['criterion'], key['criterion'])}, level by level", anchor=False
    )
    st.markdown(f"{labels.MEASURED} {recover_words.ladder_end(value)}")
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            recover_charts.progressive(value["rows"], value["budget"]),
            key="ladder_chart",
            config=charts.BARE,
            alt="Measured quality at each level of the ladder, with the budget as a line",
        )
        st.caption("A diamond was trained. Orange is over the budget.")
    with right:
        st.table(frame(value["rows"]), border="horizontal", alt="Quality at each level of the ladder")


def frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The measured levels of a progressive pruning as a table to read, a row each.

    Parameters
    ----------
    rows
        {level and agreement: shares 0..1, kl: nats per token, perplexity, recovered: whether it was trained,
        won_back: the share of the KL that training recovered}.
    """
    return pd.DataFrame(
        [
            {
                "Gone": format.percent(row["level"]),
                f"KL {labels.MEASURED}": format.kl(row["kl"]),
                f"Perplexity {labels.MEASURED}": format.perplexity(row["perplexity"]),
                f"Same next word {labels.MEASURED}": format.percent(row["agreement"], 1),
                "Trained": f"yes, {format.percent(row['won_back'])} won back" if row["recovered"] else "no",
            }
            for row in rows
        ]
    ).set_index("Gone")
