"""The Methods page's form: the structure to prune, the criterion, the sparsity, and what else can be set."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import POOLED, MaskOptions, effective, kept_of
from pruning.planning.recipe.plan import MAX_LEVEL, UNIT_KINDS, Plan, format_settings, parse_layers
from pruning.ui.data import queries, requests, session
from pruning.ui.data.results import groups_of, totals_of, writable_of
from pruning.ui.methods.preview import count_key, preview
from pruning.ui.shared import page as page_frame
from pruning.ui.text import labels
from pruning.ui.text import methods as method_words

BEST, NAMED = "best", "named"
BEST_LABEL = "The best we know: we find out what goes where"
COUNTED = ("heads", "kv_groups", "layers")
USUAL_SHARE = {"unstructured": 50, "block": 20, "neurons": 20}
USUAL_COUNT = 0.2
ROUND_TO = (None, 8, 32, 64, 128, 256)


def form(model: queries.Info, busy: bool) -> None:
    """The controls on the left; on the right what this does to the model, and the button that measures it."""
    with st.container(border=True, key="method_form"):
        structure = st.segmented_control(
            "Structure",
            list(method_words.STRUCTURE_HELP),
            default="unstructured",
            required=True,
            format_func=method_words.STRUCTURE.__getitem__,
            key="method_structure",
            **session.PERSIST,
        )
        told = st.empty()
        left, right = st.columns([3, 2], gap="large")
        request: dict[str, Any] | None = None
        with left, page_frame.user_errors():
            request = _request(model, structure)
        why: str | None = None
        with right:
            with page_frame.user_errors():
                why = preview(model, request)
            _button(request, busy)
        told.markdown(
            f"{method_words.badge(structure, why)} :small[{method_words.STRUCTURE_HELP[structure]}]"
        )


def _request(model: queries.Info, structure: str) -> dict[str, Any]:
    """The request that the controls make. Raises PruningError for what cannot be; the controls stay."""
    if structure in ("heads", "kv_groups") and model.facts.get("no_heads"):
        raise PruningError(model.facts["no_heads"])
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        how = _how(structure)
    with right:
        level = _level(model, structure, how)
    if how == BEST:
        st.caption("The best recipe finds its own levels, and has no other options.")
        data = {"data": session.current().data}
        kind = {} if structure == "unstructured" else {"structure": structure}
        return requests.request("best", sparsity=_number(level), **kind, **data)
    options, text = _options(model, structure, how)
    groups = groups_of(model, structure)
    plan: Plan = dict.fromkeys(groups, _number(level))
    if structure == "layers":
        plan = _dropped(model, str(level))
    elif text.strip():
        plan = session.parse(text, groups)
    settings = format_settings(plan, groups)
    if not settings:
        raise PruningError("Nothing would go. Give a share above 0.")
    effective(plan, groups, options)
    return requests.request(
        "measure",
        settings=settings,
        criterion="fisher" if structure == "layers" else how,
        data=session.current().data,
        **options.changed(),
    )


def _how(structure: str) -> str:
    """The criterion, or `BEST`, or for layers `NAMED`."""
    if structure == "layers":
        names = {BEST: "The best we know: tried one by one", NAMED: "Those that you name"}
    else:
        refused = () if structure in ("unstructured", "n:m") else labels.WITH_WEIGHT_UPDATE
        criteria = {name: text for name, text in labels.CRITERION.items() if name not in refused}
        names = criteria if structure in ("n:m", "block") else {BEST: BEST_LABEL, **criteria}
    family = structure if structure in ("n:m", "block", "layers") else structure in UNIT_KINDS
    return st.selectbox(
        "Method",
        list(names),
        index=list(names).index(BEST if structure == "layers" else "fisher"),
        format_func=names.__getitem__,
        key=f"method_how_{family}",
        help="A criterion scores; what scores lowest goes first. The best we know takes longer: it looks for "
        "the levels of every group or layer as well.",
        **session.PERSIST,
    )


def _level(model: queries.Info, structure: str, how: str) -> float | str:
    """How much is pruned: a sparsity 0..1, or for layers that are named their numbers as text."""
    key = f"method_level_{structure}"
    if structure == "n:m":
        st.text_input(
            "Pattern", "2:4", key="method_pattern", help="N:M, such as 2:4 or 4:8.", **session.PERSIST
        )
        kept, of = kept_of(st.session_state["method_pattern"].strip())
        return round(1 - kept / of, 6)
    if how == NAMED:
        return st.text_input(
            "Layers to drop",
            placeholder="7,12-13",
            key=f"{key}_named",
            help="Like 7,12-13.",
            **session.PERSIST,
        )
    totals = totals_of(model, structure) if structure in COUNTED else []
    total = sum(totals) if structure == "layers" else min(totals, default=0)
    if totals and (structure == "layers" or len(set(totals)) == 1):
        if total < 2:
            raise PruningError(f"There is only one of these in every layer, and {structure} cannot all go.")
        unit = method_words.UNIT[structure]
        where = "of all" if structure == "layers" else "in every layer, of"
        label = f"{unit[0].upper()}{unit[1:]} to remove, {where} {total}"
        # Of another model there may be fewer than the number that stands here: each has a field of its own.
        key, usual = count_key(structure, total), _usual_count(model, structure, total)
        count = st.number_input(label, 1, total - 1, usual, 1, key=key, **session.PERSIST)
        return round(count / total, 6)
    most = round(100 * MAX_LEVEL)
    usual = USUAL_SHARE.get(structure, 20)
    what = method_words.UNIT.get(structure, "weights")
    share = st.slider(
        f"Share of {what} to remove", 1, most, usual, 1, format="%d %%", key=key, **session.PERSIST
    )
    return share / 100


def _usual_count(model: queries.Info, structure: str, total: int) -> int:
    """About a fifth of them, of heads and KV groups the nearest number that can be written smaller."""
    fifth = max(1, round(USUAL_COUNT * total))
    counts = writable_of(model, structure) if structure != "layers" else []
    return min(counts, key=lambda count: abs(count - USUAL_COUNT * total), default=fifth)


def _number(level: float | str) -> float:
    return 0.0 if isinstance(level, str) else level


def _dropped(model: queries.Info, text: str) -> Plan:
    """The plan that drops the layers named in a text."""
    if not text.strip():
        raise PruningError("Name the layers to drop, like 7,12-13.")
    layers = parse_layers(text.strip(), "Layers to drop")
    if layers[-1] >= model.layers:
        raise PruningError(
            f"There is no layer {layers[-1]}. This model's layers are 0 to {model.layers - 1}."
        )
    if len(layers) == model.layers:
        raise PruningError("All layers would go. Keep one at least.")
    return {(layer, "layers"): 1.0 for layer in layers}


# ---- options ----------------------------------------------------------------------------------------


def _options(model: queries.Info, structure: str, how: str) -> tuple[MaskOptions, str]:
    """What is set beside the level, and levels by group as text where somebody wrote them."""
    if structure == "layers":
        return MaskOptions(structure="layers"), ""
    values: dict[str, Any] = {"structure": structure}
    if structure == "n:m":
        values["pattern"] = st.session_state["method_pattern"].strip()
    if structure == "block":
        block = st.text_input(
            "Block, rows x columns", "16x16", key="method_block", help="Like 1x64.", **session.PERSIST
        )
        values["block"] = block.strip()
    with st.expander("Options", icon=":material/tune:", key="method_options"):
        left, right = st.columns(2, gap="medium")
        with left:
            values |= _left_options(structure, how)
        with right:
            values |= _right_options(structure)
        text = _levels_text(model, structure)
    return MaskOptions.of(values), text


def _left_options(structure: str, how: str) -> dict[str, Any]:
    text = st.text_input(
        "Layers that stay as they are",
        key="method_protect",
        placeholder="none",
        help="Like 0-1,29. The first and the last are often delicate.",
        **session.PERSIST,
    )
    values: dict[str, Any] = {"protect": text.strip() or None}
    if structure in ("unstructured", "block"):
        refused = POOLED if how in labels.WITH_WEIGHT_UPDATE else ()
        values["scope"] = st.selectbox(
            "Compared with one another",
            [scope for scope in method_words.SCOPE if scope not in refused],
            format_func=method_words.SCOPE.__getitem__,
            key=f"method_scope_{how in labels.WITH_WEIGHT_UPDATE}",
            help="Within what the lowest scores are looked for.",
            **session.PERSIST,
        )
    if structure == "neurons":
        values["round_to"] = st.selectbox(
            "Round what stays to",
            ROUND_TO,
            format_func=lambda number: f"a multiple of {number}" if number else "nothing, keep the number",
            key="method_round",
            help="Chips like widths that are a multiple of 32 or 64.",
            **session.PERSIST,
        )
    return values


def _right_options(structure: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if structure in ("unstructured", "block"):
        for name, label in (("floor", "At least (%)"), ("ceiling", "At most (%)")):
            share = st.number_input(
                label,
                0.0,
                100.0,
                None,
                5.0,
                key=f"method_{name}",
                placeholder="not set",
                help="A bound for the level of every group that is pruned at all.",
                **session.PERSIST,
            )
            values[name] = None if share is None else round(share / 100, 6)
    if structure in UNIT_KINDS:
        values["compensate"] = st.toggle(
            "Refit what stays",
            True,
            key="method_compensate",
            help="What stays makes up for what went, by least squares. It takes longer and is worth it.",
            **session.PERSIST,
        )
    return values


def _levels_text(model: queries.Info, structure: str) -> str:
    """Levels of single groups or layers, instead of one for all."""
    whole = structure in UNIT_KINDS
    example = f"{structure}@0-3=0.1,{structure}@4-29=0.3" if whole else "up=0.5,down@0-3=0.1"
    key = f"method_levels_{structure if whole else 'groups'}"
    text = st.text_input(
        "Levels by layer, instead of one share" if whole else "Levels by group, instead of one share",
        key=key,
        placeholder=example,
        help="A later setting wins over an earlier one. What is not named stays dense.",
        **session.PERSIST,
    )
    plan = ",".join(session.current().settings)
    if not whole:
        st.button(
            "Use your plan",
            key="method_from_explore",
            icon=":material/tune:",
            disabled=not plan,
            help=None if plan else "Your plan is empty yet: set one under Prune.",
            on_click=lambda: st.session_state.update({key: plan}),
        )
    return text


# ---- asking -----------------------------------------------------------------------------------------


def _button(request: dict[str, Any] | None, busy: bool) -> None:
    best = request is not None and request["task"] == "best"
    page_frame.submit_button(
        "Find the best, and measure it" if best else "Measure it",
        request,
        type="primary",
        icon=":material/straighten:",
        key="method_measure",
        disabled=busy,
        width="stretch",
        help="Prunes in memory, measures on real text and questions, and puts every weight back.",
    )
