"""Where a cluster is: what is no address, and where nobody answers, is said at once."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.tasks.cluster.address import answers, head_address


@pytest.fixture(autouse=True)
def nothing_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine where somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("asked", ["", "here", "ray://head:10001", "head:port", "head"])
def test_what_is_no_address_is_refused(asked: str) -> None:
    with pytest.raises(PruningError, match="no address of a Ray cluster"):
        head_address(asked)


def test_where_nobody_answers_is_said(listening: int) -> None:
    assert head_address(f"127.0.0.1:{listening}") == ("127.0.0.1", listening)
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert not answers(("127.0.0.1", free))
    with pytest.raises(PruningError, match=f"No Ray cluster answers at 127.0.0.1:{free}"):
        head_address(f"127.0.0.1:{free}")
    with pytest.raises(PruningError, match="No Ray cluster answers"):
        head_address("127.0.0.1:99999")


def test_auto_is_what_was_started_here_or_named(
    listening: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert head_address("auto") is None
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1\n", encoding="utf-8")
    assert head_address("auto") is None
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{listening}\n", encoding="utf-8")
    assert head_address("auto") == ("127.0.0.1", listening)
    monkeypatch.setenv("RAY_ADDRESS", f"localhost:{listening}")
    assert head_address("auto") == ("localhost", listening)
