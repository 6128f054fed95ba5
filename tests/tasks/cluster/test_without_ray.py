"""Where the extra is not installed, commands say how to get it."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pruning.cli import main


def test_without_ray_a_command_says_how_to_get_it(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ray", None)
    for words in (["sweep", str(llama_folder)], ["bench", "map", str(llama_folder)]):
        done = CliRunner().invoke(main, [*words, "--ray", "auto"])
        assert done.exit_code == 1
        assert "pip install 'prunescope[ray]'" in done.output
