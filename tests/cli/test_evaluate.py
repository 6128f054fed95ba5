"""The commands that forecast and measure, on a tiny model."""

import json
import sys
from pathlib import Path

import pytest

from pruning.planning.recipe.plan import KINDS
from pruning.planning.recipe.recipe import Recipe
from tests.cli.conftest import Call


def test_map_recipe_forecast_measure_export(call: Call, llama_folder: Path, workspace: Path) -> None:
    text, table, recipe = workspace / "text.txt", workspace / "map.json", workspace / "recipe.yaml"
    made = call("map", llama_folder, "--levels", "0.3,0.6", "--data", text, "--out", table)
    assert made["points"] == 3 * (5 + 4) * 2
    assert made["out"] == str(table)
    assert "map" not in made

    settings = ["--set", "up=0.5", "--set", "down@0-1=0.1"]
    written = call(
        "recipe", llama_folder, "--criterion", "fisher", *settings, "--data", text, "--out", recipe
    )
    assert written["settings"] == ["up=0.5", "down=0.1", "down@2=0"]

    before = call("forecast", table, recipe)
    assert before["measured"] == 0
    assert before["kl_low"] <= before["kl"] <= before["kl_high"]
    assert before["sparsity"] == pytest.approx(written["sparsity"])

    assert "decode_ms" not in before, "the model was not timed yet"
    call("latency", llama_folder)
    timed = call("forecast", table, recipe)
    assert timed["memory_bytes"] > timed["file_bytes"]
    assert timed["decode_ms"] > 0
    assert timed["prefill_speedup"] == 1.0, "zeros save no time"

    measured = call("measure", llama_folder, recipe)
    assert measured["kl"] > 0
    assert {"perplexity", "agreement", "accuracy", "bytes", "sparsity"} <= set(measured)
    after = call("forecast", table, recipe)
    assert after["measured"] == 1
    assert abs(after["kl"] - measured["kl"]) <= abs(before["kl"] - measured["kl"])

    written = call("export", llama_folder, recipe, "--out", workspace / "pruned")
    assert written["verified"] is True
    assert written["out"] == str(workspace / "pruned")
    assert Recipe.load(workspace / "pruned" / "recipe.yaml").settings() == Recipe.load(recipe).settings()
    assert call("inspect", workspace / "pruned")["layers"] == 3


def test_several_recipes_are_measured_once_each(call: Call, llama_folder: Path, workspace: Path) -> None:
    text, other = workspace / "text.txt", workspace / "other.txt"
    other.write_text(text.read_text(encoding="utf-8")[::-1], encoding="utf-8")
    recipes = [workspace / f"{name}.yaml" for name in ("one", "two", "three")]
    for recipe, setting, data in zip(
        recipes, ("up=0.5", "neurons=0.25", "up=0.5"), (text, text, other), strict=True
    ):
        call("recipe", llama_folder, "--set", setting, "--data", data, "--out", recipe)
    alone = call("measure", llama_folder, recipes[0])
    found = call("measure", llama_folder, *recipes)
    assert found["measured"] == 2
    assert found["plans"][0] == alone
    assert found["plans"][1]["settings"] == ["neurons=0.25"]
    assert found["plans"][2]["kl"] != alone["kl"]
    again = call("measure", llama_folder, *reversed(recipes))
    assert again == {"plans": found["plans"][::-1], "measured": 0}


def test_a_recipe_of_units_and_weights_is_forecast(call: Call, llama_folder: Path, workspace: Path) -> None:
    text, table, recipe = workspace / "text.txt", workspace / "units.json", workspace / "units.yaml"
    call("map", llama_folder, "--levels", "0.3,0.6", "--data", text, "--out", table)
    words = ["--set", "neurons=0.25", "--set", "layers@1=1", "--set", "qkv=0.5"]
    written = call("recipe", llama_folder, *words, "--data", text, "--out", recipe)
    made = call("forecast", table, recipe)
    assert made["sparsity"] == pytest.approx(written["sparsity"], abs=0.005)
    assert made["kl_low"] < made["kl"] < made["kl_high"]
    old = json.loads(table.read_text())
    kept = [at for at, (_, kind) in enumerate(old["groups"]) if kind in KINDS]
    for name in ("groups", "parameters", "kronecker", "token"):
        old[name] = [old[name][at] for at in kept]
    table.write_text(json.dumps({**old, "unit_totals": {}}))
    assert "does not price layers" in call("forecast", table, recipe, fails=True)


def test_a_recipe_with_options_is_measured_and_not_forecast(
    call: Call, llama_folder: Path, workspace: Path
) -> None:
    text, table, recipe = workspace / "text.txt", workspace / "options.json", workspace / "options.yaml"
    call("map", llama_folder, "--levels", "0.3,0.6", "--data", text, "--out", table)
    words = ["--set", "all=0.5", "--data", text, "--out", recipe]
    written = call("recipe", llama_folder, *words, "--protect", "0")
    assert written["sparsity"] == pytest.approx(1 / 3)
    assert call("forecast", table, recipe)["sparsity"] == pytest.approx(1 / 3)
    call("recipe", llama_folder, *words, "--structure", "block", "--block", "8x8")
    assert "Measure the recipe instead" in call("forecast", table, recipe, fails=True)
    assert call("measure", llama_folder, recipe)["sparsity"] == pytest.approx(0.5)
    assert "no scope" in call("recipe", llama_folder, *words, "--scope", "world", fails=True)


def test_generate(call: Call, llama_folder: Path) -> None:
    words = ["--prompt", "the", "--prompt", "boats", "--criterion", "magnitude", "--max-new-tokens", "4"]
    dense = call("generate", llama_folder, *words)["answers"]
    assert [row["prompt"] for row in dense] == ["the", "boats"]
    assert all(row["pruned"] == row["dense"] and row["first_difference"] is None for row in dense)
    pruned = call("generate", llama_folder, *words, "--set", "all=0.9")["answers"]
    assert [row["dense"] for row in pruned] == [row["dense"] for row in dense]
    assert all(len(row["kl"]) == len(row["dense_tokens"]) and sum(row["kl"]) > 0 for row in pruned)


def test_early_exit(call: Call, llama_folder: Path, workspace: Path) -> None:
    text, recipe = workspace / "text.txt", workspace / "exit.yaml"
    dense = call("early-exit", llama_folder, "--thresholds", "0.01,1", "--data", text)
    assert [row["depth"] for row in dense["depths"]] == [1, 2, 3]
    assert [row["layers"] for row in dense["sure"]] == [1.0, 3.0]
    call("recipe", llama_folder, "--set", "all=0.5", "--data", text, "--out", recipe)
    pruned = call("early-exit", llama_folder, recipe)
    assert pruned["depths"][-1]["kl"] > 10 * dense["depths"][-1]["kl"]
    assert "no list of numbers" in call("early-exit", llama_folder, "--thresholds", "a", fails=True)


def test_quantize_without_its_extra_says_how_to_get_it(
    call: Call, llama_folder: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    said = call("quantize", llama_folder, "--data", workspace / "text.txt", fails=True)
    assert "prunescope[quantize]" in said


def test_quantize(call: Call, llama_folder: Path, workspace: Path) -> None:
    pytest.importorskip("torchao")
    text, recipe = workspace / "text.txt", workspace / "quantize.yaml"
    call("recipe", llama_folder, "--set", "all=0.5", "--data", text, "--out", recipe)
    rows = call("quantize", llama_folder, recipe, "--method", "int8")["rows"]
    assert [(row["pruned"], row["method"]) for row in rows] == [
        (False, None),
        (False, "int8"),
        (True, None),
        (True, "int8"),
    ]
