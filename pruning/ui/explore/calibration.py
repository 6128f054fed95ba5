"""What the forecast is fitted to and how far it can be trusted: the strip that asks for measurements, the
meter of additivity, and whether a plan lies where others were measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median

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
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MIXED
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.data import queries, requests, session
from pruning.ui.explore import band_rows
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.plan import CurrentPlan
from pruning.ui.text import format, labels
from pruning.wording import counted
from pruning.workspace.store import Job

# By both names: jobs of an older version are in the workspace still.
CALIBRATE = ("calibrate", "teach")
TASKS = ("measure", "baseline", *CALIBRATE)
LATEST = 10
# One measurement in dense forward passes over as much text, where none was timed yet: the pruned model reads
# the text and some hundred questions, and both models' heads are compared.
MEASURE_FORWARDS = 4.0
# The meter goes from a third to three times.
WIDEST = 3.0
# With a band wider than this, ends over each other, a ratio says nothing of where it lies.
UNSURE = 2.0


# ---- what is still to be measured -------------------------------------------------------------------


def newly(model: queries.Info | None, smap: SensitivityMap | None) -> Callable[[Job], None]:
    """For the panel of jobs: draws the page anew as soon as a plan more is measured, while others are not."""
    before = len(queries.measurements(model, smap)) if model and smap else 0

    def look(job: Job) -> None:
        more = model and smap and len(queries.measurements(model, smap)) > before
        if more and job.request["task"] in CALIBRATE:
            st.rerun()

    return look


def unmeasured(model: queries.Info, smap: SensitivityMap, measurements: list[queries.Measured]) -> list[Plan]:
    """The plans that would tell the fit most and that are not measured yet."""
    identity = f"{smap.fingerprint}/{smap.criterion}/{smap.data_fingerprint}/{smap.levels}/{smap.kinds}"
    measured = {row.settings for row in measurements}
    return [
        plan
        for plan in _calibration_plans(identity, smap)
        if ",".join(format_settings(plan, smap.groups)) not in measured
    ]


@st.cache_resource(max_entries=8, show_spinner=False)
def _calibration_plans(identity: str, _smap: SensitivityMap) -> list[Plan]:
    return calibration_plans(_smap)


def seconds_each(smap: SensitivityMap) -> float:
    """About how long one measurement of the session's model takes: as its latest ones did, otherwise judged
    by how long a forward pass took when the map was drawn."""
    timed = [
        (job.finished - job.started) / count
        for job in queries.store().jobs(("done",), limit=200)
        if job.started and job.finished and (count := _measurements_of(job)) and requests.about_model(job)
    ]
    if timed:
        return median(timed[:LATEST])
    return MEASURE_FORWARDS * smap.seconds / max(smap.dense_forwards, 1.0)


def _measurements_of(job: Job) -> int:
    """How many plans a job measured."""
    if job.request["task"] in CALIBRATE:
        return int((job.result or {}).get("measured", 0))
    return int(job.request["task"] == "measure")


def strip(
    model: queries.Info,
    forecaster: Forecaster,
    measurements: list[queries.Measured],
    busy: bool,
) -> None:
    """What the forecast is fitted to, and what would tell it most, with the time that takes."""
    smap = forecaster.smap
    left = unmeasured(model, smap, measurements)
    basis = labels.fitted_to(forecaster.fit.measured)
    if not left:
        st.caption(f":material/school: {basis} The plans that calibrate it best are all measured.")
        return
    choice = session.current()
    structure = MIXED if smap.unit_totals else DEFAULT.structure
    request = requests.request("calibrate", criterion=choice.criterion, data=choice.data, structure=structure)
    count = counted(len(left), "measurement")
    with st.container(border=True, key="teach_strip", gap="small"):
        text, button = st.columns([3, 2], vertical_alignment="center", gap="large")
        text.markdown(basis)
        text.caption(
            f"{count} would calibrate it: about {format.seconds(len(left) * seconds_each(smap))} here. "
            "Every plan that you measure does so as well, at once."
        )
        with button:
            page_frame.submit_button(
                "Calibrate the forecast",
                request,
                icon=":material/school:",
                key="teach",
                timed=False,
                disabled=busy,
                width="stretch",
                help="Measures the plans that tell most about this model: two that take from everything, "
                "more late or more early, and for each kind of group one that takes most from it. None is "
                "measured twice.",
            )


# ---- how far to trust it ----------------------------------------------------------------------------


def meter(
    forecaster: Forecaster,
    current: CurrentPlan,
) -> None:
    """How far the plan lies from what additivity explains, and from what was measured."""
    points = queries.sweep_points(forecaster.smap)
    singles = {group: [(p["level"], p["kl"]) for p in rows] for group, rows in points.items()}
    alone = one_by_one(forecaster.smap, current.plan, singles)
    expected = additivity(current.forecast, alone)
    if expected is None:
        return
    measured = measured_additivity(float(current.measured["kl"]), alone) if current.measured else None
    basis = f"scaled by {len(singles)} measured single groups" if singles else "from the map"
    st.markdown(
        f"**Does the damage add up?** {sentence(measured or expected)}",
        help="The plan's KL over the sum of what each of its groups would cost alone, "
        f"KL {format.kl(expected.alone)} (forecast, {basis}). The forecast rests on such a sum; far from 1× "
        "groups get into each other's way, and a measurement tells more than it does.",
    )
    rows = [band_rows.Row("Forecast", [_mark(band_rows.FORECAST, expected)])]
    rows += [band_rows.Row("Measured", [_mark(band_rows.MEASURED, measured)])] if measured else []
    ends = [(_place(0.5), "half the sum"), (_place(1.0), "the sum"), (_place(2.0), "twice")]
    st.html(band_rows.tracks(rows, ends))
    where = whereabouts(forecaster, current.plan)
    if where:
        st.caption(where)


def sentence(meter: Additivity) -> str:
    """What the meter says, in words."""
    if meter.explained and meter.high > UNSURE * meter.low:
        return f"Too early to tell: together {meter.low:.2g} to {meter.high:.2g} times the sum of each alone."
    if meter.explained:
        return "Yes, as far as can be told: together it is about the sum of each alone."
    more = "more" if meter.times > 1 else "less"
    return f"Not quite: together it is {more} than the sum of each alone, {_times(meter.times)}."


def whereabouts(forecaster: Forecaster, plan: Plan) -> str:
    """Whether the plan lies where others were measured; nothing while none was."""
    there = reach(forecaster, plan)
    if there is None:
        return ""
    ends = format.kl(there.least), format.kl(there.most)
    measured = f"KL {ends[0]}" if ends[0] == ends[1] else f"KL {ends[0]} to {ends[1]}"
    if there.beyond == 0:
        return f":material/check: It lies within what was measured, plans with a forecast {measured}."
    side = "above" if there.beyond > 0 else "below"
    return (
        f":material/open_in_full: It lies {side} what was measured, plans with a forecast {measured}: "
        "so far out the forecast knows less, and its band is wider."
    )


def _mark(form: str, meter: Additivity) -> band_rows.Mark:
    text = f"{_times(meter.times)} ({meter.low:.2g} – {meter.high:.2g})"
    return band_rows.Mark(form, _place(meter.times), text, (_place(meter.low), _place(meter.high)))


def _times(value: float) -> str:
    return f"{value:.2g}×"


def _place(times: float) -> float:
    """Where a ratio stands on the meter, 0..1: on a log scale with 1 in the middle."""
    return min(1.0, max(0.0, 0.5 + 0.5 * math.log(times) / math.log(WIDEST)))
