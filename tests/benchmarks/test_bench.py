"""The benches print what others rely on, from real work on a tiny model."""

import json
from pathlib import Path

import numpy as np
import pytest

from pruning.benchmarks import map as bench
from pruning.benchmarks import methods as bench_masks
from pruning.benchmarks.forecast import bench as bench_forecast
from pruning.benchmarks.forecast import recipes
from pruning.benchmarks.synthetic import sensitivity_map, with_units
from pruning.benchmarks.tables import NOTHING, TABLES
from pruning.engine.models.load import fingerprint, load
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.mix import in_whole_units, unit_part, weight_part
from pruning.planning.recipe.plan import check_together
from pruning.tasks import Session
from pruning.workspace.store import Store
from tests.support.result_keys import check_printed


def written(name: str, result: dict) -> str:
    """The bench's tables; no key that they ask for may be missing from what the bench returned."""
    text = "\n".join(TABLES[name](result))
    values = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| ")]
    assert values
    assert NOTHING not in values
    return text


def test_spearman_is_the_rank_correlation() -> None:
    assert bench.spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert bench.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # By hand: squared rank differences 0, 1, 1, 0 give 1 - 6 * 2 / (4 * 15).
    assert bench.spearman([1, 2, 3, 4], [0.1, 5, 3, 9]) == pytest.approx(0.8)


@pytest.mark.parametrize("kind", [*recipes.SHAPES, recipes.SOLVED])
def test_drawn_plans_are_varied_repeatable_and_cost_what_was_drawn(kind: str) -> None:
    table = sensitivity_map()
    plans = [recipes.drawn(table, kind, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    low, high = recipes.DRAWN_KL
    assert all(0 < level <= 0.95 for plan in plans for level in plan.values())
    assert all(0.9 * low <= Forecaster.prior(table).forecast(plan).kl <= 1.1 * high for plan in plans)


def test_drawn_plans_mix_units_and_weights_and_some_drop_layers() -> None:
    table, rng = with_units(sensitivity_map()), np.random.default_rng(0)
    plans = [recipes.drawn(table, recipes.UNITS_AND_WEIGHTS, rng) for _ in range(12)]
    assert plans[0] == recipes.drawn(table, recipes.UNITS_AND_WEIGHTS, np.random.default_rng(0))
    low, high = recipes.DRAWN_KL
    for plan in plans:
        check_together(plan)
        assert unit_part(plan)
        assert weight_part(plan)
        assert in_whole_units(plan, table.unit_totals) == pytest.approx(plan, abs=1e-6)
        assert 0.5 * low <= Forecaster.prior(table).forecast(plan).kl <= 1.5 * high
    dropped = [any(kind == "layers" for _, kind in plan) for plan in plans]
    assert 0 < sum(dropped) < len(plans)


def test_bench_map_measures_and_leaves_the_model_alone(llama_folder: Path, tmp_path: Path) -> None:
    loaded = load(str(llama_folder))
    found = bench.bench_map(Session(loaded, Store(tmp_path)))
    check_printed("bench map", found)
    assert found["points"] == 3 * (5 + 4) * 9
    assert found["units_share"] > 0
    assert found["units_processor_share"] > 0
    assert found["dense_forwards"] == pytest.approx(found["seconds"] / found["forward_seconds"])
    assert found["measured_points"] == 15
    for name in ("spearman_50", "spearman_70", "spearman_50_kronecker", "spearman_50_token"):
        assert -1 <= found[name] <= 1
    assert f"| {found['processor_forwards']:.1f} | at most 3 |" in written("map", found)
    assert sum(found["parts"].values()) == pytest.approx(found["processor_forwards"], rel=0.1)
    wanted = {"reading", "forward", "head", "backward", "inputs", "gradients", "sorting"}
    assert wanted | {"pricing weights", "pricing units"} <= found["parts"].keys()
    assert fingerprint(loaded.model) == loaded.fingerprint


def test_bench_masks_measures_uniform_levels_and_the_best_recipe(llama_folder: Path, tmp_path: Path) -> None:
    loaded = load(str(llama_folder))
    found = bench_masks.bench_masks(Session(loaded, Store(tmp_path)))
    check_printed("bench masks", found)
    kls = [found[f"{name}_kl"] for name in ("magnitude", "wanda", "sparsegpt", "best")]
    assert all(kl > 0 for kl in kls)
    assert found["best_over_sparsegpt"] == found["best_kl"] / found["sparsegpt_kl"] < 1
    assert f"| our best | {found['best_kl']:.3f} |" in written("masks", found)
    assert fingerprint(loaded.model) == loaded.fingerprint


def test_bench_verdict_measures_once_and_judges(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, store = load(str(llama_folder)), Store(tmp_path)
    plans = (("magnitude", "unstructured", "guide=0.9"), ("fisher", "neurons", "neurons=0.5"))
    found = bench_masks.bench_verdict(Session(loaded, store), plans)
    check_printed("bench verdict", found)
    assert [row["kl"] for row in found["rows"]] == sorted(row["kl"] for row in found["rows"])
    assert {row["verdict"] for row in found["rows"]} <= {"safe", "noticeable", "broken"}
    assert "| verdict |" in written("verdict", found)
    assert fingerprint(loaded.model) == loaded.fingerprint

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("it was measured again")

    monkeypatch.setattr(bench_masks, "measure", forbidden)
    assert bench_masks.bench_verdict(Session(loaded, store), plans) == found


def test_bench_forecast_counts_errors_over_recipes_it_did_not_learn_from(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_forecast, "KL_RANGE", (0.0, 60.0))
    cases = (bench_forecast.Case("wanda", "unstructured", 1), bench_forecast.Case("fisher", "neurons", 1))
    loaded = load(str(llama_folder))
    found = bench_forecast.bench_forecast(Session(loaded, Store(tmp_path)), cases)
    check_printed("bench forecast", found)
    assert found["recipes"] == 10 == len(found["rows"])
    assert json.loads(json.dumps(found)) == found
    assert [one["measured"] for one in found["taught"]] == [6, 3]
    errors = [abs(row["kl"] / row["forecast"] - 1) for row in found["rows"]]
    assert found["median_error"] == pytest.approx(np.median(errors))
    inside = [row["low"] <= row["kl"] <= row["high"] for row in found["rows"]]
    assert found["coverage_80"] == pytest.approx(np.mean(inside))
    assert {kind: own["recipes"] for kind, own in found["kinds"].items()} == dict.fromkeys(
        ("by kind", "some groups", "ramp", "mixed", "solved"), 2
    )
    assert f"| neurons | 5 | {100 * found['criteria']['neurons']['median_error']:.1f} % |" in written(
        "forecast", found
    )
    assert fingerprint(loaded.model) == loaded.fingerprint
