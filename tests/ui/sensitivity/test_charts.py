"""The Sensitivity page's figures: what stands where, and that names and markers keep apart."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from pruning.planning.recipe.plan import Group
from pruning.ui.sensitivity import charts as sensitivity_charts
from pruning.ui.sensitivity.heat import Cell, heat
from pruning.ui.shared import charts
from pruning.ui.text import labels
from tests.support.synthetic import groups

GROUPS = groups(4)
COSTS = np.linspace(0.001, 0.2, len(GROUPS))


def cells_of(costs: np.ndarray) -> dict[Group, Cell]:
    return {group: Cell(float(cost)) for group, cost in zip(GROUPS, costs, strict=True)}


def axes(figure: go.Figure) -> tuple[str, str]:
    return figure.layout.xaxis.title.text, figure.layout.yaxis.title.text


def names(figure: go.Figure) -> dict[str, float]:
    """The lines' names at the right end, with their place from 0 (below) to 1 (above)."""
    return {note.text.rpartition("> ")[2]: note.y for note in figure.layout.annotations}


def test_heat_has_a_cell_and_a_marker_for_every_group() -> None:
    figure = heat(cells_of(COSTS), "KL", [(2, "gate")])
    cells, markers = figure.data
    assert np.array(cells.z).shape == (5, 4)
    assert 10 ** np.array(cells.z)[2][2] == pytest.approx(COSTS[GROUPS.index((2, "gate"))])
    assert [tuple(point) for point in markers.customdata] == [(layer, kind) for layer, kind in GROUPS]
    assert list(markers.selectedpoints) == [GROUPS.index((2, "gate"))]
    assert cells.colorbar.title.text == "Damage: KL, nats per token"
    assert [colour for _, colour in cells.colorscale] == list(charts.DAMAGE)
    assert markers.marker.color == charts.PICKED


def test_heat_in_perplexity_shows_percent_more() -> None:
    figure = heat(cells_of(np.full(len(GROUPS), 10.0)), "Perplexity")
    assert 10 ** np.array(figure.data[0].z)[0][0] == pytest.approx(10.0)
    assert figure.data[0].colorbar.title.text == "Damage: perplexity, % more"


@pytest.mark.parametrize("costs", [np.zeros(len(GROUPS)), np.full(len(GROUPS), 0.5)])
def test_heat_of_equal_costs_is_still_drawn(costs: np.ndarray) -> None:
    cells = heat(cells_of(costs)).data[0]
    assert np.isfinite(np.array(cells.z)).all()
    assert cells.zmax > cells.zmin


def test_curves_draw_forecasts_as_lines_and_measurements_as_points_of_the_same_colour() -> None:
    line = charts.Line("Layer 1 · MLP up", [0, 0.5], [0.0, 0.1], [0.0, 0.08], [0.0, 0.13])
    figure = sensitivity_charts.curves([line], [charts.Points("Layer 1 · MLP up", [0.5], [0.11])], "KL", 0.5)
    band, forecast, measured = figure.data
    assert band.fill == "toself"
    assert list(band.y) == [0.0, 0.13, 0.08, 0.0]
    assert forecast.mode == "lines"
    assert measured.mode == "markers"
    assert measured.name.endswith("measured")
    assert measured.marker.color == forecast.line.color
    assert list(measured.x) == [50]
    assert axes(figure) == ("Share of the group that goes (%)", "KL (nats per token)")


def test_heat_says_what_was_measured_and_takes_clicks_or_boxes() -> None:
    cells = {group: Cell(cost, (cost / 2, cost * 2)) for group, cost in zip(GROUPS, COSTS, strict=True)}
    cells[0, "qkv"] = replace(cells[0, "qkv"], measured=0.5)
    figure = heat(cells, "KL", box=True)
    texts = figure.data[1].text
    assert texts[0] == (
        "Layer 0 · Attention QKV<br>forecast KL 0.001 (below 0.001 – 0.002) nats/token"
        "<br>measured KL 0.5 nats/token"
    )
    assert "measured" not in texts[1]
    assert figure.layout.dragmode == "select"
    assert heat(cells_of(COSTS)).layout.dragmode == "pan"


def test_markers_of_a_deep_model_do_not_overlap() -> None:
    deep = groups(80)
    size = heat(dict.fromkeys(deep, Cell(1.0))).data[1].marker.size
    assert size <= 900 / 80, "cells are no wider in a window of 1280"


def test_names_stand_where_their_lines_end_and_apart() -> None:
    lines = [charts.Line(f"Line {end}", [0.1, 0.9], [0.0, end]) for end in (0.5, 0.49, 0.1)]
    places = names(sensitivity_charts.curves(lines, []))
    ends = sorted(places, key=places.__getitem__)
    assert ends == ["Line 0.1", "Line 0.49", "Line 0.5"]
    gap = sensitivity_charts.LINE_OF_TEXT / (sensitivity_charts.CURVES_HEIGHT - 60)
    assert places["Line 0.5"] - places["Line 0.49"] >= gap * 0.999
    assert places["Line 0.1"] == pytest.approx(0.1 / 0.52, abs=0.02)
    assert max(places.values()) <= 1


def test_criteria_share_a_logarithmic_axis_that_shows_every_line() -> None:
    lines = [
        charts.Line("Fisher", [0.1, 0.9], [0.01, 2.0], [0.008, 1.5], [0.012, 2.5]),
        charts.Line("Magnitude", [0.1, 0.9], [0.05, 9.0], [0.04, 7.0], [0.06, 12.0]),
    ]
    figure = sensitivity_charts.criteria(lines, [charts.Points("Fisher", [0.5], [0.2])], "KL", 30.0, 0.5)
    assert figure.layout.yaxis.type == "log"
    low, high = (10**value for value in figure.layout.yaxis.range)
    assert low < 0.008
    assert high > 12.0
    assert all(low <= value <= high for value in figure.layout.yaxis.tickvals)
    assert len(figure.layout.yaxis.tickvals) >= 3
    colours = {trace.name: trace.line.color for trace in figure.data if trace.fill is None}
    [measured] = [trace for trace in figure.data if trace.mode == "markers"]
    assert len({colours["Fisher"], colours["Magnitude"]}) == 2
    assert measured.marker.color == colours["Fisher"]
    assert axes(figure) == ("Weights set to zero (%)", "KL (nats per token)")
    assert names(figure)["Magnitude"] > names(figure)["Fisher"]


def test_criteria_that_cost_little_have_a_plain_axis_from_the_unpruned_perplexity() -> None:
    line = charts.Line("Wanda", [0.0, 0.9], [30.0, 33.0], [30.0, 31.0], [30.0, 36.0])
    figure = sensitivity_charts.criteria([line], [], "Perplexity", 30.0)
    assert figure.layout.yaxis.type is None
    low, high = figure.layout.yaxis.range
    assert low < 30.0
    assert 36.0 < high < 40.0


def test_every_criterion_has_a_colour_of_its_own() -> None:
    assert set(charts.CRITERION_COLOUR) == set(labels.CRITERION)
    assert len(set(charts.CRITERION_COLOUR.values())) == len(labels.CRITERION)


# ---- units, and damage for what is saved ------------------------------------------------------------


def test_units_are_rows_above_the_weights_with_a_gap_between() -> None:
    units = [(layer, kind) for layer in range(4) for kind in ("layers", "heads", "kv_groups", "neurons")]
    figure = heat({group: Cell(0.1) for group in [*GROUPS, *units]}, "KL", [(2, "heads")])
    rows = list(figure.data[0].y)
    assert rows[:4] == [labels.kind(kind) for kind in ("layers", "kv_groups", "heads", "neurons")]
    assert rows[4].strip() == ""
    assert rows[5:] == [labels.kind(kind) for kind in ("qkv", "attn_out", "gate", "up", "down")]
    assert len(figure.data[1].customdata) == len(GROUPS) + len(units)


def test_damage_for_what_is_saved_leaves_out_what_saves_nothing() -> None:
    cells = {(0, "neurons"): Cell(0.4, saved=2.0), (0, "up"): Cell(0.4, saved=0.0)}
    figure = heat(cells, "KL", per="ms")
    grid = dict(zip(figure.data[0].y, figure.data[0].z, strict=True))
    assert 10 ** grid["MLP neurons"][0] == pytest.approx(0.2)
    assert np.isnan(grid["MLP up"][0])
    assert figure.data[0].colorbar.title.text == "Damage: KL per ms"
    texts = dict(zip(cells, figure.data[1].text, strict=True))
    assert texts[0, "neurons"].endswith("saves 2 ms: KL 0.2 per ms")
    assert texts[0, "up"].endswith("saves nothing here")
