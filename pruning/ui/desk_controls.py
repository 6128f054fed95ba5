"""The Explore page's controls: presets, a slider for each kind, single layers, the plan as text."""

from __future__ import annotations

import streamlit as st

from pruning.plan import MAX_LEVEL, PRESETS, Plan, format_settings, preset, summarise
from pruning.ui import services, shell, state, words


def presets(model: services.Info) -> None:
    with st.container(horizontal=True):
        with st.popover("Presets", icon=":material/auto_awesome:"):
            name = st.radio(
                "Preset",
                list(PRESETS),
                format_func=words.PRESET.__getitem__,
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


def sliders(model: services.Info) -> None:
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


def single_layers(model: services.Info, plan: Plan) -> None:
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
