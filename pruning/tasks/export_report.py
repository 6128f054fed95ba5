"""The report of a recipe: what was measured, forecast and answered, in one HTML file."""

from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pruning.engine.evaluation.behaviour import load_prompts
from pruning.engine.evaluation.size import dense_bytes
from pruning.errors import PruningError
from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.parts import parts_of
from pruning.planning.cost.plan_cost import plan_cost
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import plan_id
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.spec import PruningSpec
from pruning.planning.report import page
from pruning.planning.report.content import Report
from pruning.planning.report.words import Speed
from pruning.tasks.context.session import Session
from pruning.tasks.generate import generate
from pruning.tasks.measure import figures_of
from pruning.workspace import results

PROMPTS, ANSWER_TOKENS = 3, 48


def write_report(session: Session, request: Recipe, spec: PruningSpec, draft: Path, masked: bool) -> str:
    """Write the report into a folder that is there, and see that it needs nothing beside itself."""
    path = draft / page.FILE
    path.write_text(page.document(report_of(session, request, spec)), encoding="utf-8")
    outside = links(path.read_text(encoding="utf-8"))
    if outside:
        raise PruningError(f"The report would need {outside[0]}; nothing was kept. Please report this.")
    return page.FILE


def report_of(session: Session, request: Recipe, spec: PruningSpec) -> Report:
    """All that the report says; what is not in the workspace is measured and asked now."""
    pruned = figures_of(session, spec)
    recovered = figures_of(session, spec, request.recovery) if request.recovery else None
    answers: list[dict[str, Any]] = []
    with suppress(PruningError):  # a model that cannot write has none
        prompts, options = load_prompts()[:PROMPTS], spec.options.changed()
        plans = [list(spec.settings)]
        answers = generate(session, prompts, plans, spec.criterion, ANSWER_TOKENS, **options)["answers"]
    return Report(
        recipe=request,
        plan=session.plan(spec.settings),
        layers=1 + max(group.layer for group in session.groups),
        dense_bytes=dense_bytes(session.model),
        pruned=pruned,
        recovered=recovered,
        forecast=_forecast(session, spec),
        speedup=_speedup(session, spec),
        answers=answers,
    )


def _forecast(session: Session, spec: PruningSpec) -> Forecast | None:
    """What the map says of the plan, fitted to what was measured of other plans; None where it cannot."""
    about = results.latest_subject(session.store, session.loaded.fingerprint, session.data)
    row = results.best_map(session.store, about, spec.criterion)
    if row is None:
        return None
    smap, plan = SensitivityMap.from_dict(row["value"]), session.plan(spec.settings)
    others = [
        found
        for found in results.measurements(session.store, smap)
        if found.recovery is None and found.plan and plan_id(found.plan) != plan_id(plan)
    ]
    pairs = [(found.plan, float(found.figures["kl"])) for found in others]
    with suppress(PruningError):  # an older map prices other kinds of groups
        return Forecaster.fitted(smap, pairs, [found.figures for found in others]).forecast(plan)
    return None


def _speedup(session: Session, spec: PruningSpec) -> Speed | None:
    """How many times as fast; None where the parts are not known."""
    loaded = session.loaded
    facts = results.inspected(session.store, loaded.reference, loaded.dtype)
    if facts is None:
        return None
    times = results.latency(session.store, loaded.fingerprint, loaded.dtype, loaded.device)
    table = LatencyTable.from_dict(times) if times else None
    with suppress(PruningError):
        cost = plan_cost(parts_of(facts), session.plan(spec.settings), table, round_to=spec.options.round_to)
        return Speed.of(cost, table, "PyTorch here")
    return None


def links(text: str) -> list[str]:
    """What an HTML text would load or lead to outside itself."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            outside = {name: value or "" for name, value in attrs if name in ("src", "href")}
            found.extend(value for value in outside.values() if not value.startswith(("data:", "#")))
            if tag in ("script", "link", "iframe"):
                found.append(tag)

    Reader().feed(text)
    return found
