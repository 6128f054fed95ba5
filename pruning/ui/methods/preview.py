"""What a way of pruning would keep of the model, counted before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pruning.planning.recipe.mask_options import MaskOptions, effective
from pruning.planning.recipe.mix import sparsity
from pruning.planning.recipe.plan import UNIT_KINDS, Plan, units_gone
from pruning.ui.data import costs, queries, session
from pruning.ui.data.results import groups_of, totals_of, writable_of
from pruning.ui.shared import engines
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format
from pruning.ui.text import methods as method_words
from pruning.ui.text import speed as speed_words
from pruning.wording import counted


def count_key(structure: str, total: int) -> str:
    """The key of the field that asks how many units of so many are pruned."""
    return f"method_level_{structure}_of_{total}"


def preview(model: queries.Info, request: dict[str, Any] | None) -> str | None:
    """What would be kept, counted: exact for units, and the sparsity asked for of weights.

    Of units that can only be measured and written full-size it returns why, otherwise None.
    """
    if request is None:
        st.caption("Mend what is said on the left, and what would stay is told here.")
        return None
    arguments = request["arguments"]
    structure = arguments.get("structure", "unstructured")
    if request["task"] == "best":
        what = method_words.UNIT.get(structure, "prunable weights")
        st.markdown(
            f"**About {format.percent(arguments['sparsity'])} of the {what}** go, where it hurts least."
        )
        if structure not in UNIT_KINDS or structure == "layers":
            return None
        holds = structure != "heads"
        why = method_words.BUNDLED if holds else method_words.NOT_HELD
        st.caption(f":material/info: {why}")
        return None if holds else why
    options = MaskOptions.of(
        {n: v for n, v in arguments.items() if n not in ("settings", "criterion", "data")}
    )
    groups = groups_of(model, structure)
    plan = effective(session.parse(",".join(arguments["settings"]), groups), groups, options)
    if structure in UNIT_KINDS:
        return _kept_units(model, plan, options)
    share = sparsity(plan, model.parameters)
    said = format.percent(share, 0 if abs(100 * share - round(100 * share)) < 0.05 else 1)
    st.markdown(f"**{said} of the prunable weights** go.")
    return None


def _kept_units(model: queries.Info, plan: Plan, options: MaskOptions) -> str | None:
    """How many units stay, and why they cannot be written smaller, which is returned as well."""
    structure = options.structure
    totals = totals_of(model, structure)
    if not totals:
        st.caption("How many units stay is told once the model has been loaded anew on the Model page.")
        return None
    kept = [
        total - (units_gone(total, plan.get((layer, structure), 0.0), options.round_to))
        if structure != "layers"
        else int((layer, structure) not in plan)
        for layer, total in enumerate(totals)
    ]
    st.markdown(method_words.stays(kept, totals, structure))
    hint = _not_smaller(model, kept, totals, structure)
    if hint is None:
        pruned = {
            (n, structure): 1 - stay / total for n, (stay, total) in enumerate(zip(kept, totals, strict=True))
        }
        _speed_line(model, pruned)
    if structure == "layers":
        return None
    asked = [total - units_gone(total, plan.get((n, structure), 0.0)) for n, total in enumerate(totals)]
    if asked != kept:
        st.caption(f"Rounded from {min(asked):,}; it never adds any.")
    if len(set(kept)) > 1:
        st.caption(f"By layer: {' '.join(map(str, kept))}")
    if hint:
        st.caption(f":material/info: {hint}")
        if len(set(kept)) == len(set(totals)) == 1:
            _instead(model, totals[0] - kept[0], totals[0], structure)
    return hint


def _speed_line(model: queries.Info, plan: Plan) -> None:
    """How much faster a plan for whole units is; where that is an estimate, how to time the model here."""
    with page_frame.user_errors():
        table = costs.latency_of(model)
        st.markdown(
            speed_words.cost_line(
                costs.cost_of(model, plan), table, engines.numbers(str(model.facts["dtype"]))
            )
        )
        if table is None and queries.target_device() is None:
            seconds = costs.timing_seconds()
            takes = "" if seconds is None else f", in about {format.seconds(seconds)}"
            page_frame.link("speed", f"Time this model here, dense and narrower{takes}")


def nearest(count: int, counts: Sequence[int]) -> list[int]:
    """The next number below and the next above among `counts`, as far as there are any."""
    below, above = [n for n in counts if n < count], [n for n in counts if n > count]
    return [*below[-1:], *above[:1]]


def _instead(model: queries.Info, count: int, total: int, structure: str) -> None:
    """Buttons that take the nearest numbers that can be written smaller."""
    key = count_key(structure, total)
    if key not in st.session_state:
        return  # levels were written out by layer: there is no number to change
    with st.container(horizontal=True, gap="small"):
        for other in nearest(count, writable_of(model, structure)):
            st.button(
                f"Remove {counted(other, method_words.UNIT[structure].removesuffix('s'))} instead",
                key=f"method_instead_{structure}_{other}",
                icon=":material/content_cut:",
                on_click=st.session_state.update,
                args=({key: other},),
                help="That many can be written as a smaller model.",
            )


def _not_smaller(model: queries.Info, kept: list[int], totals: list[int], structure: str) -> str | None:
    """Why this can be measured but not written smaller, as far as numbers tell."""
    if structure == "layers":
        return None
    if structure == "neurons":
        return None
    counts = writable_of(model, structure)
    gone = {total - left for total, left in zip(totals, kept, strict=True)}
    pruned = next((count for count in sorted(gone) if count and count not in counts), 0)
    if not pruned:
        return None
    shared = totals_of(model, "kv_groups")
    return method_words.not_smaller(
        structure, pruned, totals[0], nearest(pruned, counts), shared[0] if shared else totals[0]
    )
