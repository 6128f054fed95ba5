"""The commands that say how much each group matters, on a tiny model."""

from pathlib import Path

from tests.cli.conftest import Call


def test_sweep_streams_and_resumes(call: Call, llama_folder: Path, workspace: Path) -> None:
    words = ["--levels", "0.5", "--layers", "0-1", "--kinds", "up,down", "--data", workspace / "text.txt"]
    out = workspace / "sweep.json"
    found = call("sweep", llama_folder, *words, "--out", out)
    assert {(point["layer"], point["kind"]) for point in found["points"]} == {
        (layer, kind) for layer in (0, 1) for kind in ("up", "down")
    }
    assert out.exists()
    assert call("sweep", llama_folder, *words)["points"] == found["points"]


def test_the_commands_of_sensitivity_print_what_the_reference_says(
    call: Call, llama_folder: Path, workspace: Path
) -> None:
    text = ["--data", workspace / "text.txt"]
    found = call("capabilities", llama_folder, "--levels", "0.3,0.6", *text)
    assert (found["groups"], found["levels"]) == (15, [0.3, 0.6])
    assert len(found["capabilities"]) == 6
    shares = call("outliers", llama_folder, *text)
    assert shares["layers"] == [0, 1, 2]
    fit = call("calibrate", llama_folder, "--criterion", "magnitude", *text)
    assert fit["measured"] == len(fit["plans"]) == 9
    again = call("teach", llama_folder, "--criterion", "magnitude", *text)
    assert again == {**fit, "measured": 0}
