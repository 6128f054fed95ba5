"""The best recipes: they prune the share that is asked for where it costs least."""

import pytest

from pruning.benchmarks import methods as bench_units
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.mix import sparsity
from pruning.planning.recipe.plan import parse_settings
from pruning.tasks import TASKS, Session
from pruning.tasks.best import best_spec
from pruning.tasks.context.apply import applied
from pruning.workspace.store import Store
from tests.benchmarks.test_bench import written
from tests.support.result_keys import check_printed
from tests.support.tiny import LAYERS

pytestmark = pytest.mark.usefixtures("dense_again")


@pytest.mark.parametrize("share", [0.0, 0.97, float("nan")])
def test_a_share_that_cannot_be_is_refused_before_anything_is_made(
    session: Session, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a map was made")

    monkeypatch.setattr("pruning.tasks.best.make_map", forbidden)
    for structure in ("unstructured", "neurons"):
        with pytest.raises(PruningError, match="cannot be shared out"):
            best_spec(session, MaskOptions(structure=structure), share)


def test_single_weights_stay_near_the_share_and_lose_no_less(session: Session) -> None:
    spec = best_spec(session, MaskOptions(), 0.5)
    sizes = {(group.layer, group.kind): group.parameters for group in session.groups}
    plan = session.plan(spec.settings)
    assert (spec.criterion, spec.options) == ("corrected", MaskOptions())
    assert sparsity(plan, sizes) >= 0.5 - 1e-9
    assert len(set(plan.values())) > 1
    assert all(0.4 - 1e-9 <= level <= 0.6 + 1e-9 for level in plan.values())


@pytest.mark.parametrize(("structure", "share"), [("neurons", 0.25), ("heads", 0.25), ("kv_groups", 0.5)])
def test_the_best_spec_removes_the_share_asked_for(session: Session, structure: str, share: float) -> None:
    spec = best_spec(session, MaskOptions(structure=structure), share)
    groups = [(layer, structure) for layer in range(LAYERS)]
    plan = parse_settings(list(spec.settings), groups)
    assert sum(plan.values()) / LAYERS == pytest.approx(share, abs=0.12)
    with applied(session, spec) as change:
        assert change.weights


def test_the_best_is_found_and_measured_in_one_task(session: Session, store: Store, text: str) -> None:
    seen: list[float] = []

    def listen(done: float, total: float, note: str = "", partial: dict | None = None) -> None:
        seen.append(done / total)

    for structure in ("unstructured", "neurons"):
        del seen[:]
        found = TASKS["best"](session.reporting(listen), sparsity=0.3, structure=structure)
        assert 0.8 < max(seen) <= 1
        assert found["sparsity"] > 0.1
        assert found["criterion"] == {"unstructured": "corrected", "neurons": "fisher"}[structure]
        [row] = store.find("measure", data=text, structure=found.get("structure"))
        assert row["value"] == found


def test_the_best_layers_are_those_that_do_least_damage(session: Session) -> None:
    options = MaskOptions(structure="layers")
    spec = best_spec(session, options, 0.34)
    damage = {
        layer: TASKS["measure"](session, settings=[f"layers@{layer}=1"], structure="layers")["kl"]
        for layer in range(LAYERS)
    }
    assert spec.settings == (f"layers@{min(damage, key=damage.__getitem__)}=1",)
    two = best_spec(session, options, 0.6)
    assert len(parse_settings(list(two.settings), [(layer, "layers") for layer in range(LAYERS)])) == 2
    with pytest.raises(PruningError, match="of 3 layers is 0"):
        best_spec(session, options, 0.1)
    with pytest.raises(PruningError, match="without other options"):
        best_spec(session, MaskOptions(structure="neurons", round_to=8), 0.2)


def test_the_bench_prints_ratios_of_its_rows(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_units, "SHARES", {"neurons": 0.2, "heads": 0.25})
    found = bench_units.bench_structured(session)
    check_printed("bench structured", found)
    assert "| fisher, refitted | " in written("structured", found)
    kls = {(row["structure"], row["method"]): row["kl"] for row in found["rows"]}
    assert len(kls) == 10
    assert found["neurons_ratio"] == kls["neurons", "best"] / kls["neurons", "wanda"]
    assert found["heads_ratio"] == kls["heads", "best"] / kls["heads", "fisher"]
