"""The Explore page's figures and charts: the forecast with its band, and what was measured beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.forecast import Calibration, Forecast, SensitivityMap, forecast, group_costs
from pruning.plan import Plan, preset
from pruning.ui import charts, compare_view, services, tradeoff, words

STEPS = tuple(i / 20 for i in range(20))


@dataclass(frozen=True)
class Figure:
    """One number: its forecast, what stands beside it (the band), its measurement where there is one."""

    label: str
    value: str
    beside: str
    measured: str | None
    note: str
    help: str


def figures(table: SensitivityMap, plan: Plan, seen: Forecast, truth: dict[str, Any] | None) -> None:
    """Four numbers: the forecast with its band, and below it what was measured for exactly this plan."""
    four = _four(table, seen, truth)
    for column, one in zip(st.columns(len(four)), four, strict=True):
        with column, st.container(border=True, height="stretch", gap="xxsmall"):
            st.metric(one.label, one.value, help=one.help)
            st.markdown(f":blue-badge[forecast] :small[{one.beside}]" if plan else ":green-badge[unpruned]")
            if one.measured:
                st.markdown(f":green-badge[measured] **{one.measured}**")
            st.caption(one.note)


def _four(table: SensitivityMap, seen: Forecast, truth: dict[str, Any] | None) -> list[Figure]:
    dense = table.dense
    return [
        Figure(
            "Perplexity",
            words.perplexity(seen.perplexity),
            f"{words.perplexity(seen.perplexity_low)} – {words.perplexity(seen.perplexity_high)}",
            words.perplexity(truth["perplexity"]) if truth else None,
            f"unpruned {words.perplexity(dense['perplexity'])}",
            words.PERPLEXITY,
        ),
        Figure(
            "Same next word",
            words.percent(seen.agreement),
            f"{words.percent(seen.agreement_low)} – {words.percent(seen.agreement_high)}",
            words.percent(truth["agreement"]) if truth else None,
            "as the unpruned model",
            words.AGREEMENT,
        ),
        Figure(
            "Right next word",
            words.percent(seen.accuracy),
            f"{words.percent(seen.accuracy_low)} – {words.percent(seen.accuracy_high)}",
            words.percent(truth["accuracy"]) if truth else None,
            f"unpruned {words.percent(dense['accuracy'])}",
            words.ACCURACY,
        ),
        Figure(
            "Size, stored sparsely",
            words.size(seen.bytes),
            words.percent(seen.bytes / dense["bytes"] - 1),
            words.size(truth["bytes"]) if truth else None,
            f"ordinary file {words.size(dense['bytes'])}",
            words.SIZE,
        ),
    ]


def curves(
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
    marks = _marks(model, table, plan, known, calibration)
    st.markdown("**Quality against size** :blue-badge[lines and diamond: forecast]")
    st.plotly_chart(
        tradeoff.tradeoff(_preset_lines(table, calibration), here if plan else None, marks, dense),
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


def _marks(
    model: services.Info,
    table: SensitivityMap,
    plan: Plan,
    known: list[services.Measured],
    calibration: Calibration,
) -> list[charts.Points]:
    """What was measured, and the pinned plans other than this one."""
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
    return marks


def _name(table: SensitivityMap) -> tuple[object, ...]:
    """What tells one map from another: `seconds` differs each time that one is made."""
    return table.fingerprint, table.criterion, table.data_fingerprint, table.levels, table.seconds


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={SensitivityMap: _name})
def _preset_lines(table: SensitivityMap, calibration: Calibration) -> list[charts.Line]:
    lines = []
    for name, dash in (("uniform", "solid"), ("guide", "dash"), ("protect_ends", "dot")):
        seen = [forecast(table, preset(name, level, table.groups), calibration) for level in STEPS]
        lines.append(
            charts.Line(
                words.PRESET[name],
                [f.bytes for f in seen],
                [f.perplexity for f in seen],
                [f.perplexity_low for f in seen] if name == "uniform" else (),
                [f.perplexity_high for f in seen] if name == "uniform" else (),
                dash,
            )
        )
    return lines


def verdict(plan: Plan, seen: Forecast, truth: dict[str, Any] | None) -> str:
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


def learnt(calibration: Calibration) -> str:
    if calibration.measured == 0:
        return f"The band comes from other models so far: nothing is measured on this one. {words.BAND}"
    plans = "one measured plan" if calibration.measured == 1 else f"{calibration.measured} measured plans"
    return f"The forecast has learnt from {plans} of this model. {words.BAND}"


def abilities(model: services.Info, truth: dict[str, Any]) -> None:
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
