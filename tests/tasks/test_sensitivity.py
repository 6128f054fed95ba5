"""The map as a task: stored, and made for another criterion without another pass."""

from pathlib import Path
from typing import Any

import pytest

from pruning.engine.criteria import CRITERIA
from pruning.engine.models.load import Loaded
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store

pytestmark = pytest.mark.usefixtures("dense_again")
LEVELS = [0.3, 0.6]


def test_map_is_stored_and_another_criterion_needs_no_data(
    session: Session, loaded: Loaded, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "map.json"
    made = TASKS["map"](session, criterion="fisher", levels=LEVELS, out=str(out))
    assert made["points"] == 30
    assert made["out"] == str(out)
    table = SensitivityMap.load(out)
    assert (table.kronecker > 0).all()
    assert (table.token > 0).all()
    assert store.find("map", fingerprint=loaded.fingerprint, criterion="fisher")

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the statistics were collected again")

    monkeypatch.setattr("pruning.engine.calibration.fisher.collect", forbidden)
    other = TASKS["map"](session, criterion="magnitude", levels=LEVELS)
    assert Path(other["out"]).is_file()
    assert other["map"]["kronecker"] != made["map"]["kronecker"]


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_every_criterion_has_a_map_and_can_be_measured(session: Session, name: str) -> None:
    table = SensitivityMap.from_dict(TASKS["map"](session, criterion=name, levels=LEVELS)["map"])
    assert (table.kronecker[:, 1] > table.kronecker[:, 0]).all()
    found = TASKS["measure"](session, settings=["all=0.3"], criterion=name)
    assert found["sparsity"] == pytest.approx(0.3, abs=0.01)
    assert found["kl"] > 0
