"""A session makes each part once, shares it between its views, and notices when its text has changed."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.criteria import criterion
from pruning.engine.models.load import Loaded
from pruning.errors import PruningError
from pruning.tasks import Session
from pruning.tasks.context import collected as collecting
from pruning.tasks.context import session as module
from pruning.workspace.results import Subject, latest_subject
from pruning.workspace.store import Store
from tests.support.texts import write_text

pytestmark = pytest.mark.usefixtures("dense_again")


def count(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[None]:
    """A list that grows with each call."""
    calls: list[None] = []
    truly = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        return truly(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_each_part_is_made_once_and_shared_between_views(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count(monkeypatch, module, "load_windows")
    collected = count(monkeypatch, collecting.fisher, "read")
    summed = count(monkeypatch, module.gradients, "collect")
    heard: list[str] = []
    view = session.reporting(lambda done, total, note="", partial=None: heard.append(note))
    assert view.reference is session.reference is session.on(session.data).reference
    assert heard == ["Reading the text", "Running the dense model"]
    assert view.statistics is session.statistics
    assert view.gradients is session.gradients
    session.inputs_for(criterion("taylor"))
    session.inputs_for(criterion("fisher"))
    assert (len(reads), len(collected), len(summed)) == (1, 1, 1)


def test_another_session_takes_from_the_workspace_what_it_can(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics, gradients = session.statistics, session.gradients

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("it was collected again")

    monkeypatch.setattr(collecting.fisher, "read", forbidden)
    monkeypatch.setattr(module.gradients, "collect", forbidden)
    again = Session(session.loaded, session.store, session.data)
    assert again.statistics.identity == statistics.identity
    assert all(torch.equal(again.gradients[group], sums) for group, sums in gradients.items())


def test_only_the_latest_text_is_kept(session: Session, tmp_path: Path) -> None:
    first = session.reference
    other = session.on(write_text(tmp_path / "other.txt", paragraphs=50))
    assert other.reference.windows.name == other.data
    assert other.subject != session.subject
    assert session.reference is not first
    assert torch.equal(session.reference.hidden, first.hidden)


def test_a_changed_file_is_read_again_and_the_workspace_knows(
    loaded: Loaded, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    data = write_text(path)
    session = Session(loaded, store, data)
    first = session.subject
    assert first == Subject(loaded.fingerprint, data, session.windows.fingerprint)
    assert latest_subject(store, loaded.fingerprint, data) == first
    write_text(path, paragraphs=50)
    assert latest_subject(store, loaded.fingerprint, data) is None
    second = session.subject
    assert second != first
    assert latest_subject(store, loaded.fingerprint, data) == second
    write_text(path)
    assert session.subject == first
    assert latest_subject(store, loaded.fingerprint, data) == first
    # The same words written again are the same text, once they were read.
    os.utime(path, ns=(1, 1))
    assert latest_subject(store, loaded.fingerprint, data) is None
    assert session.subject == first
    assert latest_subject(store, loaded.fingerprint, data) == first


def test_plans_have_one_spelling(session: Session) -> None:
    plan = session.plan(["all=0.2", "up@0=0.5", "all=0.3"])
    assert set(plan) == set(session.plan_groups())
    assert session.settings(plan) == ["all=0.3"]
    heads = session.plan(["heads@1=0.5"])
    assert heads == {(1, "heads"): 0.5}
    assert session.settings(heads) == ["heads@1=0.5"]
    with pytest.raises(PruningError):
        session.plan(["gates=0.5"])


def test_open_loads_the_model_into_a_workspace(llama_folder: Path, store: Store, text: str) -> None:
    heard: list[str] = []
    opened = Session.open(
        str(llama_folder),
        text,
        store=store,
        device="cpu",
        progress=lambda *words, **_: heard.append(words[2]),
    )
    assert opened.loaded.reference == str(llama_folder)
    assert opened.key == {"fingerprint": opened.loaded.fingerprint, "data": text}
    assert (opened.store, opened.windows.name) == (store, text)
    assert "Loaded" in heard
