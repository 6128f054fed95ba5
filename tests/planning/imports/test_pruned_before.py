"""What was done to a model, in sentences."""

from pruning.planning.imports.pruned_before import findings


def test_nothing_is_said_of_a_dense_model() -> None:
    assert findings({"up": [(0, (8, 4), 0.0), (1, (8, 4), 0.001)]}) == []


def test_dropped_layers_zeros_and_widths_are_said() -> None:
    rows = {
        "qkv": [(0, (12, 4), 0.0), (1, (12, 4), 0.0)],
        "up": [(0, (6, 4), 0.5), (1, (8, 4), 0.0)],
        "down": [(0, (4, 6), 0.301), (1, (4, 8), 0.699)],
    }
    assert findings(rows, {"up": (8, 4), "qkv": (18, 4)}, [2, 3, 5]) == [
        "Layers 2-3,5 are gone.",
        "1 of 2 layers has 6 of 8 neurons.",
        "Every layer has 12 of 18 rows of queries, keys and values.",
        "50 % of the weights in up are zero in 1 of 2 layers.",
        "30 to 70 % of the weights in down are zero.",
    ]


def test_without_a_before_layers_are_held_against_each_other() -> None:
    rows = {"up": [(0, (6, 4), 0.0), (1, (8, 4), 0.0), (2, (7, 4), 0.0)]}
    assert findings(rows) == ["2 of 3 layers have 6 to 7 of 8 neurons."]
    assert findings(rows, dropped=[9])[0] == "Layer 9 is gone."
