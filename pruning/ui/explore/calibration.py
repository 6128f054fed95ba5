"""What teaches the forecast and how far it can be trusted: the strip that asks for measurements, the meter of
additivity, and whether a plan lies where others were measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median
from typing import Any

import streamlit as st

from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.diagnostics import (
    Additivity,
    additivity,
    measured_additivity,
    one_by_one,
    reach,
)
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast, ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.shared import band_rows as tracks
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words
from pruning.workspace.store import Job

TASKS = ("measure", "teach")
LATEST = 10
# One measurement in dense forward passes over as much text, where none was timed yet: the pruned model reads
# the text and some hundred questions, and both models' heads are compared.
MEASURE_FORWARDS = 4.0
# The meter goes from a third to three times.
WIDEST = 3.0


# ---- what is still to be measured -------------------------------------------------------------------


def newly(model: services.Info | None, smap: SensitivityMap | None) -> Callable[[Job], None]:
    """For the panel of jobs: draws the page anew as soon as a plan more is measured, while others are not."""
    before = len(services.measurements(model, smap)) if model and smap else 0

    def look(job: Job) -> None:
        more = model and smap and len(services.measurements(model, smap)) > before
        if more and job.request["task"] == "teach":
            st.rerun()

    return look


def untaught(model: services.Info, smap: SensitivityMap, known: list[services.Measured]) -> list[Plan]:
    """The plans from which the forecast would learn most and which are not measured yet."""
    identity = f"{smap.fingerprint}/{smap.criterion}/{smap.data_fingerprint}/{smap.levels}"
    have = {one.settings for one in known}
    return [
        plan for plan in _trials(identity, smap) if ",".join(format_settings(plan, model.groups)) not in have
    ]


@st.cache_resource(max_entries=8, show_spinner=False)
def _trials(identity: str, _table: SensitivityMap) -> list[Plan]:
    return calibration_plans(_table)


def seconds_each(smap: SensitivityMap) -> float:
    """About how long one measurement of the session's model takes: as its latest ones did, otherwise judged
    by how long a forward pass took when the map was drawn."""
    timed = [
        (job.finished - job.started) / count
        for job in services.store().jobs(("done",), limit=200)
        if job.started and job.finished and (count := _measurements_of(job)) and services.about_model(job)
    ]
    if timed:
        return median(timed[:LATEST])
    return MEASURE_FORWARDS * smap.seconds / max(smap.dense_forwards, 1.0)


def _measurements_of(job: Job) -> int:
    """How many plans a job measured."""
    if job.request["task"] == "teach":
        return int((job.result or {}).get("measured", 0))
    return int(job.request["task"] == "measure")


def strip(
    model: services.Info,
    smap: SensitivityMap,
    known: list[services.Measured],
    calibration: ForecastFit,
    busy: bool,
) -> None:
    """What the forecast has learnt from, and what it would learn most from, with the time that takes."""
    left = untaught(model, smap, known)
    said = words.learnt(calibration.measured)
    if not left:
        st.caption(f":material/school: {said} The plans that teach it most are all measured.")
        return
    choice = state.current()
    wanted = services.request("teach", criterion=choice.criterion, data=choice.data)
    count = "1 measurement" if len(left) == 1 else f"{len(left)} measurements"
    with st.container(border=True, key="teach_strip", gap="small"):
        told, asked = st.columns([3, 2], vertical_alignment="center", gap="large")
        told.markdown(said)
        told.caption(
            f"{count} would teach it most: about {words.seconds(len(left) * seconds_each(smap))} here. "
            "Every plan that you measure teaches it as well, at once."
        )
        with asked:
            shell.ask(
                "Teach the forecast",
                wanted,
                icon=":material/school:",
                key="teach",
                disabled=busy,
                width="stretch",
                help="Measures the plans that tell most about this model: two that take from everything, "
                "more late or more early, and for each kind of group one that takes most from it. None is "
                "measured twice.",
            )
        shell.command(wanted)


# ---- how far to trust it ----------------------------------------------------------------------------


def meter(
    smap: SensitivityMap,
    plan: Plan,
    seen: Forecast,
    truth: dict[str, Any] | None,
    calibration: ForecastFit,
) -> None:
    """How far the plan lies from what additivity explains, and from what was measured."""
    points = services.sweep_points(smap)
    singles = {group: [(p["level"], p["kl"]) for p in own] for group, own in points.items()}
    alone = one_by_one(smap, plan, singles)
    told = additivity(seen, alone)
    if told is None:
        return
    found = measured_additivity(float(truth["kl"]), alone) if truth else None
    basis = f"scaled by {len(singles)} measured single groups" if singles else "from the map"
    st.markdown(
        f"**Do costs add up?** {sentence(found or told)}",
        help="The plan's KL over the sum of what each of its groups would cost alone, "
        f"KL {words.kl(told.alone)} (forecast, {basis}). The forecast rests on such a sum; far from 1× "
        "groups get into each other's way, and a measurement tells more than it does.",
    )
    rows = [tracks.Row("Forecast", [_mark(tracks.FORECAST, told)])]
    rows += [tracks.Row("Measured", [_mark(tracks.MEASURED, found)])] if found else []
    ends = [(_place(times), f"{times:g}×") for times in (0.5, 1.0, 2.0)]
    st.html(tracks.tracks(rows, ends))
    where = whereabouts(smap, plan, calibration)
    if where:
        st.caption(where)


def sentence(told: Additivity) -> str:
    """What the meter says, in words."""
    if told.explained:
        return "As far as can be told: together the groups cost what they cost one by one."
    more = "more" if told.times > 1 else "less"
    return f"Not quite: together the groups cost {more} than one by one, {_times(told.times)}."


def whereabouts(smap: SensitivityMap, plan: Plan, calibration: ForecastFit) -> str:
    """Whether the plan lies where others were measured; nothing while none was."""
    there = reach(Forecaster(smap, calibration), plan)
    if there is None:
        return ""
    ends = words.kl(there.least), words.kl(there.most)
    measured = f"KL {ends[0]}" if ends[0] == ends[1] else f"KL {ends[0]} to {ends[1]}"
    if there.beyond == 0:
        return f":material/check: It lies within what was measured, plans with a forecast {measured}."
    side = "above" if there.beyond > 0 else "below"
    return (
        f":material/open_in_full: It lies {side} what was measured, plans with a forecast {measured}: "
        "so far out the forecast knows less, and its band is wider."
    )


def _mark(form: str, told: Additivity) -> tracks.Mark:
    said = f"{_times(told.times)} ({told.low:.2g} – {told.high:.2g})"
    return tracks.Mark(form, _place(told.times), said, (_place(told.low), _place(told.high)))


def _times(value: float) -> str:
    return f"{value:.2g}×"


def _place(times: float) -> float:
    """Where a ratio stands on the meter, 0..1: on a log scale with 1 in the middle."""
    return min(1.0, max(0.0, 0.5 + 0.5 * math.log(times) / math.log(WIDEST)))
