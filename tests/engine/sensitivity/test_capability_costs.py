"""Capability costs: one pass each, stored as they come, resumed, and the weights left as they were."""

import json
from pathlib import Path
from typing import Any

import pytest

from pruning.engine.calibration.capability_text import CODE
from pruning.engine.models.load import Loaded, fingerprint
from pruning.errors import Cancelled
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = "The river had risen over the path and the {} boats knocked against the wall, {} times. "
    path.write_text("\n\n".join(words.format(n, n * n) * 4 for n in range(40)))
    return str(path)


def test_costs_are_stored_resumed_and_leave_the_weights(
    session: Session, loaded: Loaded, store: Store, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"levels": [0.3, 0.6]}

    def stop(done: float, total: float, note: str = "", partial: Any = None) -> None:
        assert 0 <= done <= total
        if "arithmetic" in note:
            raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["capabilities"](session.reporting(stop), **arguments)
    assert fingerprint(loaded.model) == loaded.fingerprint
    [row] = store.find("capabilities", fingerprint=loaded.fingerprint, criterion="fisher", data=text)
    assert list(row["value"]["capabilities"]) == ["facts", "grammar", "common_sense"]
    notes: list[str] = []
    out = tmp_path / "costs.json"
    result = TASKS["capabilities"](
        session.reporting(lambda _d, _t, note="", _p=None: notes.append(note)), out=str(out), **arguments
    )
    assert fingerprint(loaded.model) == loaded.fingerprint
    assert {note.partition(":")[0] for note in notes} == {"arithmetic", "reading", CODE}
    assert result["capabilities"]["facts"] == row["value"]["capabilities"]["facts"]
    assert json.loads(out.read_text())["capabilities"] == result["capabilities"]
    smap = CapabilityMap.from_dict(result)
    assert len(smap.groups) == 15
    for name, costs in smap.costs.items():
        assert costs.shape == (15, 2)
        assert (costs > 0).all()
        assert (costs[:, 1] > costs[:, 0]).all()
        assert smap.shares(name, 0.5).sum() == pytest.approx(1)

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a pass was made again")

    monkeypatch.setattr("pruning.tasks.capabilities.capability_costs", forbidden)
    again = TASKS["capabilities"](session, **arguments)
    assert again["capabilities"] == result["capabilities"]
    assert json.loads(Path(again["out"]).read_text())["groups"] == result["groups"]
