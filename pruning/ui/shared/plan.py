"""The plan that a page is about: read, forecast and looked up once in a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.verdict import Verdict, forecast_verdict, measured_verdict
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.data import queries, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels


@dataclass(frozen=True, eq=False)
class CurrentPlan:
    """A plan in every form that a run of a page needs.

    `settings` is the plan as text, a setting each; `measured` are the figures of the task `measure`, None
    where exactly this plan was not measured.
    """

    plan: Plan
    settings: tuple[str, ...]
    forecast: Forecast
    measured: dict[str, Any] | None

    @property
    def text(self) -> str:
        """The plan in one line of text; empty where nothing is pruned."""
        return ",".join(self.settings)

    @property
    def verdict(self) -> Verdict:
        """Safe, noticeable or broken: measured where it was, else forecast."""
        return measured_verdict(self.measured) if self.measured else forecast_verdict(self.forecast)


def session_plan(model: queries.Info) -> Plan:
    """The session's plan; one that does not fit this model is shown as a mistake and taken as empty."""
    with page_frame.user_errors():
        return session.plan(model.groups)
    return {}


def current_plan(
    plan: Plan,
    model: queries.Info,
    forecaster: Forecaster,
    measurements: Sequence[queries.Measured],
) -> CurrentPlan:
    """A plan with its settings, its forecast and what was measured of it."""
    settings = tuple(format_settings(plan, model.groups))
    text = ",".join(settings)
    figures = next((row.figures for row in measurements if row.settings == text), None)
    return CurrentPlan(plan, settings, forecaster.forecast(plan), figures)


def drift(current: CurrentPlan) -> str:
    """The drift from the unpruned model in a sentence, forecast and measured."""
    if not current.plan:
        return "Nothing is removed yet. Move a fader, paint a curve, or take a preset."
    low, high = current.forecast.kl_low, current.forecast.kl_high
    drift = f"KL {format.kl(current.forecast.kl)} ({format.kl(low)} – {format.kl(high)}) nats per token"
    pruned = f"{format.percent(current.forecast.sparsity)} of the prunable weights removed"
    if current.measured is None:
        return f"{pruned} · {labels.FORECAST} {drift} · :gray-badge[not measured yet]"
    kl = current.measured["kl"]
    inside = "inside" if low <= kl <= high else "**outside**"
    return f"{pruned} · {labels.FORECAST} {drift} · {labels.MEASURED} KL {format.kl(kl)}, {inside} the band"
