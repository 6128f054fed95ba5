"""The plan that a page is about: read, forecast and looked up once in a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.forecast.verdict import Verdict, forecast_verdict, measured_verdict
from pruning.planning.recipe.plan import Group, Plan, format_settings
from pruning.planning.recipe.training import Training
from pruning.ui.data import queries, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.ui.text import recovery as recover_words

# Of a plan that was trained in many ways, the newest.
MOST_RECOVERED = 3


@dataclass(frozen=True, eq=False)
class CurrentPlan:
    """A plan in every form that a run of a page needs.

    `settings` is the plan as text, a setting each; `measured` are the figures that any task measured of it
    without training, None where exactly this plan was not measured.
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


def session_plan(groups: Sequence[Group]) -> Plan:
    """The session's plan; one that does not fit these groups is shown as a mistake and taken as empty.

    They are those of the page's map: a plan can name units that an older map does not price.
    """
    with page_frame.user_errors():
        return session.plan(list(groups))
    return {}


def current_plan(
    plan: Plan,
    model: queries.Info,
    forecaster: Forecaster,
    measurements: Sequence[queries.Measured],
) -> CurrentPlan:
    """A plan with its settings, its forecast and what was measured of it."""
    settings = tuple(format_settings(plan, model.groups))
    return CurrentPlan(plan, settings, forecaster.forecast(plan), queries.measured(plan, measurements))


def after_recovery(smap: SensitivityMap, plan: Plan) -> None:
    """What was measured of the plan after training, a line each; nothing where it was not trained."""
    for row in queries.recovered(smap, plan)[:MOST_RECOVERED]:
        figures, how = row.figures, recover_words.how(Training.of(row.recovery or {}))
        st.markdown(
            f"{labels.RECOVERED} KL {format.kl(figures['kl'])} nats per token · perplexity "
            f"{format.perplexity(figures['perplexity'])} · same next word "
            f"{format.percent(figures['agreement'])} :small[({how})]"
        )


def drift(current: CurrentPlan) -> str:
    """The drift from the unpruned model in a sentence, forecast and measured."""
    if not current.plan:
        return "Nothing is removed yet. Move a slider, paint a curve, or take a preset."
    low, high = current.forecast.kl_low, current.forecast.kl_high
    drift = f"KL {format.kl(current.forecast.kl)} ({format.kl(low)} – {format.kl(high)}) nats per token"
    pruned = f"{format.percent(current.forecast.sparsity)} of the prunable weights removed"
    if current.measured is None:
        return f"{pruned} · {labels.FORECAST} {drift} · :gray-badge[not measured yet]"
    kl = current.measured["kl"]
    inside = "inside" if low <= kl <= high else "**outside**"
    was = f"{format.kl(current.forecast.kl)} ({format.kl(low)} – {format.kl(high)})"
    return (
        f"{pruned} · {labels.MEASURED} KL {format.kl(kl)} nats per token :small[forecast was {was}; it lies "
        f"{inside} the band]"
    )
