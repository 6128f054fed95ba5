"""The three linked panels: points with their sources, the figure, a click that takes a plan, a budget."""

import json
import re
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from pruning.benchmarks.synthetic import with_units
from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.parts import parts_of
from pruning.planning.exports.model_facts import of_inspection
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, UNIT_KINDS, Plan
from pruning.ui.data import queries
from pruning.ui.data.costs import CostModel
from pruning.ui.shared.panels import figure as panels
from pruning.ui.shared.panels import points as plan_points
from pruning.ui.shared.panels.axes import Budget
from pruning.ui.shared.panels.points import COSTS, QUALITIES, Name, PlanPoint, point
from pruning.ui.text import panels as words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.latency_rows import put_latency
from tests.ui.conftest import Open

DENSE_MS = {"prefill": 412.0, "decode": 48.0}
HALF: Plan = dict.fromkeys([(layer, "up") for layer in range(4)], 0.5)
CUT: Plan = {(0, "neurons"): 0.5, (3, "layers"): 1.0}


@pytest.fixture
def costs(store: Store) -> CostModel:
    """A model that was not timed; its unpruned times are known."""
    synthetic.put_model(store)
    found = store.find("inspect")[0]["value"]
    return CostModel(parts_of(found), None, DENSE_MS, of_inspection(found))


@pytest.fixture
def forecaster() -> Forecaster:
    return Forecaster.prior(synthetic.sensitivity_map())


def made(forecaster: Forecaster, costs: CostModel, plan: Plan, kind: str = "plan", **more: Any) -> PlanPoint:
    """A point; units that the map does not price yet are forecast as nothing."""
    known = {group: level for group, level in plan.items() if group in forecaster.smap.groups}
    return point(Name(kind, kind, kind), plan, forecaster.forecast(known), costs.of(plan), **more)


# ---- points -----------------------------------------------------------------------------------------


def test_every_figure_of_every_point_says_where_it_comes_from(
    forecaster: Forecaster, costs: CostModel
) -> None:
    measured = queries.Measured("up@0-3=0.5", HALF, measured_figures(forecaster))
    points = plan_points.standing_points(forecaster, [measured], costs)
    assert {one.kind for one in points} == {"front", "preset", "dense", "measured"}
    for one in points:
        assert set(one.figures) == {*QUALITIES, *COSTS}
        said = words.said(one.name, one.figures, one.relative).split("<br>")[1:]
        assert len(said) == len(QUALITIES) + len(COSTS)
        assert all(re.search(r", (measured|forecast|estimate)$", line) for line in said)


def measured_figures(forecaster: Forecaster) -> dict[str, Any]:
    seen = forecaster.forecast(HALF)
    return {
        "kl": seen.kl * 1.1,
        "perplexity": 40.0,
        "agreement": 0.8,
        "accuracy": 0.36,
        "bytes": 500_000_000,
        "file_bytes": 538_090_408,
    }


def test_a_measured_plan_has_its_measured_figures_and_no_band(
    forecaster: Forecaster, costs: CostModel
) -> None:
    one = made(forecaster, costs, HALF, "measured", measured=measured_figures(forecaster))
    assert one.figures["perplexity"] == plan_points.Figure(40.0, "measured")
    assert one.figures["size"] == plan_points.Figure(538_090_408, "measured")
    assert one.figures["decode"].source == "estimate", "nobody timed it"


def test_a_forecast_has_its_band(forecaster: Forecaster, costs: CostModel) -> None:
    seen = forecaster.forecast(HALF)
    kl = made(forecaster, costs, HALF).figures["kl"]
    assert (kl.value, kl.low, kl.high, kl.source) == (seen.kl, seen.kl_low, seen.kl_high, "forecast")


def test_units_make_a_smaller_file_and_less_time(forecaster: Forecaster, costs: CostModel) -> None:
    dense, cut = (made(forecaster, costs, plan) for plan in ({}, CUT))
    for cost in COSTS:  # the compact file holds fewer weights as well
        assert cut.figures[cost].value < dense.figures[cost].value
    assert cut.figures["prefill"].source == "estimate"
    assert dense.figures["prefill"] == plan_points.Figure(412.0, "measured")


def test_times_are_a_forecast_once_the_model_is_timed(
    forecaster: Forecaster, costs: CostModel, store: Store
) -> None:
    timed = replace(costs, latency=LatencyTable.from_dict(put_latency(store)))
    one = made(forecaster, timed, CUT)
    assert one.figures["prefill"] == plan_points.Figure(pytest.approx(300 - 2 - 9), "forecast")
    assert timed.stamp != costs.stamp


def test_without_any_time_a_plan_has_the_share_of_the_unpruned_models(
    forecaster: Forecaster, costs: CostModel
) -> None:
    one = made(forecaster, replace(costs, dense_ms=None), CUT)
    assert one.relative
    assert 0 < one.figures["decode"].value < 1
    assert words.said("", one.figures, one.relative).count("of unpruned, estimate") == 2


def test_a_plan_of_units_that_the_model_has_not_is_left_out(forecaster: Forecaster, costs: CostModel) -> None:
    strange = queries.Measured("up@99=0.5", {(99, "up"): 0.5}, measured_figures(forecaster))
    kinds = {one.kind for one in plan_points.standing_points(forecaster, [strange], costs)}
    assert "measured" not in kinds


def _stay(plan: Plan) -> list[int]:
    return [layer for layer in range(30) if (layer, "layers") not in plan]


def test_the_front_of_the_folder_holds_what_can_be_written_smaller(costs: CostModel) -> None:
    forecaster = Forecaster.prior(with_units(synthetic.sensitivity_map()))
    plans = plan_points.best_plans(forecaster, costs, "size")
    sizes = [costs.of(plan).file_bytes for plan in plans]
    kls = [forecaster.forecast(plan).kl for plan in plans]
    assert len(plans) > 5
    assert sizes == sorted(sizes, reverse=True)
    assert kls == sorted(kls)
    for plan in plans:
        assert len({frozenset((k, v) for (own, k), v in plan.items() if own == n) for n in _stay(plan)}) == 1
    assert {kind for plan in plans for _, kind in plan} <= set(UNIT_KINDS)


def test_the_front_of_the_compact_file_mixes_units_and_weights(costs: CostModel) -> None:
    forecaster = Forecaster.prior(with_units(synthetic.sensitivity_map()))
    plans = plan_points.best_plans(forecaster, costs, "compact")
    sizes = [costs.of(plan).compact_bytes for plan in plans]
    assert sizes == sorted(sizes, reverse=True)
    assert {kind for plan in plans for _, kind in plan} & set(KINDS)


HEAD: Plan = {(0, "heads"): 1 / 9}  # alone of three that share keys and values
SOME: Plan = {(0, "neurons"): 0.5}
ALIKE: Plan = {(layer, "neurons"): 0.5 for layer in range(30)}


@pytest.mark.parametrize(
    ("plan", "family", "smaller"),
    [(ALIKE, "llama", True), (SOME, "llama", True), (HEAD, "llama", False), (SOME, "gpt2", True)],
)
def test_a_folder_is_smaller_where_one_holds_what_is_left(
    costs: CostModel, plan: Plan, family: str, smaller: bool
) -> None:
    forecaster = Forecaster.prior(with_units(synthetic.sensitivity_map()))
    own = replace(costs, facts=replace(costs.facts, family=family))
    [point] = plan_points.placed([(Name("plan", "plan", "plan"), plan, None)], forecaster, own)
    assert point.figures["size"].value == costs.of(plan if smaller else {}).file_bytes
    assert point.figures["compact"].value < costs.of({}).file_bytes


# ---- the figure -------------------------------------------------------------------------------------


@pytest.fixture
def points(forecaster: Forecaster, costs: CostModel) -> list[PlanPoint]:
    return [
        made(forecaster, costs, {}, "dense"),
        made(forecaster, costs, HALF, "measured", measured=measured_figures(forecaster)),
        made(forecaster, costs, CUT | {(9, "up"): 0.5}, "plan"),
    ]


def markers(picture: go.Figure, name: str) -> list[Any]:
    return [trace for trace in picture.data if trace.name == words.KIND[name]]


def test_a_plan_is_at_the_same_height_in_all_panels(points: list[PlanPoint]) -> None:
    picture = panels.figure(points)
    for kind in ("dense", "measured", "plan"):
        traces = markers(picture, kind)
        assert [trace.xaxis for trace in traces] == ["x", "x2", "x3"]
        assert {trace.yaxis for trace in traces} == {"y"}
        assert len({trace.y[0] for trace in traces}) == 1
        assert [trace.showlegend for trace in traces] == [True, False, False]
        assert {trace.customdata[0] for trace in traces} == {kind}
    assert picture.layout.yaxis.spikemode == "across"
    assert picture.layout.yaxis.title.text == "Right next word (%)"
    titles = [picture.layout[f"xaxis{number}"].title.text for number in ("", 2, 3)]
    assert titles == ["Model folder (MB)", "Reading a prompt (ms, estimate)", "Writing a word (ms, estimate)"]


def test_every_kind_has_a_symbol_of_its_own_and_measured_points_are_filled(points: list[PlanPoint]) -> None:
    picture = panels.figure(points)
    symbols = {kind: markers(picture, kind)[0].marker.symbol[0] for kind in ("dense", "measured", "plan")}
    assert symbols == {"dense": "star", "measured": "circle", "plan": "diamond-open"}
    assert len({look.symbol for look in panels.LOOK.values()}) == len(panels.LOOK)
    [bars, *_] = [trace.error_y for trace in markers(picture, "plan")]
    band = points[2].figures["accuracy"]
    assert bars.arrayminus[0] == pytest.approx(100 * (band.value - band.low))
    assert bars.array[0] == pytest.approx(100 * (band.high - band.value))


@pytest.mark.parametrize("quality", QUALITIES)
def test_each_quality_shows_this_plan_and_the_unpruned_model(points: list[PlanPoint], quality: str) -> None:
    axis = panels.figure(points, quality).layout.yaxis
    low, high = (10**end for end in axis.range) if axis.type == "log" else axis.range
    scale = 100 if quality in ("accuracy", "agreement") else 1
    for one in (points[0], points[2]):
        assert low <= scale * one.figures[quality].value <= high


def test_a_budget_draws_a_line_and_makes_plans_beyond_it_pale_everywhere(points: list[PlanPoint]) -> None:
    size = points[2].figures["size"].value
    picture = panels.figure(points, budget=Budget("size", size))
    beyond, line = picture.layout.shapes
    assert (line.x0, line.x1, line.xref) == (size / 1e6, size / 1e6, "x")
    assert (beyond.x0, beyond.layer) == (size / 1e6, "below")
    for kind, opacity in (("dense", panels.FADED), ("measured", panels.FADED), ("plan", 1.0)):
        assert {trace.marker.opacity[0] for trace in markers(picture, kind)} == {opacity}
    assert len(panels.figure(points, budget=Budget("accuracy", 0.3)).layout.shapes) == 6


def test_a_panel_in_which_nothing_differs_says_why(forecaster: Forecaster, costs: CostModel) -> None:
    zeros = [made(forecaster, costs, {}, "dense"), made(forecaster, costs, HALF)]
    notes = panels.figure(zeros).layout.annotations
    assert {note.text for note in notes} == {words.NO_DIFFERENCE}
    assert len(notes) == 3


# ---- the page ---------------------------------------------------------------------------------------


@pytest.fixture
def smap(store: Store) -> SensitivityMap:
    return synthetic.put_all(store)


def drawn(app: AppTest) -> dict[str, Any]:
    [spec] = [
        json.loads(chart.proto.spec) for chart in app.get("plotly_chart") if "xaxis3" in chart.proto.spec
    ]
    return spec


def test_a_click_takes_the_plan_and_undo_takes_it_back(open_page: Open, smap: SensitivityMap) -> None:
    def script() -> None:
        import streamlit as st

        from pruning.planning.forecast.forecaster import Forecaster
        from pruning.ui.data import costs, queries, session
        from pruning.ui.shared.panels import points as plan_points
        from pruning.ui.shared.panels import section

        model = queries.info()
        smap = queries.sensitivity_map(model)
        forecaster = Forecaster.prior(smap)
        points = plan_points.standing_points(forecaster, [], costs.cost_model(model))
        section.take(points, "preset:uniform:0.3", forecaster)
        section.take(points, "no such point", forecaster)
        st.text(",".join(session.current().settings))
        session.undo()
        st.text(",".join(session.current().settings))

    app = AppTest.from_function(script, default_timeout=60)
    app.query_params["model"], app.query_params["plan"] = "demo", "up=0.5"
    app.run()
    assert not app.exception
    assert [text.value for text in app.text] == ["all=0.3", "up=0.5"]


def test_the_page_shows_every_kind_of_plan(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="down=0.2", pin="Mine:up=0.3")
    names = {trace["name"] for trace in drawn(app)["data"]}
    assert names >= set(words.KIND.values()) | {"Uniform"}


def test_the_quality_and_the_third_panel_are_chosen(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="down=0.2")
    app.session_state["panels_quality"] = "kl"
    app.session_state["panels_first"] = "compact"
    app.session_state["panels_third"] = "memory"
    app.run()
    assert not app.exception
    layout = drawn(app)["layout"]
    assert layout["yaxis"]["title"]["text"] == words.QUALITY_AXIS["kl"]
    assert layout["xaxis"]["title"]["text"] == "Compact file (MB)"
    assert layout["xaxis3"]["title"]["text"] == "Memory while running (MB, estimate)"


def test_a_budget_is_typed_in_the_unit_of_its_axis(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="down=0.2")
    app.selectbox(key="panels_budget_axis").set_value("size").run()
    field = app.number_input(key="panels_budget_size")
    assert field.label == "Model folder, at most (MB)"
    field.set_value(400.0).run()
    assert not app.exception
    assert drawn(app)["layout"]["shapes"][1]["x0"] == 400.0


@pytest.mark.parametrize(("axis", "key"), [("compact", "megabytes"), ("size", "file"), ("decode", "writing")])
def test_a_budget_is_taken_to_optimize(open_page: Open, smap: SensitivityMap, axis: str, key: str) -> None:
    app = open_page("explore", model="demo", plan="down=0.2")
    app.session_state["panels_first"] = axis if axis == "compact" else "size"
    app.run()
    app.selectbox(key="panels_budget_axis").set_value(axis).run()
    app.button(key="panels_optimize").click().run()
    assert not app.exception
    assert app.query_params["tab"] == "optimize"
    wanted = {"compact": 430.0, "size": 430.0, "decode": 1.263}[axis]
    assert app.session_state[f"optimize_{key}"] == pytest.approx(wanted, rel=0.02)
    assert app.session_state["optimize_share"] is None
