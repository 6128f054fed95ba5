"""A file is there whole or not at all, and what stood there before survives a failure."""

from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.files import write_json, write_text, write_whole


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
