"""What a worker makes of what it is sent: the same model and text, or a sentence."""

from dataclasses import replace

import pytest
import torch

from pruning.errors import PruningError
from pruning.tasks import Session
from pruning.tasks.cluster.sent import SentModel, loaded_for, moved, sent_work, session_for
from pruning.workspace.store import Store


def begin(session: Session) -> None:
    """Nothing is done here."""


def test_a_worker_has_the_model_the_text_and_what_was_made(session: Session, tmp_path) -> None:
    statistics, sums = session.statistics, session.gradients
    work = sent_work(session, begin, (1,))
    loaded = loaded_for(work.model, "cpu")
    made = session_for(replace(work, data="a file that is not here"), loaded, Store(tmp_path / "worker"))
    assert made.windows is session.windows
    assert torch.equal(made.fitting_windows, session.fitting_windows)
    assert made.subject.data_fingerprint == session.subject.data_fingerprint
    assert made.statistics.groups.keys() == statistics.groups.keys()
    assert torch.equal(made.gradients[0, "up"], sums[0, "up"])
    assert not made.store.find("text")


def test_another_model_another_version_and_none_are_sentences(session: Session) -> None:
    model = sent_work(session, begin, ()).model
    with pytest.raises(PruningError, match="it has Prunescope .*, and the asking machine 9.9"):
        loaded_for(replace(model, version="9.9"), "cpu")
    with pytest.raises(PruningError, match="is another model: .*, where the asking machine has 0123"):
        loaded_for(replace(model, computed="0123"), "cpu")
    with pytest.raises(PruningError, match="it cannot load /nowhere: There is no model at /nowhere"):
        loaded_for(SentModel("/nowhere", "float32", False, False, model.computed), "cpu")


def test_what_is_shared_stays_shared_when_it_is_moved() -> None:
    shared = torch.ones(2)
    found = moved({"a": shared, "b": (shared, {"c": shared}), "d": {"e": shared}}, "meta")
    assert found["a"].device.type == "meta"
    assert found["a"] is found["d"]["e"]
