"""The Explore page's desk: presets, sliders, single layers, live forecasts beside what was measured.

All of it is one fragment: moving a slider runs this part alone, not the page.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.forecast import Calibration, Forecast, SensitivityMap, forecast, group_costs
from pruning.plan import MAX_LEVEL, PRESETS, Plan, format_settings, preset, summarise
from pruning.ui import charts, compare_view, services, shell, state, words

PRESET = {"uniform": "Uniform", "guide": "The guide's", "protect_ends": "Protect both ends"}
STEPS = tuple(i / 20 for i in range(20))


def desk(model: services.Info, table: SensitivityMap, busy: bool) -> None:
    """Draw the desk; the fragment's parts share one reading of the workspace."""

    @st.fragment
    def draw() -> None:
        shell.complaint()
        plan = current_plan(model)
        known = services.measurements(model, table)
        calibration = services.calibration(table, known)
        seen = forecast(table, plan, calibration)
        truth = services.measured(plan, known, model.groups)
        left, right = st.columns([2, 5], gap="large")
        with left:
            _presets(model)
            _sliders(model)
            _measure(model, plan, busy)
            _single_layers(model, plan)
        with right:
            _figures(table, plan, seen, truth)
            st.markdown(_verdict(plan, seen, truth))
            _charts(model, table, plan, seen, known, calibration)
            if truth and truth.get("probes"):
                _abilities(model, truth)
            st.caption(f"{_learnt(calibration)} {words.CRITERION.get(table.criterion, table.criterion)}.")
        st.caption(f":material/speed: {words.SPEED}")
        compare_view.pins(model, table, plan, known, calibration)

    draw()


def current_plan(model: services.Info) -> Plan:
    """The session's plan; one that does not fit this model is shown as a mistake and taken as empty."""
    with shell.told():
        return state.plan(model.groups)
    return {}


# ---- controls ---------------------------------------------------------------------------------------


def _presets(model: services.Info) -> None:
    with st.container(horizontal=True):
        with st.popover("Presets", icon=":material/auto_awesome:"):
            name = st.radio(
                "Preset",
                list(PRESETS),
                format_func=PRESET.__getitem__,
                captions=list(PRESETS.values()),
                key="preset_name",
            )
            level = st.slider("Overall level", 0, 95, 30, 5, format="%d %%", key="preset_level") / 100
            st.button(
                "Use this preset",
                type="primary",
                key="preset_use",
                on_click=shell.act,
                args=(lambda: state.set_plan(preset(str(name), level, model.groups), model.groups),),
            )
        st.button(
            "Reset",
            icon=":material/restart_alt:",
            key="reset",
            help="Back to the unpruned model.",
            on_click=lambda: state.set_plan({}, model.groups),
        )


def _sliders(model: services.Info) -> None:
    """One slider for each kind the model has. The session's choice is the truth, not the widget."""
    base = state.current().base
    for kind in model.kinds:
        key = f"level_{kind}"
        wanted = round(100 * base.get(kind, 0.0))
        # Written only where it differs: what Python writes is sent to the browser, under a moving hand.
        if st.session_state.get(key) != wanted:
            st.session_state[key] = wanted
        st.slider(
            words.kind(kind),
            0,
            round(100 * MAX_LEVEL),
            format="%d %%",
            key=key,
            help=words.KIND_HELP[kind],
            on_change=_take_slider,
            args=(kind, model),
        )


def _take_slider(kind: str, model: services.Info) -> None:
    state.set_kind(kind, st.session_state[f"level_{kind}"] / 100, model.groups)


def _single_layers(model: services.Info, plan: Plan) -> None:
    overrides = state.current().overrides
    with st.expander("Single layers", icon=":material/layers:", key="single_layers"):
        kind = st.selectbox("Group", model.kinds, format_func=words.kind, key="single_kind")
        last = model.layers - 1
        span = st.slider("Layers", 0, last, (0, min(1, last)), key="single_span") if last else (0, 0)
        level = st.slider("Level", 0, 95, 0, format="%d %%", key="single_level") / 100
        layers = list(range(span[0], span[1] + 1))
        with st.container(horizontal=True):
            st.button(
                "Set",
                key="single_set",
                icon=":material/check:",
                on_click=lambda: state.set_layers(kind, layers, level, model.groups),
            )
            st.button(
                "Back to slider",
                key="single_clear",
                on_click=lambda: state.set_layers(kind, layers, None, model.groups),
            )
        _, exceptions = summarise(plan, model.groups)
        for name, where, value in exceptions:
            st.caption(f"{words.kind(name)}, layers {where.replace('-', '–')}: {words.percent(value)}")
        _plan_text(model, plan)
    if overrides:
        count = f"{len(overrides)} groups" if len(overrides) > 1 else "1 group"
        st.caption(f":material/layers: {count} set by hand, apart from the sliders")


def _plan_text(model: services.Info, plan: Plan) -> None:
    """The whole plan as text, to read, copy or type; what was taken is what stands there afterwards.

    In a form, because the browser would otherwise send the field's old text along with the next move of a
    slider, and the plan would jump back.
    """
    text = ",".join(format_settings(plan, model.groups))
    key = f"plan_text_{text}"
    with st.form("plan_form", border=False):
        st.text_input(
            "Plan as text",
            text,
            key=key,
            placeholder="up=0.5,down@0-3=0.1",
            help="A kind and its level, or a kind, its layers and their level; later ones win.",
        )
        st.form_submit_button(
            "Take this plan",
            on_click=lambda: shell.act(
                lambda: state.set_plan(state.parse(st.session_state[key], model.groups), model.groups)
            ),
        )


# ---- figures ----------------------------------------------------------------------------------------


def _figures(table: SensitivityMap, plan: Plan, seen: Forecast, truth: dict[str, Any] | None) -> None:
    """Four numbers: the forecast with its band, and below it what was measured for exactly this plan."""
    dense = table.dense
    cells = [
        (
            "Perplexity",
            words.perplexity(seen.perplexity),
            f"{words.perplexity(seen.perplexity_low)} – {words.perplexity(seen.perplexity_high)}",
            truth and words.perplexity(truth["perplexity"]),
            f"unpruned {words.perplexity(dense['perplexity'])}",
            words.PERPLEXITY,
        ),
        (
            "Same next word",
            words.percent(seen.agreement),
            f"{words.percent(seen.agreement_low)} – {words.percent(seen.agreement_high)}",
            truth and words.percent(truth["agreement"]),
            "as the unpruned model",
            words.AGREEMENT,
        ),
        (
            "Right next word",
            words.percent(seen.accuracy),
            f"{words.percent(seen.accuracy_low)} – {words.percent(seen.accuracy_high)}",
            truth and words.percent(truth["accuracy"]),
            f"unpruned {words.percent(dense['accuracy'])}",
            words.ACCURACY,
        ),
        (
            "Size, stored sparsely",
            words.size(seen.bytes),
            f"{words.percent(seen.bytes / dense['bytes'] - 1)}",
            truth and words.size(truth["bytes"]),
            f"ordinary file {words.size(dense['bytes'])}",
            words.SIZE,
        ),
    ]
    for column, cell in zip(st.columns(len(cells)), cells, strict=True):
        label, value, band, measured, note, help = cell
        with column, st.container(border=True, height="stretch", gap="xxsmall"):
            st.metric(label, value, help=help)
            st.markdown(f":blue-badge[forecast] :small[{band}]" if plan else ":green-badge[unpruned]")
            if measured:
                st.markdown(f":green-badge[measured] **{measured}**")
            st.caption(note)


def _charts(
    model: services.Info,
    table: SensitivityMap,
    plan: Plan,
    seen: Forecast,
    known: list[services.Measured],
    calibration: Calibration,
) -> None:
    dense = (table.dense["bytes"], table.dense["perplexity"])
    here = charts.Line(
        "This plan", [seen.bytes], [seen.perplexity], [seen.perplexity_low], [seen.perplexity_high]
    )
    marks = []
    if known:
        marks.append(
            charts.Points(
                "Measured",
                [float(m.figures["bytes"]) for m in known],
                [float(m.figures["perplexity"]) for m in known],
                [m.settings for m in known],
            )
        )
    pinned = [pin for pin in compare_view.pinned_forecasts(model, table, calibration) if pin[1] != plan]
    if pinned:
        marks.append(
            charts.Points(
                "Pinned (forecast)",
                [f.bytes for _, _, f in pinned],
                [f.perplexity for _, _, f in pinned],
                [name for name, _, _ in pinned],
            )
        )
    st.markdown("**Quality against size** :blue-badge[lines and diamond: forecast]")
    st.plotly_chart(
        charts.tradeoff(_preset_lines(table, calibration), here if plan else None, marks, dense),
        key="tradeoff",
        config=charts.BARE,
        alt="Forecast perplexity against size for the presets, with this plan marked",
    )
    if plan:
        st.markdown("**Where the damage comes from** :blue-badge[forecast]")
        st.plotly_chart(
            charts.damage(table.groups, group_costs(table, plan, calibration)),
            key="damage",
            config=charts.BARE,
            alt="Forecast damage of this plan by layer and group",
        )


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={SensitivityMap: lambda m: id(m)})
def _preset_lines(table: SensitivityMap, calibration: Calibration) -> list[charts.Line]:
    lines = []
    for name, dash in (("uniform", "solid"), ("guide", "dash"), ("protect_ends", "dot")):
        seen = [forecast(table, preset(name, level, table.groups), calibration) for level in STEPS]
        lines.append(
            charts.Line(
                PRESET[name],
                [f.bytes for f in seen],
                [f.perplexity for f in seen],
                [f.perplexity_low for f in seen] if name == "uniform" else (),
                [f.perplexity_high for f in seen] if name == "uniform" else (),
                dash,
            )
        )
    return lines


# ---- the truth --------------------------------------------------------------------------------------


def _measure(model: services.Info, plan: Plan, busy: bool) -> None:
    choice = state.current()
    settings = format_settings(plan, model.groups)
    wanted = services.request("measure", settings=settings, criterion=choice.criterion, data=choice.data)
    if st.button(
        "Measure this plan",
        type="primary",
        icon=":material/straighten:",
        disabled=busy or not plan,
        key="measure",
        width="stretch",
        help="Prunes in memory, measures on real text and questions, and puts every weight back.",
    ):
        services.submit(wanted)
        st.rerun()
    if plan:
        shell.command(wanted)


def _verdict(plan: Plan, seen: Forecast, truth: dict[str, Any] | None) -> str:
    """The drift from the unpruned model in a sentence, forecast and measured."""
    if not plan:
        return "Nothing is removed yet. Move a slider, or take a preset."
    said = f"KL {words.kl(seen.kl)} ({words.kl(seen.kl_low)} – {words.kl(seen.kl_high)}) nats per token"
    gone = f"{words.percent(seen.sparsity)} of the prunable weights removed"
    if truth is None:
        return f"{gone} · :blue-badge[forecast] {said} · :gray-badge[not measured yet]"
    inside = "inside" if seen.kl_low <= truth["kl"] <= seen.kl_high else "**outside**"
    found = f"KL {words.kl(truth['kl'])}, {inside} the band"
    return f"{gone} · :blue-badge[forecast] {said} · :green-badge[measured] {found}"


def _learnt(calibration: Calibration) -> str:
    if calibration.measured == 0:
        return f"The band comes from other models so far: nothing is measured on this one. {words.BAND}"
    plans = "one measured plan" if calibration.measured == 1 else f"{calibration.measured} measured plans"
    return f"The forecast has learnt from {plans} of this model. {words.BAND}"


def _abilities(model: services.Info, truth: dict[str, Any]) -> None:
    rows = [("This plan", truth["probes"])]
    dense = services.baseline(model)
    if dense and dense.get("probes"):
        rows.insert(0, ("Unpruned", dense["probes"]))
    with st.expander("Questions answered right, by capability", icon=":material/quiz:"):
        st.plotly_chart(
            charts.abilities(rows),
            key="plan_abilities",
            config=charts.BARE,
            alt="Share of questions answered right by the unpruned and the pruned model",
        )
