"""The map as a task: stored, and made for another criterion without another pass."""

from pathlib import Path
from typing import Any

import pytest

from pruning.engine.criteria import CRITERIA
from pruning.engine.models.load import Loaded
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.tasks import TASKS, Session
from pruning.tasks.sensitivity import map_for
from pruning.workspace.store import Store
from tests.support.tiny import HEADS, INNER, KV_HEADS, LAYERS

pytestmark = pytest.mark.usefixtures("dense_again")
LEVELS = [0.3, 0.6]


def test_one_map_holds_weights_and_units(session: Session) -> None:
    table = SensitivityMap.from_dict(TASKS["map"](session, levels=LEVELS)["map"])
    weights = session.plan_groups()
    assert table.groups[: len(weights)] == tuple(weights)
    units = [(n, kind) for n in range(LAYERS) for kind in ("layers", "heads", "kv_groups", "neurons")]
    assert table.groups[len(weights) :] == tuple(units)
    assert table.structure == "unstructured"
    totals = {"layers": 1, "heads": HEADS, "kv_groups": KV_HEADS, "neurons": INNER}
    assert table.unit_totals == {kind: dict.fromkeys(range(LAYERS), n) for kind, n in totals.items()}
    assert table.prunable == sum(group.parameters for group in session.groups)
    assert table.of_weights.to_dict()["unit_totals"] == {}
    assert Forecaster.prior(table).forecast({(1, "layers"): 1.0}).sparsity == pytest.approx(1 / LAYERS)


def test_a_map_of_before_units_were_priced_is_made_again(session: Session) -> None:
    made = TASKS["map"](session)["map"]
    old = SensitivityMap.from_dict(made).of_weights.to_dict()
    del old["unit_totals"]
    session.store.put("map", {**session.key, "criterion": "fisher", "levels": made["levels"]}, old)
    assert SensitivityMap.from_dict(old).of_weights.groups == tuple(session.plan_groups())
    assert map_for(session).unit_totals


def test_map_is_stored_and_another_criterion_needs_no_data(
    session: Session, loaded: Loaded, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "map.json"
    made = TASKS["map"](session, criterion="fisher", levels=LEVELS, out=str(out))
    assert made["points"] == (5 + 4) * LAYERS * len(LEVELS), "five groups of weights and four kinds of unit"
    assert made["out"] == str(out)
    table = SensitivityMap.load(out)
    assert (table.kronecker > 0).all()
    assert (table.token > 0).all()
    assert store.find("map", fingerprint=loaded.fingerprint, criterion="fisher")

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the statistics were collected again")

    monkeypatch.setattr("pruning.engine.calibration.fisher.read", forbidden)
    other = TASKS["map"](session, criterion="magnitude", levels=LEVELS)
    assert Path(other["out"]).is_file()
    assert other["map"]["kronecker"] != made["map"]["kronecker"]


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_every_criterion_has_a_map_and_can_be_measured(session: Session, name: str) -> None:
    table = SensitivityMap.from_dict(TASKS["map"](session, criterion=name, levels=LEVELS)["map"])
    weights = table.of_weights
    assert (weights.kronecker[:, 1] > weights.kronecker[:, 0]).all()
    found = TASKS["measure"](session, settings=["all=0.3"], criterion=name)
    assert found["sparsity"] == pytest.approx(0.3, abs=0.01)
    assert found["kl"] > 0
