"""What every command shares: errors in a sentence, words checked first, progress."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pruning.cli import main
from pruning.cli.run import terminal_progress
from pruning.errors import Cancelled, PruningError
from tests.cli.conftest import Call


def test_a_model_that_does_not_exist(call: Call, tmp_path: Path) -> None:
    said = call("inspect", tmp_path / "nothing", fails=True)
    assert said.startswith("Error: ")
    assert "nothing" in said


def test_words_are_checked_before_the_model_is_loaded(call: Call, tmp_path: Path) -> None:
    assert "Levels" in call("map", "demo", "--levels", "0.1:2:0.1", fails=True)
    assert '"mlp"' in call("sweep", "demo", "--kinds", "up,mlp", fails=True)
    assert "not a list of layers" in call("sweep", "demo", "--layers", "a", fails=True)
    assert "cannot be read" in call("measure", "demo", tmp_path / "none.yaml", fails=True)
    assert "none.json" in call("forecast", tmp_path / "none.json", tmp_path / "none.yaml", fails=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled])
def test_a_stopped_command_says_so(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise error

    monkeypatch.setattr("pruning.cli.run.load", stop)
    result = CliRunner().invoke(main, ["inspect", "demo"])
    assert result.exit_code == 130
    assert "Stopped" in result.stderr
    assert result.stdout == ""


def test_an_error_is_one_sentence_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PruningError("There is no such model.")

    monkeypatch.setattr("pruning.cli.run.load", refuse)
    result = CliRunner().invoke(main, ["inspect", "x"])
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such model.\n")


def test_progress_off_a_terminal_is_sparse(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal_progress() as progress:
        for step in range(1000):
            progress(step + 1, 1000, f"step {step}")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].startswith("100 %  step 999")
    assert len(said.err.splitlines()) < 20
