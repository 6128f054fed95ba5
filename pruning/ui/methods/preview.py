"""What a way of pruning would keep of the model, counted before anything is done."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.recipe.mask_options import MaskOptions, effective
from pruning.planning.recipe.plan import UNIT_KINDS, Plan, sparsity, units_gone
from pruning.ui.data import queries, session
from pruning.ui.data.results import groups_of, totals_of
from pruning.ui.shared.speed import speed_line
from pruning.ui.text import format
from pruning.ui.text import methods as method_words
from pruning.wording import counted


def preview(model: queries.Info, request: dict[str, Any] | None) -> None:
    """What would be kept, counted: exact for units, and the sparsity asked for of weights."""
    if request is None:
        st.caption("Mend what is said on the left, and what would stay is told here.")
        return
    arguments = request["arguments"]
    structure = arguments.get("structure", "unstructured")
    if request["task"] == "best":
        what = method_words.UNIT.get(structure, "prunable weights")
        st.markdown(
            f"**About {format.percent(arguments['sparsity'])} of the {what}** go, where it hurts least."
        )
        if structure in UNIT_KINDS and structure != "layers":
            st.caption(
                "Layers lose different numbers, which no ordinary configuration can hold: such a model is "
                "written full-size with zeros. For a smaller folder choose a criterion instead."
            )
        return
    options = MaskOptions.of(
        {n: v for n, v in arguments.items() if n not in ("settings", "criterion", "data")}
    )
    groups = groups_of(model, structure)
    plan = effective(session.parse(",".join(arguments["settings"]), groups), groups, options)
    if structure in UNIT_KINDS:
        _kept_units(model, plan, options)
    else:
        share = sparsity(plan, model.parameters)
        said = format.percent(share, 0 if abs(100 * share - round(100 * share)) < 0.05 else 1)
        st.markdown(f"**{said} of the prunable weights** go.")


def _kept_units(model: queries.Info, plan: Plan, options: MaskOptions) -> None:
    structure = options.structure
    totals = totals_of(model, structure)
    if not totals:
        st.caption("How many units stay is told once the model has been loaded anew on the Model page.")
        return
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
        speed_line(model, pruned)
    if structure == "layers":
        return
    asked = [total - units_gone(total, plan.get((n, structure), 0.0)) for n, total in enumerate(totals)]
    if asked != kept:
        st.caption(f"Rounded from {min(asked):,}; it never adds any.")
    if len(set(kept)) > 1:
        st.caption(f"By layer: {' '.join(map(str, kept))}")
    if hint:
        st.caption(f":material/info: {hint}")


def _not_smaller(model: queries.Info, kept: list[int], totals: list[int], structure: str) -> str | None:
    """Why this can be measured but not written smaller, as far as numbers tell."""
    if structure == "layers":
        return None
    if len(set(kept)) > 1:
        return "Layers keep different numbers, so this can only be written full-size with zeros."
    shared = totals_of(model, "kv_groups")
    if structure == "heads" and shared and (totals[0] - kept[0]) % shared[0]:
        return (
            f"{counted(totals[0] - kept[0], 'head')} cannot come evenly from "
            f"{counted(shared[0], 'KV group')}, so this can only be written full-size with zeros. "
            f"A multiple of {shared[0]} can be written smaller."
        )
    return None
