"""The Speed page's parts: what was timed here, a choice of what is pruned, and what that makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.cost.latency_table import MODES, LatencyTable, milliseconds, speedup
from pruning.planning.cost.parts import parts_of, share_gone
from pruning.planning.exports.llamacpp import PYTORCH
from pruning.planning.recipe.mask_options import MIXED
from pruning.planning.recipe.mix import in_whole_units, unit_part
from pruning.planning.recipe.plan import UNIT_KINDS, Plan
from pruning.ui.data import costs, gallery, queries, session
from pruning.ui.data.results import groups_of, totals_of, writable_of
from pruning.ui.shared import charts, engines, jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import elsewhere
from pruning.ui.speed import charts as speed_charts
from pruning.ui.speed import device, size
from pruning.ui.text import format, labels
from pruning.ui.text import methods as method_words
from pruning.ui.text import speed as speed_words
from pruning.wording import counted

PLAN = "plan"
MOST = 75  # percent
LABEL = {"prefill": "Reading a prompt", "decode": "Each further word"}


@dataclass(frozen=True)
class Choice:
    """What is pruned: the plan, of units and of single weights, and how it is said."""

    plan: Plan
    said: str


def view() -> None:
    """Timing here, a choice of what is pruned, and what that makes of speed and size."""
    busy = jobs.panel(("latency",))
    model = page_frame.require_model()
    if model:
        page(model, busy)
    if model is None or queries.latency(model) is None:
        elsewhere.card("Times of the demo", lambda: _timings(gallery.timings()))


def _timings(found: gallery.Timings) -> None:
    st.caption(
        f"Other programs took {format.percent(found.busy)} of the processors' time meanwhile: milliseconds "
        "are too long by some of that, while ratios, of models that took turns, hardly change."
    )
    _measured(found.table, found.sparse)


def page(model: queries.Info, busy: bool) -> None:
    times = queries.latency(model)
    table = None
    with page_frame.user_errors():
        table = LatencyTable.from_dict(times) if times else None
    _timing(table, engines.numbers(str(model.facts["dtype"])), busy)
    if times and table:
        _measured(table, times.get("sparse", []))
    st.header("What is pruned", anchor=False)
    st.caption("Choose it here. The forecast, the sizes and the estimates below are about it.")
    with page_frame.user_errors():
        chosen = _choose(model)
        _forecast(model, table, chosen)
        size.section(model, chosen.plan, chosen.said)
        device.section(model, chosen.plan, chosen.said)


# ---- this machine -----------------------------------------------------------------------------------


def _timing(table: LatencyTable | None, numbers: str, busy: bool) -> None:
    st.header("On this machine", anchor=False)
    if table is None:
        own = queries.engine() == PYTORCH
        what = "the number format it is loaded in" if own else "from GGUF files made for it"
        st.write(
            f"Not timed yet in {numbers}, {what}. The model is run unpruned and "
            "really narrower, in turns, some minutes in all. It is done once and kept."
        )
    else:
        on = f", {format.plain(table.device)}" if queries.engine() == PYTORCH else ""
        st.markdown(
            f"{labels.MEASURED} :small[In **{numbers}**, {_when(table)} on {format.plain(table.machine)}, "
            f"{counted(table.threads, 'thread')}{on}. Medians. "
            f"By chance a speed-up may be off by ± {format.percent(max(table.spread.values()), 1)}.]"
        )
    page_frame.submit_button(
        "Time it again" if table else "Time it on this machine",
        costs.timing_request(again=table is not None),
        type="secondary" if table else "primary",
        icon=":material/timer:",
        disabled=busy,
        key="speed_time",
    )


def _when(table: LatencyTable) -> str:
    return f"{table.measured[:10]} {table.measured[11:16]} UTC"


def _measured(table: LatencyTable, sparse: list[dict[str, Any]]) -> None:
    notes = {
        "prefill": f"{counted(table.tokens, 'token')}",
        "decode": f"after {counted(table.tokens, 'token')}",
    }
    for column, mode in zip(st.columns(4), MODES, strict=False):
        with column:
            value = speed_words.milliseconds(table.dense[mode])
            page_frame.figure(LABEL[mode], value, "measured", notes[mode])
    st.subheader("What whole units bring", anchor=False)
    st.markdown(
        f"{labels.MEASURED} :small[Marks were timed on models with smaller tensors, every layer alike; "
        "lines join them. Layers were timed with half of them gone.]"
    )
    for column, mode in zip(st.columns(2, gap="large"), MODES, strict=True):
        with column:
            st.markdown(f"**{LABEL[mode]}**")
            st.plotly_chart(
                speed_charts.speedups(table, mode),
                key=f"speed_{mode}",
                config=charts.BARE,
                alt=f"{LABEL[mode]}: times as fast as unpruned against the share of units gone",
            )
    st.subheader("What zeros bring", anchor=False)
    st.markdown(
        "Zeros among single weights make ordinary, dense kernels **1.0×** as fast: a zero is read and "
        f"multiplied like any number. {speed_words.sparse_verdict(sparse) if sparse else ''}"
    )
    if sparse:
        st.markdown(
            f"{labels.MEASURED} :small[One layer's matrices in torch's sparse formats, beside dense.]"
        )
        st.table(speed_words.sparse_table(sparse), border="horizontal", alt="Sparse formats, timed")


# ---- what goes --------------------------------------------------------------------------------------


def _choose(model: queries.Info) -> Choice:
    """What the controls say. Raises PruningError where the session's plan does not fit this model."""
    kinds = [kind for kind in UNIT_KINDS if totals_of(model, kind)]
    names = {PLAN: "Your plan", **{kind: method_words.STRUCTURE[kind] for kind in kinds}}
    left, right = st.columns(2, gap="large", vertical_alignment="bottom")
    kind = left.segmented_control(
        "Structure",
        list(names),
        default=PLAN if session.current().settings else (kinds[0] if kinds else PLAN),
        required=True,
        format_func=names.__getitem__,
        key="speed_kind",
        **session.PERSIST,
    )
    with right:
        if kind == PLAN:
            plan = session.plan(groups_of(model, MIXED))
            zero = format.percent(share_gone(parts_of(model.facts), plan), 1)
            units = unit_part(plan)
            gone = "zero" if not units else "cut out" if len(units) == len(plan) else "cut out or zero"
            st.markdown(f"**{zero}** of the prunable weights are {gone}.")
            if not plan:
                page_frame.link("explore", "Make a plan under Prune")
            return Choice(plan, f"{zero} of the weights {gone}")
        share = _share(model, str(kind))
    return Choice(_unit_plan(model, str(kind), share), _said(str(kind), share))


def _share(model: queries.Info, kind: str) -> float:
    """The share of a kind of unit to prune; of what is counted one by one only what can be cut out."""
    total = model.layers if kind == "layers" else min(totals_of(model, kind))
    if kind == "neurons":
        return (
            st.slider(
                "Share of neurons", 0, MOST, 20, 5, format="%d %%", key="speed_neurons", **session.PERSIST
            )
            / 100
        )
    counts = [0, *(range(1, total) if kind == "layers" else writable_of(model, kind))]
    if len(counts) == 1:
        raise PruningError(
            f"No number of {method_words.UNIT[kind]} can be cut out of this model and written as a smaller "
            "one. Choose neurons or layers."
        )
    unit = method_words.UNIT[kind]
    label = f"{unit[0].upper()}{unit[1:]}, {'of' if kind == 'layers' else 'in every layer, of'} {total}"
    # Of another model there may be fewer: each number has a control of its own.
    key = f"speed_{kind}_{total}_{len(counts)}"
    count = st.select_slider(label, counts, counts[max(1, len(counts) // 5)], key=key, **session.PERSIST)
    return float(count) / total


def _unit_plan(model: queries.Info, kind: str, share: float) -> Plan:
    if kind == "layers":
        dropped = round(share * model.layers)
        return {(layer, kind): 1.0 for layer in range(model.layers - dropped, model.layers)}
    return {(layer, kind): share for layer in range(model.layers)} if share else {}


def _said(kind: str, share: float) -> str:
    return f"{format.percent(share)} of {method_words.UNIT[kind]} gone"


def _forecast(model: queries.Info, table: LatencyTable | None, chosen: Choice) -> None:
    """How fast the choice is here, from what was measured."""
    if not unit_part(chosen.plan):
        st.markdown(f"{labels.FORECAST} **1.0×** reading and writing, as for any zeros.")
        return
    if table is None:
        st.caption("How fast that is here is told once the model has been timed, above.")
        return
    if not table.covers(chosen.plan):
        missing = {kind for _, kind in unit_part(chosen.plan)} - set(table.shares)
        names = " and ".join(method_words.STRUCTURE[kind] for kind in sorted(missing))
        st.caption(f"{names} were not timed here, so there is no forecast.")
        return
    whole = in_whole_units(chosen.plan, parts_of(model.facts).units)
    for column, mode in zip(st.columns(4), MODES, strict=False):
        with column:
            value = speed_words.times(speedup(table, whole, mode))
            took = speed_words.milliseconds(milliseconds(table, whole, mode))
            spread = f"± {format.percent(table.band(mode), 1)}"
            page_frame.figure(LABEL[mode], value, "forecast", f"{took}, {spread}")
    st.caption(
        "From what was measured above, once the units are really cut out. Folders with zeros stay 1.0×."
    )
