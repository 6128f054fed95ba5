"""The benches print what others rely on, from real work on a tiny model."""

from pathlib import Path

import numpy as np
import pytest

from pruning import bench, bench_masks
from pruning.errors import PruningError
from pruning.models import fingerprint, load
from pruning.plan import KINDS
from pruning.progress import silent
from pruning.store import Store


def test_spearman_is_the_rank_correlation() -> None:
    assert bench.spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert bench.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # By hand: squared rank differences 0, 1, 1, 0 give 1 - 6 * 2 / (4 * 15).
    assert bench.spearman([1, 2, 3, 4], [0.1, 5, 3, 9]) == pytest.approx(0.8)


def test_random_plans_are_valid_varied_and_repeatable() -> None:
    groups = [(layer, kind) for layer in range(6) for kind in KINDS]
    plans = [bench.random_plan(groups, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    assert all(0 < level <= 0.9 for plan in plans for level in plan.values())


def test_bench_map_measures_and_leaves_the_model_alone(llama_folder: Path, tmp_path: Path) -> None:
    loaded = load(str(llama_folder))
    found = bench.bench_map(loaded, Store(tmp_path), silent)
    assert found["points"] == 15 * 9
    assert found["dense_forwards"] == pytest.approx(found["seconds"] / found["forward_seconds"])
    assert found["measured_points"] == 15
    for name in ("spearman_50", "spearman_70", "spearman_50_kronecker", "spearman_50_token"):
        assert -1 <= found[name] <= 1
    assert fingerprint(loaded.model) == loaded.fingerprint


def test_bench_masks_measures_uniform_levels_and_the_best_recipe(llama_folder: Path, tmp_path: Path) -> None:
    loaded = load(str(llama_folder))
    found = bench_masks.bench_masks(loaded, Store(tmp_path), silent)
    kls = [found[f"{name}_kl"] for name in ("magnitude", "wanda", "sparsegpt", "best")]
    assert all(kl > 0 for kl in kls)
    assert found["best_over_sparsegpt"] == found["best_kl"] / found["sparsegpt_kl"] < 1
    assert fingerprint(loaded.model) == loaded.fingerprint


def test_bench_forecast_stops_where_no_recipe_is_in_range(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "KL_RANGE", (50.0, 60.0))
    with pytest.raises(PruningError, match="random recipes"):
        bench.bench_forecast(load(str(llama_folder)), Store(tmp_path), silent)


def test_bench_forecast_counts_errors_over_recipes_it_did_not_learn_from(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "KL_RANGE", (0.0, 60.0))
    found = bench.bench_forecast(load(str(llama_folder)), Store(tmp_path), silent)
    assert found["recipes"] == 24 == len(found["rows"])
    errors = [abs(row["kl"] / row["calibrated"] - 1) for row in found["rows"]]
    assert found["median_error"] == pytest.approx(np.median(errors))
    assert found["forecast_ms"] > 0
    assert {row["criterion"] for row in found["rows"]} == {"magnitude", "wanda", "fisher"}
