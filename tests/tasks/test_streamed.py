"""Tasks on a model whose layers stay on disk do what they do in memory, or say that they cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pruning.engine.architecture.paging import paged_of
from pruning.engine.models.fingerprint import fingerprint
from pruning.engine.models.load import load
from pruning.errors import PruningError
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import tiny_folder

PLANS: dict[str, tuple[list[str], str]] = {
    "corrected": (["all=0.5"], "corrected"),
    "sparsegpt": (["up=0.5", "down@0=0.3"], "sparsegpt"),
    "fisher": (["all=0.4"], "fisher"),
    "mixed": (["neurons=0.25", "layers@1=1", "qkv=0.3"], "corrected"),
}


def _session(folder: Path, stream: str, root: Path) -> Session:
    return Session(load(str(folder), stream=stream, tokens=1024), Store(root))


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Session]:
    """The tiny model in memory, and streamed, each with a workspace of its own."""
    root = tmp_path_factory.mktemp("streamed")
    folder = tiny_folder(root / "model")
    return _session(folder, "no", root / "whole"), _session(folder, "yes", root / "layers")


def test_the_map_is_the_same(sessions: tuple[Session, Session]) -> None:
    whole, streamed = (TASKS["map"](session)["map"] for session in sessions)
    assert streamed["groups"] == whole["groups"]
    for name in ("kronecker", "token"):
        np.testing.assert_allclose(streamed[name], whole[name], rtol=1e-4)


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_measures_the_same_and_is_undone(name: str, sessions: tuple[Session, Session]) -> None:
    settings, criterion = PLANS[name]
    before = fingerprint(sessions[1].model)
    whole, streamed = (TASKS["measure"](session, settings, criterion) for session in sessions)
    for figure in ("kl", "perplexity", "sparsity", "bytes", "file_bytes"):
        assert streamed[figure] == pytest.approx(whole[figure], rel=1e-4), figure
    # A word of an answer would read the whole model from the disk.
    assert "probe_accuracy" in whole
    assert "probe_accuracy" not in streamed
    assert fingerprint(sessions[1].model) == before


@pytest.mark.parametrize("name", ["corrected", "mixed"])
def test_what_is_written_is_what_is_written_of_the_model_in_memory(
    name: str, sessions: tuple[Session, Session], tmp_path: Path
) -> None:
    settings, criterion = PLANS[name]
    written: list[dict[str, Any]] = []
    for number, session in enumerate(sessions):
        recipe = TASKS["recipe"](session, settings, criterion, labels={"name": "half"})["recipe"]
        written.append(TASKS["export"](session, recipe, out=str(tmp_path / f"{number}")))
    assert [value["verified"] for value in written] == [True, True]
    assert written[0]["digest"] == written[1]["digest"]
    again = load(str(tmp_path / "1"), stream="yes")
    assert again.fingerprint == load(str(tmp_path / "0"), stream="no").fingerprint
    assert "questions" not in (tmp_path / "1" / "README.md").read_text()


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("baseline", {}),
        ("latency", {}),
        ("impact", {}),
        ("quantize", {"settings": ["all=0.5"]}),
        ("recover", {"settings": ["all=0.5"]}),
        ("measure", {"settings": ["all=0.5"], "criterion": "taylor"}),
    ],
)
def test_what_takes_the_whole_model_says_so(
    task: str, arguments: dict[str, Any], sessions: tuple[Session, Session]
) -> None:
    with pytest.raises(PruningError, match="whole model in memory.*--stream no"):
        TASKS[task](sessions[1], **arguments)


def test_nothing_is_left_on_the_disk(sessions: tuple[Session, Session]) -> None:
    session = sessions[1]
    session.made.change = None
    paged = paged_of(session.model)
    assert paged is not None
    assert not list(paged.scratch.iterdir())
