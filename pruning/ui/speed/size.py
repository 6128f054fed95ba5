"""What a choice takes on disk, in every form, worked out; embeddings are named, since they do not shrink."""

from __future__ import annotations

import streamlit as st

from pruning.planning.cost.model_size import CONTEXT_TOKENS, Size, running_bytes, sizes, smallest
from pruning.planning.cost.parts import Parts, parts_of, without
from pruning.planning.recipe.mix import weight_part
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries
from pruning.ui.shared import charts
from pruning.ui.speed import charts as speed_charts
from pruning.ui.text import format, labels

NAME = {
    "ordinary": "Model folder",
    "bitmask": "Compact file",
    "csr": "CSR",
    "int8": "8 bits",
    "int8 bitmask": "8 bits, bitmask",
}
WHAT = {
    "ordinary": "Every number, zeros too; what an export writes.",
    "bitmask": "One bit a weight, and the values that are not zero; an export writes it too.",
    "csr": "Values that are not zero, each with its column. Nothing here writes it.",
    "int8": "A byte a weight and a scale a row; rounds the weights. Nothing here writes it.",
    "int8 bitmask": "The same, with a bit a weight for zeros.",
}
BESIDE = "Unpruned file"


def section(model: queries.Info, plan: Plan, said: str) -> None:
    """Sizes of the plan, its units cut out and its weights zero; PruningError for old facts."""
    st.header("Size", anchor=False)
    parts = parts_of(model.facts)
    dense, forms = sizes(parts, {})[0], sizes(parts, plan)
    if plan and not weight_part(plan):
        # What is cut out leaves no zeros to leave out of a compact file.
        forms = [size for size in forms if size.form in ("ordinary", "int8")]
    # What can be written; the other forms are there to compare.
    best = smallest([size for size in forms if size.form in ("ordinary", "bitmask")])
    st.markdown(
        f"{labels.FORECAST} :small[Worked out from counts of weights, with {said}. With the weights in "
        f"{model.facts['dtype']}, as they are, the smallest that an export writes is the "
        f"**{NAME[best.form].lower()}: {format.size(best.total)}**, "
        f"{dense.total / best.total:.2f}× smaller than the unpruned file.]"
    )
    left, right = st.columns([1, 1], gap="large")
    rows = [(BESIDE, dense), *((NAME[size.form], size) for size in forms)]
    left.plotly_chart(
        speed_charts.forms(rows),
        key="speed_forms",
        config=charts.BARE,
        alt="Megabytes of the weights in each form, split into groups, embeddings and the rest",
    )
    with right:
        st.table([_row(size, dense) for size in forms], border="horizontal", alt="Size in each form")
    st.markdown(f"{memory(parts, plan)}\n\n{embeddings(parts, best)}")


def _row(size: Size, dense: Size) -> dict[str, str]:
    return {
        "Form": NAME[size.form],
        "Size": format.size(size.total),
        "Smaller": f"{dense.total / size.total:.2f}×",
        "": WHAT[size.form],
    }


def memory(parts: Parts, plan: Plan) -> str:
    """What the model takes while it runs, unpruned and pruned, in a sentence."""
    before, after = running_bytes(parts), running_bytes(without(parts, plan))
    beside = f" instead of {format.size(before)}" if after < before else ", as before"
    return (
        f"**Memory while it runs: {format.size(after)}**{beside}: the weights, zeros too, and what it "
        f"remembers of a text of {CONTEXT_TOKENS:,} tokens (keys and values)."
    )


def embeddings(parts: Parts, best: Size) -> str:
    """What does not shrink, in a sentence or two."""
    table, whole = best.embedding, parts.file_bytes
    said = (
        f"**Embeddings do not shrink.** They hold a row of numbers for every word: "
        f"{format.count(parts.embedding)} parameters, {format.size(table)}, "
        f"{format.percent(table / whole)} of the unpruned file and "
        f"{format.percent(table / best.total)} of the smallest."
    )
    if parts.tied:
        return f"{said} The head, which turns the result back into words, is the same table and counts once."
    return f"{said} The head, which turns the result back into words, takes {format.size(best.head)} more."
