"""What a report says of an export: for a manager in plain words, for an engineer in figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pruning.planning.cost.written import compact_bytes, file_bytes
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.verdict import BROKEN, NOTICEABLE, SAFE, measured_verdict
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.report.charts import Band
from pruning.planning.report.presentation import Figure, Judged
from pruning.wording import counted, kl, percent, perplexity, size

SIGN = {SAFE: "✓", NOTICEABLE: "!", BROKEN: "✕"}
SAYS = {
    SAFE: "Its answers read like those of the model before.",
    NOTICEABLE: "Its answers are noticeably worse than before.",
    BROKEN: "Its answers are broken: some run in circles or make no sense.",
}


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
        Times as fast as the unpruned model by mode, with whether it was timed here; None where unknown.
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
    speedup: tuple[Mapping[str, float], bool] | None = None
    answers: Sequence[Mapping[str, Any]] = ()

    @property
    def final(self) -> Mapping[str, Any]:
        """The figures of what one would use: after training where there was any."""
        return self.recovered or self.pruned

    @property
    def title(self) -> str:
        """The report's name."""
        return self.recipe.name or f"{self.recipe.model.reference}, pruned"


def headline(report: Report) -> tuple[Figure, Figure, Figure]:
    """Size, speed and likeness for everybody."""
    figures, after = report.final, file_bytes(report.final)
    if after < report.dense_bytes:
        smaller = Figure(
            percent(1 - after / report.dense_bytes),
            f"smaller: {size(after)} instead of {size(report.dense_bytes)}",
            "measured",
            "Counted in the pruned model.",
        )
    else:
        packed = compact_bytes(figures)
        says = f"as before; {size(packed)} as a compact file" if packed else "as before"
        smaller = Figure(size(after), says, "measured", "Counted: zeros take as much room as other numbers.")
    same = Figure(
        f"{round(100 * figures['agreement'])} in 100",
        "times it gives the same next word as before",
        "measured",
        f"Tried on real text at {counted(figures['tokens'], 'place')}.",
    )
    return smaller, _speed(report, after < report.dense_bytes), same


def _speed(report: Report, cut: bool) -> Figure:
    if not cut or report.speedup is None:
        why = "Zeros save no time: today's programs take as long over a zero as over any other number."
        return Figure("1.0×", "as fast as before", "forecast", why)
    speed, timed = report.speedup
    basis = "From times measured on this machine." if timed else "An estimate from bytes and operations."
    return Figure(f"{speed['decode']:.2f}×", "as fast as before when it writes", "forecast", basis)


def judged(report: Report) -> Judged:
    """How its answers are, in a sentence."""
    verdict = measured_verdict(report.final)
    reasons = "; ".join(reason for reason in verdict.reasons if not reason.startswith("KL"))
    return Judged(
        SIGN[verdict.worst], SAYS[verdict.worst], f"{reasons[:1].upper()}{reasons[1:]}.", "measured"
    )


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
    rows.append(["questions right", "–", *(percent(c["probe_accuracy"], 1) for c in columns)])
    rows.append(["model folder", size(report.dense_bytes), *(size(file_bytes(c)) for c in columns)])
    packed = [compact_bytes(c) for c in columns]
    if any(packed):
        rows.append(["compact file", "–", *(size(c) if c else "–" for c in packed)])
    return rows


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
