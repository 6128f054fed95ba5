"""A file is there whole or not at all, and what stood there before survives a failure."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.files import parse_json, parse_yaml, read_json, read_text, write_json, write_text, write_whole


def test_a_file_is_written_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "values.json"
    assert write_json(path, {"kl": 0.5}) == path
    assert path.read_text() == '{"kl": 0.5}'
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("write failed\nat 3")]
)
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: Exception) -> None:
    path = write_text(tmp_path / "map.json", "before")

    def half(draft: Path) -> None:
        draft.write_text("hal")
        raise error

    with pytest.raises(
        PruningError, match=r"The map could not be written to .*map\.json: .*\. Make room\.$"
    ) as said:
        write_whole(path, half, "The map", "Make room.")
    assert "\n" not in str(said.value)
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]


def test_an_interruption_leaves_no_half_file(tmp_path: Path) -> None:
    def stopped(draft: Path) -> None:
        draft.write_text("hal")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "map.json", stopped)
    assert not [*tmp_path.iterdir()]


KILLED = """
import os, sys
from pathlib import Path
from pruning.files import write_whole
def half(draft):
    draft.write_text("hal")
    os.kill(os.getpid(), 9)
write_whole(Path(sys.argv[1]), half)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are other ones there")
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path, other = tmp_path / "map[1].json", tmp_path / f".map[1].json.{os.getppid()}.part"
    other.write_text("somebody is still writing")
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode == -9
    assert len([*tmp_path.iterdir()]) == 2
    write_text(path, "whole")
    assert {*tmp_path.iterdir()} == {path, other}


# ---- files of others --------------------------------------------------------------------------------

ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "no ordinary file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "no ordinary file"),
    "folder": (Path.mkdir, "a folder"),
    "large": (lambda path: path.write_bytes(bytes(1001)), "1,001 bytes, and at most 1,000 are read"),
    "missing": (lambda path: None, "No such file"),
}


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices have no place in folders there")
@pytest.mark.parametrize("odd", ODD)
def test_only_ordinary_files_up_to_a_size_are_read(tmp_path: Path, odd: str) -> None:
    make, words = ODD[odd]
    make(tmp_path / "file")
    with pytest.raises(OSError, match=words):
        read_text(tmp_path / "file", 1000)


@pytest.mark.parametrize("text", ["", "nonsense", "[" * 100_000, '{"a":' * 100_000, "9" * 20_000])
def test_json_that_cannot_be_read_is_one_kind_of_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(ValueError, match="."):
        parse_json(text)
    with pytest.raises(ValueError, match="."):
        read_json(tmp_path / "file.json")


TYPED = ("!!int ''", "!!float x", "!!bool x", "!!timestamp x", "!!binary é", "2001-99-99", "{[a]: 1}")


@pytest.mark.parametrize("text", [*TYPED, "[" * 20_000, "a: &a {b: *a}", "&a [*a]"])
def test_yaml_that_cannot_be_read_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_yaml(text)


def test_names_in_yaml_may_not_stand_for_too_much() -> None:
    assert parse_yaml("{a: &half 0.5, b: *half, c: [&d [1], *d]}")[0] == {"a": 0.5, "b": 0.5, "c": [[1], [1]]}
    lines = ["a0: &a0 {x: 1, y: 2}", *(f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}" for n in range(1, 40))]
    with pytest.raises(ValueError, match="stand for too much"):
        parse_yaml("\n".join(lines))
