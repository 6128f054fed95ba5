"""What a report says of an export: for a manager in plain words, for an engineer in figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pruning.planning.cost.written import compact_bytes, file_bytes
from pruning.planning.forecast.predict import Forecast
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.report.charts import Band
from pruning.planning.report.headline import Known, headline
from pruning.planning.report.screen import Screen
from pruning.planning.report.words import Speed, questions_before
from pruning.wording import kl, percent, perplexity, size


@dataclass(frozen=True)
class Report:
    """What is known of one recipe.

    Attributes
    ----------
    recipe, plan, layers
        What goes; `plan` in the model's groups.
    dense_bytes
        Bytes of the unpruned model's weights.
    pruned
        The measured result of the task `measure`, without training.
    recovered
        The same after training; None where the recipe trains nothing.
    forecast
        What the map forecasts of the plan without training; None without a map.
    speedup
        Times as fast as the unpruned model; None where unknown.
    answers
        Rows of the task `generate`.
    """

    recipe: Recipe
    plan: Plan
    layers: int
    dense_bytes: int
    pruned: Mapping[str, Any]
    recovered: Mapping[str, Any] | None = None
    forecast: Forecast | None = None
    speedup: Speed | None = None
    answers: Sequence[Mapping[str, Any]] = ()

    @property
    def final(self) -> Mapping[str, Any]:
        """The figures of what one would use: after training where there was any."""
        return self.recovered or self.pruned

    @property
    def title(self) -> str:
        """The report's name."""
        return self.recipe.name or f"{self.recipe.model.reference}, pruned"


def screen(report: Report) -> Screen:
    """What stands on the first screen: of the weights after training, where there was any."""
    figures, after = report.final, float(file_bytes(report.final))
    # Forecasts and answers are of the weights without training.
    trained = report.recovered is not None
    known = Known(
        report.recipe.model.reference,
        report.plan,
        float(report.dense_bytes),
        after,
        float(compact_bytes(figures) or after),
        measured=figures,
        forecast=None if trained else report.forecast,
        speed=report.speedup,
        answer=None if trained or not report.answers else report.answers[0],
    )
    return headline(report.title, known)


def figures_table(report: Report) -> list[list[str]]:
    """Dense, pruned and recovered: a heading, then a row a figure."""
    pruned, recovered = report.pruned, report.recovered
    columns = [pruned, *([recovered] if recovered else [])]
    rows = [["", "dense", "pruned", *(["recovered"] if recovered else [])]]
    rows.append(["KL to dense, nats per token", "0", *(kl(c["kl"]) for c in columns)])
    dense = perplexity(pruned["dense_perplexity"])
    rows.append(["perplexity", dense, *(perplexity(c["perplexity"]) for c in columns)])
    rows.append(["same next word as dense", "100 %", *(percent(c["agreement"], 1) for c in columns)])
    accuracy = percent(pruned["dense_accuracy"], 1)
    rows.append(["right next word", accuracy, *(percent(c["accuracy"], 1) for c in columns)])
    right = questions_before(pruned)
    before = "–" if right is None else percent(right, 1)
    rows.append(["questions right", before, *(_questions(c) for c in columns)])
    rows.append(["model folder", size(report.dense_bytes), *(size(file_bytes(c)) for c in columns)])
    packed = [compact_bytes(c) for c in columns]
    if any(packed):
        rows.append(["compact file", "–", *(size(c) if c else "–" for c in packed)])
    return rows


def _questions(figures: Mapping[str, Any]) -> str:
    """The share of the questions answered right; a dash where none were asked."""
    right = figures.get("probe_accuracy")
    return "–" if right is None else percent(right, 1)


def bands(report: Report) -> list[Band]:
    """What was forecast of the plan without training, with its band, and what was measured."""
    seen, truth = report.forecast, report.pruned
    if seen is None:
        return []
    return [
        Band("KL", "nats per token", seen.kl, seen.kl_low, seen.kl_high, truth["kl"]),
        Band(
            "perplexity", "", seen.perplexity, seen.perplexity_low, seen.perplexity_high, truth["perplexity"]
        ),
        Band(
            "same next word",
            "%",
            100 * seen.agreement,
            100 * seen.agreement_low,
            100 * seen.agreement_high,
            100 * truth["agreement"],
        ),
    ]
