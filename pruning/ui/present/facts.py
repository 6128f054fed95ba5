"""From results to the facts of a presentation: plain words, sums in one line, nothing made up."""

from __future__ import annotations

from typing import Any

from pruning.planning.cost.written import file_bytes
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import kept_shares
from pruning.planning.recipe.plan import KINDS, Plan, format_settings
from pruning.planning.report.headline import Known, headline
from pruning.planning.report.presentation import Bar, Facts, Part
from pruning.planning.report.sums import Assumptions, assumed, meanings
from pruning.planning.report.words import short_name
from pruning.ui.text import format

READS = ("qkv", "attn_out")


def facts(title: str, smap: SensitivityMap, known: Known, assumptions: Assumptions) -> Facts:
    """What can be said of a plan: from its measurement where there is one, else from its forecast.

    Parameters
    ----------
    title
        What the presentation is called.
    smap
        The map that the forecast comes from; its dense figures are those before pruning.
    known
        What there is about the plan; its forecast among it.
    assumptions
        What only the user can know; 0 leaves one out.

    Returns
    -------
    Facts
        Texts for readers, each figure marked as measured or forecast.
    """
    before, after, compact = known.before, known.after, known.compact
    source = "measured" if known.measured else "exact"
    bars = [Bar("Before", format.size(before), 1.0, "measured")]
    bars.append(Bar("After", format.size(after), after / before, source))
    if compact < after:
        bars.append(Bar("As a compact file", format.size(compact), compact / before, source))
    return Facts(
        screen=headline(title, known, assumptions),
        bars=tuple(bars),
        source=source,
        parts=_parts(smap, known.plan),
        meanings=meanings(before, after, compact, assumptions),
        assumptions=assumed(assumptions),
        record=_record(smap, known),
    )


def known_of(model: str, smap: SensitivityMap, plan: Plan, forecast: Forecast, **more: Any) -> Known:
    """What is known of a plan, with the sizes that follow from its measurement or else its forecast.

    `more` are fields of `Known`.
    """
    truth = more.get("measured")
    return Known(
        model,
        plan,
        float(smap.dense["bytes"]),
        float(file_bytes(truth) if truth else forecast.file_bytes),
        float(truth["bytes"] if truth else forecast.bytes),
        forecast=forecast,
        **more,
    )


def default_title(model: str) -> str:
    """What the presentation is called until it is given a title."""
    return f"A pruned {short_name(model).removeprefix('the ')}"


def _parts(smap: SensitivityMap, plan: Plan) -> tuple[Part, ...]:
    """What goes of every kind of weights in every layer, with whole units or by itself."""
    stays = kept_shares(plan, dict(zip(smap.groups, smap.parameters.tolist(), strict=True)))
    layers = sorted({layer for layer, _ in smap.groups})
    kinds = [kind for kind in KINDS if any(name == kind for _, name in smap.groups)]
    return tuple(
        Part(
            kind in READS,
            tuple(1 - stays.get((layer, kind), 1.0) * (1 - plan.get((layer, kind), 0.0)) for layer in layers),
        )
        for kind in kinds
    )


def _record(smap: SensitivityMap, known: Known) -> str:
    """The plan and its figures for specialists."""
    forecast, truth = known.forecast, known.measured
    if forecast is None:
        raise TypeError("a presentation is of a plan with a forecast")
    dense = format.perplexity(smap.dense["perplexity"])
    expected = format.perplexity(forecast.perplexity)
    low, high = format.perplexity(forecast.perplexity_low), format.perplexity(forecast.perplexity_high)
    figure = format.perplexity(truth["perplexity"]) if truth else f"{expected} ({low} – {high})"
    kind = f"measured; the forecast was {expected}" if truth else "forecast"
    settings = ", ".join(format_settings(known.plan, smap.groups))
    return (
        f"Model {short_name(known.model)}, fingerprint {smap.fingerprint}. Plan {settings}, weights chosen "
        f"by {smap.criterion}. {format.percent(forecast.sparsity)} of the prunable weights are pruned. "
        f"Perplexity {dense} before (measured), {figure} after ({kind}). Made with Prunescope."
    )
