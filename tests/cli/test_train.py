"""The commands that train, on a tiny model."""

from pathlib import Path

import pytest

from pruning.cli.train import recovery_lines
from pruning.planning.recipe.recipe import Recipe
from tests.cli.conftest import Call


def test_recover_measure_and_export_a_recovered_recipe(
    call: Call, llama_folder: Path, workspace: Path
) -> None:
    text, recipe, trained = workspace / "text.txt", workspace / "half.yaml", workspace / "trained.yaml"
    call(
        "recipe",
        llama_folder,
        "--set",
        "all=0.5",
        "--criterion",
        "magnitude",
        "--data",
        text,
        "--out",
        recipe,
    )
    few = [
        "--steps",
        "10",
        "--batch",
        "2",
        "--learning-rate",
        "2e-3",
        "--warmup",
        "1",
        "--evaluate-every",
        "2",
    ]
    found = call("recover", llama_folder, recipe, *few, "--loss", "distill", "--out", trained)
    assert found["recovered"]["kl"] < found["pruned"]["kl"]
    assert found["won_back"] > 0
    assert len(found["losses"]) == 10
    assert found["refitted"] is True
    fitted = next(line for line in recovery_lines(found) if "before the first step" in line)
    assert all(f"{look['kl']:.4f}" in fitted for look in found["looks"][:2])
    assert not any("before the first step" in line for line in recovery_lines({**found, "refitted": None}))
    assert Recipe.load(trained).recovery == found["recovery"]
    measured = call("measure", llama_folder, trained)
    assert measured["kl"] == pytest.approx(found["recovered"]["kl"])
    assert call("measure", llama_folder, recipe)["kl"] == pytest.approx(found["pruned"]["kl"])
    # Asked again with the recipe's own recovery, it is there already.
    assert call("recover", llama_folder, trained)["recovered"] == found["recovered"]
    assert call("export", llama_folder, trained, "--out", workspace / "trained")["verified"] is True
    assert "Use one of distill" in call("recover", llama_folder, recipe, "--loss", "kl", fails=True)


def test_progressive_and_lottery(call: Call, llama_folder: Path, workspace: Path) -> None:
    text = ["--data", workspace / "text.txt"]
    few = ["--steps", "2", "--batch", "2", "--warmup", "1"]
    scored = ["--criterion", "magnitude", "--levels", "0.3,0.9", *text]
    found = call("progressive", llama_folder, "--max-kl", "1e-6", "--recover", *few, *scored)
    assert (found["ended"], found["best"], len(found["rows"])) == ("budget", None, 1)
    assert found["rows"][0]["recovered"] is True
    drawn = call("lottery", llama_folder, "--set", "all=0.5", "--rounds", "1", *few, *text)
    assert {"untrained", "dense", "ticket", "random", "ticket_wins"} <= set(drawn)
    assert "needs an end" in call("progressive", llama_folder, fails=True)
