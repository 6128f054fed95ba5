"""One process of each kind for all tests of a run: starting it takes longer than what a test asks of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def process_alone() -> Iterator[dict[str, Any]]:
    """The processes that were started, by what they run."""
    started: dict[str, Any] = {}
    yield started
    for process in started.values():
        process.end()


@pytest.fixture(autouse=True)
def exports_share_a_process(
    process_alone: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pruning.engine.export import fresh_process

    @contextmanager
    def shared(script: str = fresh_process.loaded_alone.__file__) -> Iterator[Any]:
        if script not in process_alone:
            scratch = Path(tmp_path_factory.mktemp("alone"))
            process_alone[script] = fresh_process.FreshProcess(scratch, script)
        yield process_alone[script]

    monkeypatch.setattr(fresh_process, "fresh_process", shared)
