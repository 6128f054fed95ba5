"""From results to the facts of a presentation: plain words, sums in one line, nothing made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pruning.planning.cost.written import file_bytes
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.forecast.verdict import forecast_verdict, measured_verdict
from pruning.planning.recipe.mix import kept_shares
from pruning.planning.recipe.plan import KINDS, Plan, format_settings
from pruning.planning.report import words
from pruning.planning.report.presentation import Bar, Facts, Part
from pruning.planning.report.screen import Screen
from pruning.planning.report.sums import Assumptions, assumed, cheaper, meanings
from pruning.ui.text import format

READS = ("qkv", "attn_out")


@dataclass(frozen=True)
class Results:
    """What there is about a plan: its forecast; its figures as the task `measure` gives them, and an answer
    with and without it as the task `generate` gives it, where there are any; its speed, where it is known;
    and the share of questions (0..1) that the unpruned model gets right."""

    forecast: Forecast
    measured: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    speed: words.Speed | None = None
    questions: float | None = None


def facts(model: str, smap: SensitivityMap, plan: Plan, results: Results, assumptions: Assumptions) -> Facts:
    """What can be said of a plan: from its measurement where there is one, else from its forecast.

    Parameters
    ----------
    model
        Reference of the model; of a folder only the name is told, since the file may go to strangers.
    smap
        The map that the forecast comes from; its dense figures are those before pruning.
    plan
        Sparsity of each group, 0..1.
    results
        Figures of the plan, in bytes, shares 0..1 and perplexity.
    assumptions
        What only the user can know; 0 leaves one out.

    Returns
    -------
    Facts
        Texts for readers, each figure marked as measured or forecast.
    """
    forecast, truth = results.forecast, results.measured
    before, after = float(smap.dense["bytes"]), float(file_bytes(truth) if truth else forecast.file_bytes)
    compact = float(truth["bytes"] if truth else forecast.bytes)
    source, name = "measured" if truth else "exact", short_name(model)
    bars = [Bar("Before", format.size(before), 1.0, "measured")]
    bars.append(Bar("After", format.size(after), after / before, source))
    if compact < after:
        bars.append(Bar("As a compact file", format.size(compact), compact / before, source))
    return Facts(
        screen=_screen(model, plan, results, assumptions, (before, after, compact)),
        bars=tuple(bars),
        source=source,
        parts=_parts(smap, plan),
        meanings=meanings(before, after, compact, assumptions),
        assumptions=assumed(assumptions),
        record=_record(name, smap, plan, forecast, truth),
    )


def _screen(
    model: str, plan: Plan, results: Results, assumptions: Assumptions, sizes: tuple[float, float, float]
) -> Screen:
    """What stands on the first screen; `sizes` are bytes before, after, and of the compact file."""
    forecast, truth = results.forecast, results.measured
    (before, after, compact), name = sizes, short_name(model)
    money = cheaper(before, after, assumptions)
    behaved = words.questions_before(truth) if truth else None
    verdict = measured_verdict(truth) if truth else forecast_verdict(forecast)
    return Screen(
        title=assumptions.title.strip() or default_title(model),
        done=words.done(f"the {name}" if model == "demo" else name, plan, forecast.sparsity, after < before),
        short=words.in_short(verdict),
        saves=(
            words.smaller(before, after, compact, "measured" if truth else "exact"),
            words.faster(results.speed, after < before),
            *([money] if money else []),
        ),
        costs=(
            words.judged(verdict),
            words.same_word(truth, forecast),
            words.questions(
                truth.get("probe_accuracy") if truth else None,
                results.questions if behaved is None else behaved,
            ),
        ),
        spoken=words.spoken(results.answer) if results.answer else None,
    )


def short_name(reference: str) -> str:
    """A model's name without its folder or owner."""
    return "demo model" if reference == "demo" else reference.rstrip("/\\").replace("\\", "/").split("/")[-1]


def default_title(model: str) -> str:
    """What the presentation is called until it is given a title."""
    return f"A pruned {short_name(model)}"


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


def _record(
    name: str, smap: SensitivityMap, plan: Plan, forecast: Forecast, truth: dict[str, Any] | None
) -> str:
    dense = format.perplexity(smap.dense["perplexity"])
    expected = format.perplexity(forecast.perplexity)
    low, high = format.perplexity(forecast.perplexity_low), format.perplexity(forecast.perplexity_high)
    figure = format.perplexity(truth["perplexity"]) if truth else f"{expected} ({low} – {high})"
    kind = f"measured; the forecast was {expected}" if truth else "forecast"
    settings = ", ".join(format_settings(plan, smap.groups))
    return (
        f"Model {name}, fingerprint {smap.fingerprint}. Plan {settings}, weights chosen by "
        f"{smap.criterion}. {format.percent(forecast.sparsity)} of the prunable weights are pruned. "
        f"Perplexity {dense} before (measured), {figure} after ({kind}). Made with Prunescope."
    )
