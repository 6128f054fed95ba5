"""The bench of latency: what it races can be cut, and its figures stand in its table."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pruning.benchmarks import latency as bench
from pruning.benchmarks.markdown import TABLES
from pruning.benchmarks.tables import NOTHING
from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import find_units
from pruning.engine.evaluation import timing
from pruning.engine.models.load import load
from pruning.engine.structured.surgery import check_even
from pruning.tasks import Session, latency
from pruning.workspace.store import Store
from tests.support.result_keys import check_printed
from tests.support.tiny import tiny_model


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_mixed_plans_are_what_is_really_removed(family: str) -> None:
    model = tiny_model(family, **({"num_hidden_layers": 6} if family == "llama" else {"n_layer": 6}))
    units = find_units(model, find_groups(model))
    rng = np.random.default_rng(0)
    drawn = [bench._mixed(units, rng, 1) for _ in range(20)]
    for plan, removal in drawn:
        check_even(units, removal)
        gone = {layer for (layer, kind), level in plan.items() if kind == "layers"}
        assert gone == set(removal.layers)
        assert not {layer for layer, kind in plan if kind != "layers"} & gone
        for layer, pruned in removal.neurons.items():
            assert len(pruned) == round(plan[layer, "neurons"] * units.neurons[layer].count)
        for layer, pruned in removal.heads.items():
            level = plan.get((layer, "heads"), 0.0) + plan.get((layer, "kv_groups"), 0.0)
            assert len(pruned) == round(level * units.heads[layer].count)
    kinds = {kind for plan, _ in drawn for _, kind in plan}
    assert kinds == {"neurons", "heads", "kv_groups", "layers"}


def test_the_bench_races_single_kinds_and_mixes(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "measure_table", partial(timing.measure_table, rounds=1))
    for name, value in (("ROUNDS", 1), ("MIXED_PLANS", 2)):
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench, "SINGLE_PLANS", 4)
    found = bench.bench_latency(Session(load(str(llama_folder)), Store(tmp_path)))
    check_printed("bench latency", found)
    assert [row["kind"] for row in found["rows"][::2]] == [*bench.KINDS, "mixed", "mixed"]
    for row in found["rows"]:
        assert row["error"] == pytest.approx(abs(row["forecast"] / row["measured"] - 1))
    table = "\n".join(TABLES["latency"](found))
    assert f"| {NOTHING} |" not in table.replace(f"| {NOTHING} |\n", "")
    assert "median error, mixed plans, writing (`median_error_mixed_decode`)" in table
