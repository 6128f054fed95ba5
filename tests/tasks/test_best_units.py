"""The best recipes for whole units: they take the share that is asked for where it costs least."""

import numpy as np
import pytest
import torch

from pruning.benchmarks import units as bench_units
from pruning.engine.architecture.units import find_units
from pruning.engine.masking.masks import criterion_inputs
from pruning.engine.models.load import Loaded
from pruning.engine.sensitivity.unit_costs import share_out, unit_cost_curves
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.progress import silent
from pruning.tasks import TASKS
from pruning.tasks.best import best_spec
from pruning.tasks.context.apply import applied
from pruning.tasks.context.context import statistics_of
from pruning.workspace.store import Store
from tests.benchmarks.test_bench import written
from tests.support.tiny import HEADS, INNER, LAYERS, VOCABULARY

pytestmark = pytest.mark.usefixtures("dense_again")


def test_units_go_where_they_cost_least() -> None:
    cheap, dear = np.arange(33) ** 2 * 1.0, np.arange(33) ** 2 * 9.0
    plan = share_out({0: cheap, 1: dear}, {0: 64, 1: 64}, "neurons", 0.25)
    # 32 of 128 go: a² + 9b² with a + b = 32 is least at 28.8 and 3.2.
    assert plan == {(0, "neurons"): 29 / 64, (1, "neurons"): 3 / 64}
    with pytest.raises(PruningError, match=r"between 0 and 0\.7"):
        share_out({0: cheap, 1: dear}, {0: 64, 1: 64}, "neurons", 0.8)


def test_curves_rise_from_nothing(loaded: Loaded, store: Store, text: str) -> None:
    units = find_units(loaded.model, loaded.groups)
    known = criterion_inputs(statistics_of(loaded, store, text, silent)[0])
    windows = torch.randint(3, VOCABULARY, (8, 64), generator=torch.Generator().manual_seed(0))
    for kind, most in (("neurons", round(0.7 * INNER)), ("heads", HEADS - 1), ("kv_groups", 1)):
        found = unit_cost_curves(loaded.model, loaded.groups, units, kind, known, windows)
        assert sorted(found) == list(range(LAYERS))
        for costs in found.values():
            assert len(costs) == most + 1
            assert costs[0] == 0
            assert (np.diff(costs) > 0).all()


@pytest.mark.parametrize(("structure", "share"), [("neurons", 0.25), ("heads", 0.25), ("kv_groups", 0.5)])
def test_the_best_spec_removes_the_share_asked_for(
    loaded: Loaded, store: Store, text: str, structure: str, share: float
) -> None:
    spec = best_spec(loaded, store, silent, MaskOptions(structure=structure), share, text)
    groups = [(layer, structure) for layer in range(LAYERS)]
    plan = parse_settings(list(spec.settings), groups)
    assert sum(plan.values()) / LAYERS == pytest.approx(share, abs=0.12)
    with applied(loaded, store, spec, silent) as change:
        assert change.weights


def test_the_best_is_found_and_measured_in_one_task(loaded: Loaded, store: Store, text: str) -> None:
    seen: list[float] = []

    def listen(done: float, total: float, note: str = "", partial: dict | None = None) -> None:
        seen.append(done / total)

    for structure in ("unstructured", "neurons"):
        del seen[:]
        found = TASKS["best"](loaded, store, listen, sparsity=0.3, structure=structure, data=text)
        assert 0.8 < max(seen) <= 1
        assert found["sparsity"] > 0.1
        assert found["criterion"] == {"unstructured": "corrected", "neurons": "fisher"}[structure]
        [row] = store.find("measure", data=text, structure=found.get("structure"))
        assert row["value"] == found


def test_the_best_layers_are_those_that_do_least_damage(loaded: Loaded, store: Store, text: str) -> None:
    options = MaskOptions(structure="layers")
    spec = best_spec(loaded, store, silent, options, 0.34, text)
    damage = {
        layer: TASKS["measure"](
            loaded, store, silent, settings=[f"layers@{layer}=1"], structure="layers", data=text
        )["kl"]
        for layer in range(LAYERS)
    }
    assert spec.settings == (f"layers@{min(damage, key=damage.__getitem__)}=1",)
    two = best_spec(loaded, store, silent, options, 0.6, text)
    assert len(parse_settings(list(two.settings), [(layer, "layers") for layer in range(LAYERS)])) == 2
    with pytest.raises(PruningError, match="of 3 layers is 0"):
        best_spec(loaded, store, silent, options, 0.1, text)
    with pytest.raises(PruningError, match="without other options"):
        best_spec(loaded, store, silent, MaskOptions(structure="neurons", round_to=8), 0.2, text)


def test_the_bench_prints_ratios_of_its_rows(
    loaded: Loaded, store: Store, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_units, "SHARES", {"neurons": 0.2, "heads": 0.25})
    found = bench_units.bench_structured(loaded, store, silent, text)
    assert "| fisher, refitted | " in written("structured", found)
    kls = {(row["structure"], row["method"]): row["kl"] for row in found["rows"]}
    assert len(kls) == 10
    assert found["neurons_ratio"] == kls["neurons", "best"] / kls["neurons", "wanda"]
    assert found["heads_ratio"] == kls["heads", "best"] / kls["heads", "fisher"]
