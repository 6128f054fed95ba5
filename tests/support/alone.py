"""One process of its own for all the tests of a run: starting it takes longer than what a test asks of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def process_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """The process that was started, or nothing yet."""
    started: list[Any] = []
    yield started
    for process in started:
        process.end()


@pytest.fixture(autouse=True)
def exports_share_a_process(
    process_alone: list[Any], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pruning.engine.export import fresh_process

    @contextmanager
    def shared() -> Iterator[Any]:
        if not process_alone:
            process_alone.append(fresh_process.FreshProcess(Path(tmp_path_factory.mktemp("alone"))))
        yield process_alone[0]

    monkeypatch.setattr(fresh_process, "fresh_process", shared)
