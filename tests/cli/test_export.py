"""The commands that write a recipe and the pruned model, on a tiny one."""

from pathlib import Path

import pytest

from pruning.planning.exports.llamacpp import NUMBERS
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace.store import Store
from tests.cli.conftest import Call


def test_other_tools_files_become_recipes(call: Call, llama_folder: Path, workspace: Path) -> None:
    merge, recipe = workspace / "merge.yaml", workspace / "recipe.yaml"
    merge.write_text(
        "merge_method: passthrough\nslices:\n- sources: [{model: a, layer_range: [0, 1]}]\n"
        "- sources: [{model: a, layer_range: [2, 3]}]\n"
    )
    made = call("import", llama_folder, merge, "--name", "shorter", "--out", recipe)
    assert (made["form"], made["settings"]) == ("mergekit", ["layers@1=1"])
    assert Recipe.load(recipe).name == "shorter"
    again = call("import", llama_folder, recipe, "--out", workspace / "again.yaml", fails=True)
    assert "a recipe of Prunescope already" in again


def test_a_recipe_from_a_strategy_that_settings_change(
    call: Call, llama_folder: Path, workspace: Path
) -> None:
    out = workspace / "strategy.yaml"
    arguments = ["--strategy", "guide=0.2,qkv=0", "--set", "down@0=0", "--out", out]
    assert call("recipe", llama_folder, *arguments)["settings"] == [
        "heads=0.25",
        "gate=0.3",
        "up=0.3",
        "down=0.1",
        "down@0=0",
    ]


def test_the_best_recipe_reaches_its_sparsity_and_is_measured(
    call: Call, llama_folder: Path, workspace: Path
) -> None:
    recipe = workspace / "best.yaml"
    words = ["--data", workspace / "text.txt", "--out", recipe]
    made = call("recipe", llama_folder, "--best", "--structure", "unstructured", "--sparsity", "0.5", *words)
    assert made["sparsity"] == pytest.approx(0.5, abs=0.005)
    assert len(made["settings"]) > 3
    assert Recipe.load(recipe).criterion == "corrected"
    found = call("measure", llama_folder, recipe)
    assert found["sparsity"] == pytest.approx(made["sparsity"], abs=0.01)
    written = call("export", llama_folder, recipe, "--out", workspace / "finest")
    assert written["verified"]
    assert written["kl"] == pytest.approx(found["kl"], abs=1e-5)
    for wrong, said in (
        (["--best"], "--best needs the share"),
        (["--sparsity", "0.5"], "goes with --best"),
        (["--best", "--sparsity", "0.5", "--set", "up=0.5"], "finds the levels itself"),
        (["--best", "--sparsity", "0.5", "--protect", "0"], "without other options"),
        (["--best", "--sparsity", "1.5"], "cannot be shared out"),
    ):
        assert said in call("recipe", llama_folder, *wrong, *words, fails=True)


def test_a_model_without_units_is_written_smaller(call: Call, llama_folder: Path, workspace: Path) -> None:
    recipe, text = workspace / "units.yaml", workspace / "text.txt"
    words = ["--structure", "neurons", "--data", text, "--out", recipe]
    written = call("recipe", llama_folder, "--set", "neurons=0.3", "--round-to", 16, *words)
    assert written["kept"] == [48, 48, 48]
    drawn = call("map", llama_folder, "--data", text)["out"]
    expected = call("forecast", drawn, recipe)
    assert expected["sparsity"] == pytest.approx(written["sparsity"], abs=0.05), "the rounding is not priced"
    small = call("export", llama_folder, recipe, "--out", workspace / "small")
    full = call("export", llama_folder, recipe, "--out", workspace / "full", "--masked")
    assert small["kl"] == full["kl"]
    assert small["bytes"] < full["bytes"]
    best = call("recipe", llama_folder, "--best", "--sparsity", 0.2, *words)
    assert sum(best["kept"]) == pytest.approx(0.8 * 3 * 64, abs=2)
    assert call("check", llama_folder, recipe)["targets"][0]["state"] == "bundled code"
    assert call("export", llama_folder, recipe, "--out", workspace / "best")["bytes"] < full["bytes"]
    assert "trust_remote_code=True" in (workspace / "best" / "README.md").read_text(encoding="utf-8")
    inside = call("inspect", workspace / "best")
    assert inside["units"]["neurons"] == best["kept"], "without a word of trust"
    assert call("export", llama_folder, recipe, "--out", workspace / "masked", "--masked")["verified"]
    for more in (["--set", "up=0.3"], ["--strategy", "uniform=0.3"]):
        assert "only neurons can go" in call("recipe", llama_folder, *more, *words, fails=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"up: 0.5": "up: 1.2"}, "the level 1.2 is outside"),
        ({"structure:": "strukture:"}, "strukture: is no key of a recipe"),
        ({"fingerprint: ": "fingerprint: another-"}, "made for another model"),
        ({"criterion: fisher": "criterion: wonda"}, "wonda"),
    ],
)
def test_a_recipe_with_a_mistake(
    call: Call, llama_folder: Path, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    call("recipe", llama_folder, "--set", "up=0.5", "--out", recipe)
    text = recipe.read_text(encoding="utf-8")
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    recipe.write_text(text.replace("fingerprint: another-'", "fingerprint: 'another-"), encoding="utf-8")
    out = tmp_path / "pruned"
    assert words in call("export", llama_folder, recipe, "--out", out, fails=True)
    assert words in call("measure", llama_folder, recipe, fails=True)
    assert not out.exists()


def test_settings_that_the_model_has_not(call: Call, llama_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "recipe.yaml"
    assert "layers are 0 to 2" in call("recipe", llama_folder, "--set", "up@7=0.5", "--out", out, fails=True)
    assert "wonda" in call("recipe", llama_folder, "--criterion", "wonda", "--out", out, fails=True)
    assert not out.exists()


def test_a_compact_model_is_written_opened_and_unpacked(
    call: Call, llama_folder: Path, workspace: Path
) -> None:
    recipe, text = workspace / "half.yaml", workspace / "text.txt"
    call("recipe", llama_folder, "--set", "all=0.6", "--data", text, "--out", recipe)
    measured = call("measure", llama_folder, recipe)
    whole = call("export", llama_folder, recipe, "--out", workspace / "zeros-whole")
    small = call("export", llama_folder, recipe, "--to", "compact", "--out", workspace / "zeros-small")
    assert measured["bytes"] == small["sparse_bytes"] < measured["file_bytes"] <= whole["bytes"]
    assert (
        call("inspect", workspace / "zeros-small")["fingerprint"]
        == call("inspect", workspace / "zeros-whole")["fingerprint"]
    )
    unpacked = call("unpack", workspace / "zeros-small", "--out", workspace / "zeros-unpacked")
    assert unpacked["bytes"] == whole["bytes"]
    assert "ordinary model already" in call(
        "unpack", workspace / "zeros-whole", "--out", workspace / "again", fails=True
    )


def test_check_says_why_not_and_what_would_do(call: Call, llama_folder: Path, workspace: Path) -> None:
    recipe = workspace / "one-head.yaml"
    call("recipe", llama_folder, "--set", "heads=0.25", "--data", workspace / "text.txt", "--out", recipe)
    rows = {row["target"]: row for row in call("check", llama_folder, recipe)["targets"]}
    assert rows["hf"]["state"] == "cannot"
    assert rows["hf"]["nearest"]["settings"] == ["heads=0.5"]
    full = call("check", llama_folder, recipe, "--masked")
    assert [(row["numbers"], row["state"]) for row in full["gguf_numbers"]] == [(n, "loads") for n in NUMBERS]
    masked = {row["target"]: row["state"] for row in full["targets"]}
    assert [name for name, state in masked.items() if state == "cannot"] == ["llm-compressor"]
    refused = call("export", llama_folder, recipe, "--out", workspace / "one-head", fails=True)
    assert rows["hf"]["reason"] in refused


def test_check_of_a_strange_family_asks_to_load_it_first(call: Call, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "martian"}', encoding="utf-8")
    assert "prunescope inspect" in call("check", tmp_path, workspace / "one-head.yaml", fails=True)
    units = {"neurons": [4], "heads": [4], "kv_groups": [4]}
    found = {
        "architecture": "MartianForCausalLM",
        "hidden_size": 8,
        "layers": 1,
        "groups": [],
        "units": units,
    }
    found["writable"] = {"heads": [1], "kv_groups": [1]}
    Store(workspace / "home").put("inspect", {"reference": str(tmp_path), "dtype": "float32"}, found)
    rows = {row["target"]: row for row in call("check", tmp_path, workspace / "one-head.yaml")["targets"]}
    assert rows["hf"]["state"] == "loads"
