"""The report: a first screen for everybody, figures marked as what they are, and nothing loaded."""

from dataclasses import replace
from typing import Any

from pruning.benchmarks.synthetic import sensitivity_map, with_units
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.report.content import Report, figures_table, screen
from pruning.planning.report.page import document
from pruning.planning.report.words import Speed
from pruning.tasks.export_report import links

RECIPE = Recipe.from_dict(
    {
        "version": 2,
        "name": "half <script>alert(1)</script>",
        "model": {"reference": "demo", "fingerprint": "f"},
        "data": {"name": "demo"},
        "criterion": "fisher",
        "sparsity": {"up": 0.5},
    }
)
PRUNED: dict[str, Any] = {
    "kl": 0.21,
    "perplexity": 41.7,
    "dense_perplexity": 33.8,
    "agreement": 0.71,
    "accuracy": 0.36,
    "dense_accuracy": 0.39,
    "probe_accuracy": 0.55,
    "tokens": 4096,
    "bytes": 400_000_000,
    "file_bytes": 538_000_000,
    "sparsity": 0.1,
}


def report(**changed: Any) -> Report:
    smap = with_units(sensitivity_map())
    plan = parse_settings(["up=0.5"], smap.groups)
    seen = Forecaster.prior(smap).forecast(plan)
    answers = [
        {
            "prompt": "Why?",
            "dense": "Because <b>.",
            "pruned": "Be be be",
            "dense_tokens": ["Because", " <b>", "."],
            "first_difference": 0,
            "dense_ended": True,
            "pruned_ended": False,
        }
    ]
    whole = Report(RECIPE, plan, 30, 538_000_000, PRUNED, forecast=seen, answers=answers)
    return replace(whole, **changed)


def test_the_report_needs_nothing_and_runs_nothing() -> None:
    text = document(report())
    assert links(text) == []
    assert "<script" not in text
    assert "half &lt;script&gt;" in text
    assert "Because &lt;b&gt;." in text
    assert links('<img src="https://x/y.png"><a href="#a">') == ["https://x/y.png"]


def test_forecast_and_measured_stand_apart_with_band_and_unit() -> None:
    text = document(report())
    assert "KL, nats per token" in text
    assert "Forecast and measured, without training" in text
    assert "nothing was forecast" in document(report(forecast=None))


def test_dense_pruned_and_recovered_stand_side_by_side() -> None:
    recovered = {**PRUNED, "kl": 0.05, "perplexity": 35.0}
    rows = figures_table(report(recovered=recovered))
    assert rows[0] == ["", "dense", "pruned", "recovered"]
    assert rows[1][1:] == ["0", "0.21", "0.05"]
    assert rows[2][1:] == ["33.8", "41.7", "35.0"]
    assert len(figures_table(report())[0]) == 3
    assert rows[5][1:] == ["–", "55.0 %", "55.0 %"]
    asked = {**PRUNED, "behaviour": {"questions": 200, "questions_right": 150}}
    assert figures_table(report(pruned=asked))[5][1:] == ["75.0 %", "55.0 %"]


def test_zeros_are_no_speed_and_cut_units_are() -> None:
    shown = screen(report())
    size, speed, money = shown.saves
    assert (size.value, speed.value, money.value) == ("No smaller", "No faster", "No money saved")
    assert "as a compact file" in size.says
    cut = {**PRUNED, "structure": "neurons", "not_smaller": None, "bytes": 400_000_000}
    size, speed, money = screen(
        report(pruned=cut, speedup=Speed(1.25, 1.3, "PyTorch here", timed=False))
    ).saves
    assert (size.value, money.value) == ("26 % smaller", "6.90 € less")
    assert (speed.value, speed.source) == ("25 % faster", "estimate")


def test_costs_are_of_the_weights_that_one_would_use() -> None:
    judged, same, right = screen(report()).costs
    assert (same.value, right.value) == ("71 in 100", "55 in 100")
    assert judged.value == "✕ broken"
    trained = screen(report(recovered={**PRUNED, "agreement": 0.9, "probe_accuracy": 0.6}))
    assert [figure.value for figure in trained.costs[1:]] == ["90 in 100", "60 in 100"]
    assert trained.spoken is None, "answers were given without training"


def test_a_folders_path_is_not_told_on_the_first_screen() -> None:
    recipe = Recipe.from_dict(
        RECIPE.to_dict() | {"model": {"reference": "/home/somebody/secret/my-model", "fingerprint": "f"}}
    )
    assert "Of my-model, 10 % were set to zero." in screen(report(recipe=recipe)).done
