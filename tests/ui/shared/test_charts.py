"""Figures from data: what stands where, in which unit, and how forecast and measurement are told apart."""

import colorsys
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest

from pruning.planning.recipe.plan import KINDS
from pruning.ui.shared import charts
from pruning.ui.text import format, labels
from tests.support.synthetic import groups

GROUPS = groups(4)
COSTS = np.linspace(0.001, 0.2, len(GROUPS))


def axes(figure: go.Figure) -> tuple[str, str]:
    return figure.layout.xaxis.title.text, figure.layout.yaxis.title.text


def test_composition_stacks_every_kind_by_layer() -> None:
    figure = charts.composition([(layer, kind, 1_000_000) for layer, kind in GROUPS])
    assert [bar.name for bar in figure.data] == [labels.kind(kind) for kind in KINDS]
    assert all(list(bar.y) == [1.0] * 4 for bar in figure.data)
    assert figure.layout.barmode == "stack"
    assert axes(figure) == ("Layer", "Parameters (millions)")


def test_a_model_without_gate_has_no_bar_for_it() -> None:
    figure = charts.composition([(0, "up", 5), (0, "down", 5)])
    assert [bar.name for bar in figure.data] == ["MLP up", "MLP down"]


def test_totals_add_up_to_the_whole() -> None:
    figure = charts.totals({"up": 3_000_000, "down": 1_000_000}, 4_000_000)
    assert sum(figure.data[0].x) == pytest.approx(8.0)
    assert list(figure.data[0].text) == ["3.00 M · 38 %", "1.00 M · 13 %", "4.00 M · 50 %"]


def test_damage_adds_up_to_the_forecast() -> None:
    figure = charts.damage(GROUPS, COSTS)
    assert sum(sum(bar.y) for bar in figure.data) == pytest.approx(COSTS.sum())
    assert axes(figure) == ("Layer", "Forecast KL (nats per token)")


def test_abilities_put_both_models_side_by_side() -> None:
    figure = charts.abilities([("Unpruned", {"facts": 0.5}), ("This plan", {"facts": 0.25})])
    assert [(bar.name, list(bar.x)) for bar in figure.data] == [("Unpruned", [50.0]), ("This plan", [25.0])]
    assert figure.layout.showlegend


def lightness(colour: str) -> float:
    """L* of a colour, 0 = black and 100 = white."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(116 * np.cbrt(np.dot([0.2126, 0.7152, 0.0722], linear)) - 16)


def hue(colour: str) -> float:
    return 360 * colorsys.rgb_to_hsv(*(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)))[0]


def test_damage_and_sparsity_have_scales_that_nobody_mixes_up() -> None:
    """Warm and blue: hues that stay apart in every kind of colour vision. Darker is more in both."""
    for colour in charts.DAMAGE:
        assert hue(colour) < 45 or hue(colour) > 340
    for colour in charts.SPARSITY:
        assert 190 < hue(colour) < 220
    for scale in (charts.DAMAGE, charts.SPARSITY):
        steps = [lightness(colour) for colour in scale]
        assert all(lighter - darker > 4 for lighter, darker in pairwise(steps))
        assert steps[0] < 95, "the least is seen on white"
        assert steps[-1] > lightness("#10161D") + 20, "the most is seen on the dark ground"
    assert charts.DAMAGE_TITLE != charts.SPARSITY_TITLE


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (format.count(134_515_008), "135 M"),
        (format.size(538_090_408), "538 MB"),
        (format.percent(0.314), "31 %"),
        (format.percent(-0.18), "−18 %"),
        (format.percent(0.004), "0.4 %"),
        (format.perplexity(33.84), "33.8"),
        (format.perplexity(9.876), "9.88"),
        (format.perplexity(13_830.0), "13,830"),
        (format.perplexity(999_600.0), "1.0 million"),
        (format.perplexity(1_520_000.0), "1.5 million"),
        (format.perplexity(4.6e10), "46 billion"),
        (format.perplexity(3e12), "3.0 × 10¹²"),
        (format.percent(0.315), "32 %"),
        (format.percent(0.325), "33 %"),
        (format.percent(0.285), "29 %"),
        (format.percent(-1e-6, 2), "0.00 %"),
        (format.tick(0.03), "0.03"),
        (format.tick(2000.0), "2,000"),
        (format.tick(5e6), "5 million"),
        (format.tick(1e-5), "1 × 10⁻⁵"),
        (format.kl(0.0), "0"),
        (format.kl(0.00002), "below 0.001"),
        (format.kl(0.0374), "0.037"),
        (format.more(0.038), "about 3.8 % more perplexity"),
        (format.more(1e-5), "less than 0.1 % more perplexity"),
        (format.seconds(31), "31 s"),
        (format.seconds(600), "10 min"),
        (format.milliseconds(1097), "1.1 s"),
        (format.layers([0, 1, 2, 7]), "0–2, 7"),
    ],
)
def test_numbers_are_rounded_for_people(said: str, expected: str) -> None:
    assert said == expected
