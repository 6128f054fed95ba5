"""What every export is written through: whole or not at all, and on the disk before it has its name."""

import os
from pathlib import Path

import pytest

from pruning.engine.export.new_folder import new_folder
from pruning.errors import PruningError


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.fstat(handle).st_ino))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append(0) or replace(old, new))
    out = tmp_path / "out"
    with new_folder(out, 1) as draft:
        (draft / "weights").write_bytes(b"all")
        (draft / "card").write_text("words")
        assert not out.exists()
        parts = {path.stat().st_ino for path in (draft, *draft.iterdir())}
    assert set(done[: done.index(0)]) == parts
    assert {path.name for path in out.iterdir()} == {"weights", "card"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _write_half(out: Path, error: BaseException) -> None:
    with new_folder(out, 1) as draft:
        (draft / "weights").write_bytes(b"half")
        raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("else"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(PruningError if isinstance(error, OSError) else type(error)):
        _write_half(tmp_path / "out", error)
    assert list(tmp_path.iterdir()) == []
