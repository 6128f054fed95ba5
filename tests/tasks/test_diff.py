"""A model beside what was exported of it."""

from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.tasks import TASKS, Session

pytestmark = pytest.mark.usefixtures("dense_again")


def test_what_was_exported_is_told_from_its_model(session: Session, tmp_path: Path) -> None:
    settings = ["layers@1=1", "up=0.5"]
    recipe = TASKS["recipe"](session, settings=settings)["recipe"]
    folder = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "out"))["out"]
    found = TASKS["diff"](session, other=folder)
    assert (found["dropped"], found["origin"]) == ([1], [0, 2])
    zeros = {row["kind"]: row["other_zeros"] for row in found["groups"] if row["other"] == 1}
    assert zeros["up"] == pytest.approx(0.5, abs=0.01)
    assert zeros["down"] == 0
    assert found["findings"][0] == "Layer 1 is gone."
    assert "50 % of the weights in up are zero." in found["findings"]
    measured = TASKS["measure"](session, settings=settings)
    assert found["kl"] == pytest.approx(measured["kl"], rel=1e-3)
    assert found["perplexity"] == pytest.approx(measured["perplexity"], rel=1e-3)
    assert len(found["drift"]) == 2


def test_a_model_is_its_own_equal(session: Session) -> None:
    found = TASKS["diff"](session, other=session.loaded.reference)
    assert found["findings"] == []
    assert found["kl"] == pytest.approx(0, abs=1e-9)
    assert found["agreement"] == 1
    with pytest.raises(PruningError, match="no model"):
        TASKS["diff"](session, other="/nowhere/at/all")
