"""Looking at a model: what it is made of, and how good the dense one is."""

from typing import Any

import pytest

from pruning.engine.models.load import Loaded
from pruning.errors import PruningError
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import HEADS, INNER, KV_HEADS

pytestmark = pytest.mark.usefixtures("dense_again")


def test_inspect_counts_what_is_there(session: Session, loaded: Loaded, store: Store) -> None:
    found = TASKS["inspect"](session)
    assert found["layers"] == 3
    assert len(found["groups"]) == 15
    assert found["prunable_parameters"] == sum(group["parameters"] for group in found["groups"])
    assert found["parameters"] > found["prunable_parameters"]
    assert found["units"] == {"neurons": [INNER] * 3, "heads": [HEADS] * 3, "kv_groups": [KV_HEADS] * 3}
    assert found["no_heads"] is None
    assert store.find("inspect", reference=loaded.reference)[0]["value"] == found


def test_inspect_says_why_heads_do_not_come_apart(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def together(*_: Any) -> None:
        raise PruningError("The heads do not come apart.")

    monkeypatch.setattr("pruning.engine.architecture.units.find_heads", together)
    found = TASKS["inspect"](session)
    assert found["units"] == {"neurons": [INNER] * 3}
    assert found["no_heads"] == "The heads do not come apart."


def test_baseline_measures_quality_size_and_speed(session: Session, loaded: Loaded) -> None:
    found = TASKS["baseline"](session)
    assert found["perplexity"] > 1
    assert 0 <= found["accuracy"] <= 1
    assert found["prefill_ms"] > 0
    assert found["decode_ms"] > 0
    assert found["bytes"] == sum(4 * p.numel() for p in loaded.model.parameters())
    assert len(found["probes"]) == 5
    assert all(0 <= share <= 1 for share in found["probes"].values())
