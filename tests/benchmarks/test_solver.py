"""The solver on a real, tiny model: outliers for OWL, prices of units, the command, the bench."""

import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from pruning.benchmarks import solver as bench_solver
from pruning.benchmarks.solver import Case
from pruning.cli import main
from pruning.engine.architecture.groups import group_weight
from pruning.engine.criteria.inputs import GroupInputs
from pruning.engine.models.load import Loaded, fingerprint, load
from pruning.engine.sensitivity.outliers import outlier_shares
from pruning.planning.recipe.recipe import Recipe
from pruning.tasks import Session
from pruning.tasks.optimize import unit_choices_for
from pruning.tasks.sensitivity import outliers
from pruning.workspace.store import Store
from tests.benchmarks.test_bench import written
from tests.support.result_keys import check_printed
from tests.support.tiny import LAYERS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def test_outliers_are_counted_over_all_weights_of_a_layer(loaded: Loaded) -> None:
    inputs = {(g.layer, g.kind): torch.ones(group_weight(loaded.model, g).shape[1]) for g in loaded.groups}
    inputs[1, "up"][0] = 1e4  # one input a hundred times as strong
    shares = outlier_shares(loaded.model, loaded.groups, lambda key: GroupInputs(inputs=inputs[key]))
    scores = torch.cat(
        [
            (group_weight(loaded.model, g).abs() * inputs[1, g.kind].sqrt()).flatten()
            for g in loaded.groups
            if g.layer == 1
        ]
    )
    assert shares[1] == pytest.approx(float((scores > 5 * scores.mean()).double().mean()))
    assert shares[1] > 2 * max(shares[0], shares[2])


def test_the_bench_measures_every_method_in_every_case(loaded: Loaded, home: Path, text: str) -> None:
    session = Session(loaded, Store(home), text)
    cases = (Case("wanda", 0.5), Case("sparsegpt", 0.5), Case("fisher", 0.25, "neurons"))
    found = bench_solver.bench_solver(session, cases)
    check_printed("bench solver", found)
    assert fingerprint(loaded.model) == loaded.fingerprint
    rows = found["rows"]
    assert len(rows) == 12
    assert {row["method"] for row in rows} == {"ours", "uniform", "owl", "greedy"}
    assert all(row["kl"] > 0 and row["forecast"] > 0 for row in rows)
    for row in rows:
        share = 0.25 if row["case"].startswith("neurons") else 0.5
        assert row["sparsity"] == pytest.approx(share, abs=0.02)
    ours = {row["case"]: row["kl"] for row in rows if row["method"] == "ours"}
    beaten = all(row["kl"] >= ours[row["case"]] for row in rows)
    assert found["ours_best_everywhere"] == beaten
    kls = {row["method"]: row["kl"] for row in rows if row["case"].startswith("neurons")}
    assert found["gap_to_bound"] == 0
    assert f"| neurons 25% | {kls['uniform']:.4f} | {kls['owl']:.4f} |" in written("solver", found)
    assert outliers(session)["layers"] == list(range(LAYERS))
    assert unit_choices_for(session, "heads").groups[0] == (0, "heads")


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRUNESCOPE_HOME", str(home))

    def run(*words, fails: bool = False):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == (1 if fails else 0), result.output + repr(result.exception)
        if fails:
            return result.stderr
        printed = json.loads(result.stdout.splitlines()[-1])
        check_printed(words[0], printed)
        return printed

    return run


def test_the_command_solves_for_a_model_and_for_its_map(
    call, llama_folder: Path, text: str, tmp_path
) -> None:
    out, drawn = tmp_path / "recipe.yaml", tmp_path / "map.json"
    target = ("--target", "sparsity=0.4", "--lock", "down@0=0", "--protect", "2", "--out", out)
    found = call("solve", llama_folder, "--data", text, "--criterion", "wanda", *target)
    assert set(found) == {
        "out", "sparsity", "kl", "kl_low", "kl_high", "parameters", "bytes", "file_bytes",
        "milliseconds", "gap_to_bound", "settings",
    }  # fmt: skip
    assert found["sparsity"] >= 0.4 - 1e-9
    assert found["kl_low"] < found["kl"] < found["kl_high"]
    recipe = Recipe.load(out)
    assert recipe.criterion == "wanda"
    assert recipe.settings() == found["settings"]
    call("map", llama_folder, "--data", text, "--criterion", "wanda", "--out", drawn)
    again = call("solve", drawn, *target)
    assert again["settings"] == found["settings"]
    told = call("forecast", drawn, out)
    assert told["kl"] == pytest.approx(found["kl"])
    assert told["bytes"] == found["bytes"]


def test_the_command_solves_for_units(call, llama_folder: Path, text: str, tmp_path) -> None:
    out = tmp_path / "recipe.yaml"
    words = ("solve", llama_folder, "--data", text, "--structure", "neurons", "--out", out)
    found = call(*words, "--target", "sparsity=0.25", "--ceiling", "neurons@0=0.125")
    assert found["sparsity"] == pytest.approx(0.25, abs=0.01)
    assert Recipe.load(out).options().structure == "neurons"
    measured = call("measure", llama_folder, out)
    assert measured["kl"] > 0
    again = call(*words, "--target", "sparsity=0.25", "--ceiling", "neurons@0=0.125")
    assert again["settings"] == found["settings"]
    assert abs(math.log(again["kl"] / measured["kl"])) < abs(math.log(found["kl"] / measured["kl"]))
    assert again["kl_high"] / again["kl_low"] < found["kl_high"] / found["kl_low"], "one point is learnt from"
    assert found["parameters"] < sum(p.numel() for p in load(str(llama_folder)).model.parameters())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--target", "sparsity"), "cannot be read"),
        (("--target", "speedup=1.4"), "cannot be reached by single weights"),
        (("--target", "sparsity=0.5", "--structure", "layers"), "no forecasts for the structure layers"),
        (("--target", "sparsity=0.5", "--structure", "heads", "--criterion", "wanda"), "Leave that out"),
        (("--target", "sparsity=0.5", "--floor", "some"), "is no level"),
        (("--target", "sparsity=0.99"), "nearest possible is sparsity="),
    ],
)
def test_the_command_says_what_is_wrong(call, llama_folder: Path, text: str, words, told, tmp_path) -> None:
    out = tmp_path / "recipe.yaml"
    assert told in call("solve", llama_folder, "--data", text, *words, "--out", out, fails=True)
    assert not out.exists()


def test_a_map_has_its_own_criterion_and_no_units(call, tmp_path) -> None:
    from pruning.benchmarks.synthetic import sensitivity_map

    drawn, out = tmp_path / "map.json", tmp_path / "recipe.yaml"
    sensitivity_map(layers=4).save(drawn)
    target = ("--target", "sparsity=0.5", "--out", out)
    assert "criterion is fisher" in call("solve", drawn, *target, "--criterion", "wanda", fails=True)
    assert "Give the model itself" in call("solve", drawn, *target, "--structure", "heads", fails=True)
    assert "cannot be read" in call("solve", tmp_path / "no.json", *target, fails=True)
