"""Labels of Plotly's points: none lies on another, on a point, or outside the plot."""

from itertools import combinations

import numpy as np

from pruning.ui.shared.label_layout import Axis, Box, label_box, text_positions

X, Y = Axis(0.0, 100.0, 620.0), Axis(0.01, 10.0, 380.0, log=True)


def boxes(points: list[tuple[float, float]], texts: list[str], x: Axis = X, y: Axis = Y) -> list[Box]:
    """Where the labels are that found a place."""
    sides = text_positions(points, texts, X, Y)
    spots = [(x.at(across), y.at(up)) for across, up in points]
    return [
        label_box(spot, text, side)
        for spot, text, side in zip(spots, texts, sides, strict=True)
        if side is not None
    ]


def test_no_two_labels_meet_on_the_chart_or_on_a_wider_one() -> None:
    draw = np.random.default_rng(3)
    left_out = 0
    for _ in range(100):
        points = [(float(x), float(10**y)) for x, y in draw.uniform((0, -2), (100, 1), (10, 2))]
        texts = [f"Plan {'x' * int(letters)}" for letters in draw.integers(1, 12, 10)]
        for wide in (620.0, 1100.0):
            placed = boxes(points, texts, Axis(0.0, 100.0, wide))
            assert not any(left.meets(right) for left, right in combinations(placed, 2))
        left_out += len(points) - len(placed)
        assert all(box.left >= 0 and box.right <= X.pixels for box in boxes(points, texts))
    assert left_out > 0, "where it is too crowded some are left out"


def test_points_on_one_spot_keep_what_can_be_read() -> None:
    sides = text_positions([(50.0, 0.3)] * 12, ["A plan's name"] * 12, X, Y)
    assert sides[0] == "middle right"
    assert None in sides
    placed = [side for side in sides if side]
    assert len(placed) == len(set(placed)) > 1


def test_a_label_without_words_takes_no_place() -> None:
    assert text_positions([(50.0, 0.3), (52.0, 0.3)], ["", "Wide enough"], X, Y) == [None, "middle right"]
