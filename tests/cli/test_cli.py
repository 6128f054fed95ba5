"""The command line: every command on a tiny model, its words, and what it says to bad input."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pruning.cli import main
from pruning.cli.run import terminal_progress
from pruning.cli.train import told
from pruning.engine.criteria import CRITERIA
from pruning.errors import Cancelled, PruningError
from pruning.jobs.command_line import command_line
from pruning.model_files.checkpoint import demo_folder
from pruning.planning.forecast.predict import SensitivityMap
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry

ROOT = Path(__file__).parents[2]
MODEL = {"reference": "demo", "dtype": "float32", "device": "auto"}


def commands(group=main, path=()):
    """Every command with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """One workspace for the commands of this file, with a text long enough to score with."""
    folder = tmp_path_factory.mktemp("workspace")
    words = "the quick brown fox jumps over the lazy dog and the river runs to the sea while "
    lines = [f"{number} {words[number % 40 :]}{words}" for number in range(400)]
    (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def call(workspace, monkeypatch):
    """Run a command; on success the JSON of its last line of standard output."""
    monkeypatch.setenv("PRUNESCOPE_HOME", str(workspace / "home"))

    def run(*words, fails=False):
        result = CliRunner().invoke(main, [str(word) for word in words])
        if fails:
            assert result.exit_code == 1, result.output
            assert isinstance(result.exception, SystemExit)
            assert result.stdout == ""
            return result.stderr
        assert result.exit_code == 0, result.output + repr(result.exception)
        return json.loads(result.stdout.splitlines()[-1])

    return run


# ---- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_has_help(path):
    command = ALL[path]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_the_help_names_every_criterion():
    [option] = [option for option in ALL["map",].params if option.name == "criterion"]
    assert option.help.partition(": ")[2].rstrip(".").split(", ") == list(CRITERIA)


REQUESTS = [
    ("inspect", {}, {}),
    ("baseline", {"data": "my text.txt"}, {"data": "my text.txt"}),
    (
        "map",
        {"criterion": "wanda", "levels": [0.1, 0.2, 0.3]},
        {"criterion": "wanda", "levels": "0.1:0.3:0.1"},
    ),
    (
        "sweep",
        {"layers": [0, 1, 5], "kinds": ["up"]},
        {"layers": "0-1,5", "kinds": "up", "criterion": "fisher"},
    ),
    (
        "generate",
        {"prompts": ["It's", "Boats"], "plans": [["up=0.5"]]},
        {"prompts": ("It's", "Boats"), "settings": ("up=0.5",)},
    ),
]


def parsed(line):
    """What click makes of one shell line."""
    program, name, *words = shlex.split(line)
    assert program == "prunescope"
    return name, main.commands[name].make_context(name, words).params


@pytest.mark.parametrize(("task", "arguments", "expected"), REQUESTS)
def test_the_command_of_a_request_is_understood(task, arguments, expected):
    model = {"reference": "a b", "dtype": "bfloat16", "device": "cpu", "trust_remote_code": True}
    line = command_line({"task": task, "model": model, "arguments": arguments})
    name, found = parsed(line)
    assert name == task
    expected = {**expected, "model": "a b", "dtype": "bfloat16", "device": "cpu", "trust_remote_code": True}
    assert expected.items() <= found.items()


def test_defaults_are_left_out_of_a_command():
    arguments = {"criterion": "fisher", "data": "demo", "levels": [i / 10 for i in range(1, 10)]}
    assert command_line({"task": "map", "model": MODEL, "arguments": arguments}) == "prunescope map demo"


def test_a_measurement_is_two_commands():
    arguments = {"settings": ["up=0.5", "down@0-3=0.1"], "criterion": "wanda", "data": "d"}
    first, second = command_line({"task": "measure", "model": MODEL, "arguments": arguments}).splitlines()
    name, found = parsed(first)
    assert name == "recipe"
    assert {
        "settings": ("up=0.5", "down@0-3=0.1"),
        "criterion": "wanda",
        "data": "d",
    }.items() <= found.items()
    name, again = parsed(second)
    assert name == "measure"
    assert again["recipe_file"] == found["out"]


def test_the_commands_of_the_best_recipe():
    arguments = {"structure": "heads", "sparsity": 0.2, "data": "d"}
    first, second = command_line({"task": "best", "model": MODEL, "arguments": arguments}).splitlines()
    name, found = parsed(first)
    assert name == "recipe"
    assert {"best": True, "sparsity": 0.2, "data": "d", "structure": "heads"}.items() <= found.items()
    assert parsed(second)[0] == "measure"


def test_options_are_part_of_the_command():
    options = {"structure": "n:m", "pattern": "2:4", "protect": "0-1", "ceiling": 0.9}
    arguments = {"settings": ["up=0.5"], **options}
    first = command_line({"task": "measure", "model": MODEL, "arguments": arguments}).splitlines()[0]
    assert parsed(first)[1].items() >= options.items()
    request = {"task": "sweep", "model": MODEL, "arguments": {"floor": 0.1, "scope": "group"}}
    assert parsed(command_line(request))[1].items() >= {"floor": 0.1, "scope": "group"}.items()
    recipe = Recipe.from_plan(
        {(0, "up"): 0.5},
        [(0, "up")],
        ModelEntry(reference="demo", fingerprint="f"),
        DataEntry(name="demo"),
        "fisher",
        MaskOptions.of(options),
    )
    request = {"task": "export", "model": MODEL, "arguments": {"recipe": recipe.to_dict(), "name": "x"}}
    assert parsed(command_line(request).splitlines()[0])[1].items() >= options.items()


def test_units_are_part_of_the_command():
    options = {"structure": "neurons", "round_to": 8, "compensate": False}
    first = command_line(
        {"task": "measure", "model": MODEL, "arguments": {"settings": ["neurons=0.2"], **options}}
    )
    assert parsed(first.splitlines()[0])[1].items() >= options.items()
    recipe = Recipe.from_plan(
        {(0, "neurons"): 0.5},
        [(0, "neurons")],
        ModelEntry(reference="demo", fingerprint="f"),
        DataEntry(name="demo"),
        "fisher",
        MaskOptions.of(options),
    )
    arguments = {"recipe": recipe.to_dict(), "name": "x", "masked": True}
    second = command_line({"task": "export", "model": MODEL, "arguments": arguments}).splitlines()[1]
    assert parsed(second)[1]["masked"] is True


def test_an_export_repeats_the_recipe():
    groups = [(layer, kind) for layer in range(3) for kind in ("qkv", "up")]
    recipe = Recipe.from_plan(
        {(0, "up"): 0.5},
        groups,
        ModelEntry(reference="demo", fingerprint="f"),
        DataEntry(name="demo"),
        "fisher",
    ).with_details(name="half up")
    arguments = {"recipe": recipe.to_dict(), "out": None, "name": "half-up"}
    first, second = command_line({"task": "export", "model": MODEL, "arguments": arguments}).splitlines()
    assert parsed(first)[1]["settings"] == ("up@0=0.5",)
    assert parsed(first)[1]["name"] == "half up"
    assert parsed(second)[1]["out"] == "half-up"


# ---- the whole road on a tiny model -----------------------------------------------------------------


def test_demo_draws_its_map_once(llama_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    folder = shutil.copytree(llama_folder, demo_folder())
    (folder / "prunescope.json").write_text('{"origin": "hub"}', encoding="utf-8")

    def demo(*options):
        code = (
            "import sys; from pruning.cli import main; main(sys.argv[1:], standalone_mode=False); "
            "print('torch' in sys.modules, file=sys.stderr)"
        )
        command = [sys.executable, "-c", code, "demo", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        return json.loads(done.stdout), done.stderr.splitlines()[-1]

    assert demo() == ({"model": str(folder), "origin": "hub"}, "False")
    first, torch = demo("--map")
    assert torch == "True"
    drawn = Path(first.pop("map"))
    assert first == {"model": str(folder), "origin": "hub"}
    table = SensitivityMap.load(drawn)
    assert (table.criterion, table.data, len(table.groups)) == ("fisher", "demo", 15)
    before = drawn.stat().st_mtime_ns
    again, torch = demo("--map")
    assert again["map"] == str(drawn)
    assert torch == "False", "the second run has nothing to do"
    assert drawn.stat().st_mtime_ns == before


def test_inspect(call, llama_folder):
    found = call("inspect", llama_folder)
    assert found["layers"] == 3
    assert [group["kind"] for group in found["groups"]] == ["qkv", "attn_out", "gate", "up", "down"] * 3
    assert found["prunable_parameters"] == sum(group["parameters"] for group in found["groups"])
    assert found["parameters"] > found["prunable_parameters"]


def test_baseline(call, llama_folder, workspace):
    found = call("baseline", llama_folder, "--data", workspace / "text.txt")
    assert found["perplexity"] > 1
    assert {"accuracy", "bytes", "prefill_ms", "decode_ms"} <= set(found)


def test_map_recipe_forecast_measure_export(call, llama_folder, workspace):
    text, table, recipe = workspace / "text.txt", workspace / "map.json", workspace / "recipe.yaml"
    made = call("map", llama_folder, "--levels", "0.3,0.6", "--data", text, "--out", table)
    assert made["points"] == 3 * 5 * 2
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


def test_a_recipe_from_a_strategy_that_settings_change(call, llama_folder, workspace):
    out = workspace / "strategy.yaml"
    arguments = ["--strategy", "guide=0.2,qkv=0", "--set", "down@0=0", "--out", out]
    assert call("recipe", llama_folder, *arguments)["settings"] == [
        "attn_out=0.25",
        "gate=0.3",
        "up=0.3",
        "down=0.1",
        "down@0=0",
    ]


def test_a_recipe_with_options_is_measured_and_not_forecast(call, llama_folder, workspace):
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


def test_the_best_recipe_reaches_its_sparsity_and_is_measured(call, llama_folder, workspace):
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


def test_sweep_streams_and_resumes(call, llama_folder, workspace):
    words = ["--levels", "0.5", "--layers", "0-1", "--kinds", "up,down", "--data", workspace / "text.txt"]
    out = workspace / "sweep.json"
    found = call("sweep", llama_folder, *words, "--out", out)
    assert {(point["layer"], point["kind"]) for point in found["points"]} == {
        (layer, kind) for layer in (0, 1) for kind in ("up", "down")
    }
    assert out.exists()
    assert call("sweep", llama_folder, *words)["points"] == found["points"]


def test_generate(call, llama_folder):
    words = ["--prompt", "the", "--prompt", "boats", "--criterion", "magnitude", "--max-new-tokens", "4"]
    dense = call("generate", llama_folder, *words)["answers"]
    assert [row["prompt"] for row in dense] == ["the", "boats"]
    assert all(row["pruned"] == row["dense"] and row["first_difference"] is None for row in dense)
    pruned = call("generate", llama_folder, *words, "--set", "all=0.9")["answers"]
    assert [row["dense"] for row in pruned] == [row["dense"] for row in dense]
    assert all(len(row["kl"]) == len(row["dense_tokens"]) and sum(row["kl"]) > 0 for row in pruned)


def test_several_plans_are_several_commands():
    request = {"task": "generate", "model": MODEL, "arguments": {"prompts": ["a"], "plans": [["up=0.5"], []]}}
    assert command_line(request).splitlines() == [
        "prunescope generate demo --prompt a --set up=0.5",
        "prunescope generate demo --prompt a",
    ]


def test_recover_measure_and_export_a_recovered_recipe(call, llama_folder, workspace):
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
    fitted = next(line for line in told(found) if "before the first step" in line)
    assert all(f"{look['kl']:.4f}" in fitted for look in found["looks"][:2])
    assert not any("before the first step" in line for line in told({**found, "refitted": None}))
    assert Recipe.load(trained).recovery == found["recovery"]
    measured = call("measure", llama_folder, trained)
    assert measured["kl"] == pytest.approx(found["recovered"]["kl"])
    assert call("measure", llama_folder, recipe)["kl"] == pytest.approx(found["pruned"]["kl"])
    # Asked again with the recipe's own recovery, it is there already.
    assert call("recover", llama_folder, trained)["recovered"] == found["recovered"]
    assert call("export", llama_folder, trained, "--out", workspace / "trained")["verified"] is True
    assert "Use one of distill" in call("recover", llama_folder, recipe, "--loss", "kl", fails=True)


def test_the_commands_of_a_recovery():
    recovery = {"steps": 50, "learning_rate": 3e-05, "schedule": "cubic", "refit": False}
    arguments = {"settings": ["all=0.5"], "criterion": "movement", "data": "demo", "recovery": recovery}
    first, second = command_line({"task": "recover", "model": MODEL, "arguments": arguments}).splitlines()
    assert parsed(first)[1]["criterion"] == "movement"
    name, found = parsed(second)
    assert name == "recover"
    assert {key: found[key] for key in recovery} == recovery
    assert {key for key, value in found.items() if value is not None} >= {"steps", "out", "recipe_file"}
    assert found["batch"] is None
    third = command_line({"task": "measure", "model": MODEL, "arguments": arguments}).splitlines()
    assert third[:2] == [first, second]
    assert parsed(third[2])[0] == "measure"


def test_progressive_and_lottery(call, llama_folder, workspace):
    text = ["--data", workspace / "text.txt"]
    few = ["--steps", "2", "--batch", "2", "--warmup", "1"]
    scored = ["--criterion", "magnitude", "--levels", "0.3,0.9", *text]
    found = call("progressive", llama_folder, "--max-kl", "1e-6", "--recover", *few, *scored)
    assert (found["ended"], found["best"], len(found["rows"])) == ("budget", None, 1)
    assert found["rows"][0]["recovered"] is True
    drawn = call("lottery", llama_folder, "--set", "all=0.5", "--rounds", "1", *few, *text)
    assert {"untrained", "dense", "ticket", "random", "ticket_wins"} <= set(drawn)
    assert "needs an end" in call("progressive", llama_folder, fails=True)


def test_the_commands_of_a_ladder_and_a_lottery():
    arguments = {"levels": [0.5], "max_kl": 0.25, "criterion": "fisher", "recovery": {"steps": 20}}
    name, found = parsed(command_line({"task": "progressive", "model": MODEL, "arguments": arguments}))
    assert name == "progressive"
    assert {"levels": "0.5", "max_kl": 0.25, "recovered": True, "steps": 20}.items() <= found.items()
    arguments = {"settings": ["all=0.8"], "rounds": 5, "recovery": {"loss": "task"}}
    line = command_line({"task": "lottery", "model": MODEL, "arguments": arguments})
    assert line == "prunescope lottery demo --set all=0.8 --rounds 5 --loss task"


def test_early_exit(call, llama_folder, workspace):
    text, recipe = workspace / "text.txt", workspace / "exit.yaml"
    dense = call("early-exit", llama_folder, "--thresholds", "0.01,1", "--data", text)
    assert [row["depth"] for row in dense["depths"]] == [1, 2, 3]
    assert [row["layers"] for row in dense["sure"]] == [1.0, 3.0]
    call("recipe", llama_folder, "--set", "all=0.5", "--data", text, "--out", recipe)
    pruned = call("early-exit", llama_folder, recipe)
    assert pruned["depths"][-1]["kl"] > 10 * dense["depths"][-1]["kl"]
    assert "no list of numbers" in call("early-exit", llama_folder, "--thresholds", "a", fails=True)


def test_the_commands_of_an_early_exit():
    request = {"task": "early_exit", "model": MODEL, "arguments": {"thresholds": [0.5, 0.9]}}
    assert command_line(request) == "prunescope early-exit demo --thresholds 0.5,0.9"
    pruned = {"settings": ["all=0.5"], "criterion": "wanda"}
    first, second = command_line({**request, "arguments": pruned}).splitlines()
    assert parsed(first)[1]["settings"] == ("all=0.5",)
    assert parsed(second)[1]["recipe_file"] == "recipe.yaml"


def test_quantize_without_its_extra_says_how_to_get_it(call, llama_folder, workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    said = call("quantize", llama_folder, "--data", workspace / "text.txt", fails=True)
    assert "prunescope[quantize]" in said


def test_quantize(call, llama_folder, workspace):
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


def test_the_commands_of_quantizing():
    request = {"task": "quantize", "model": MODEL, "arguments": {"methods": ["int8"]}}
    assert command_line(request) == "prunescope quantize demo --method int8"
    pruned = {"settings": ["all=0.5"], "recovery": {"steps": 30}}
    lines = command_line({**request, "arguments": pruned}).splitlines()
    assert [parsed(line)[0] for line in lines] == ["recipe", "recover", "quantize"]


# ---- bad input --------------------------------------------------------------------------------------


def test_a_model_that_does_not_exist(call, tmp_path):
    said = call("inspect", tmp_path / "nothing", fails=True)
    assert said.startswith("Error: ")
    assert "nothing" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"up: 0.5": "up: 1.2"}, "the level 1.2 is outside"),
        ({"structure:": "strukture:"}, "strukture: is no key of a recipe"),
        ({"fingerprint: ": "fingerprint: another-"}, "made for another model"),
        ({"criterion: fisher": "criterion: wonda"}, "wonda"),
    ],
)
def test_a_recipe_with_a_mistake(call, llama_folder, tmp_path, change, words):
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


def test_settings_that_the_model_has_not(call, llama_folder, tmp_path):
    out = tmp_path / "recipe.yaml"
    assert "layers are 0 to 2" in call("recipe", llama_folder, "--set", "up@7=0.5", "--out", out, fails=True)
    assert "wonda" in call("recipe", llama_folder, "--criterion", "wonda", "--out", out, fails=True)
    assert not out.exists()


def test_words_are_checked_before_the_model_is_loaded(call, tmp_path):
    assert "Levels" in call("map", "demo", "--levels", "0.1:2:0.1", fails=True)
    assert '"mlp"' in call("sweep", "demo", "--kinds", "up,mlp", fails=True)
    assert "not a list of layers" in call("sweep", "demo", "--layers", "a", fails=True)
    assert "cannot be read" in call("measure", "demo", tmp_path / "none.yaml", fails=True)
    assert "none.json" in call("forecast", tmp_path / "none.json", tmp_path / "none.yaml", fails=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled])
def test_a_stopped_command_says_so(error, monkeypatch):
    def stop(*_):
        raise error

    monkeypatch.setattr("pruning.cli.run.load", stop)
    result = CliRunner().invoke(main, ["inspect", "demo"])
    assert result.exit_code == 130
    assert "Stopped" in result.stderr
    assert result.stdout == ""


def test_an_error_is_one_sentence_without_a_traceback(monkeypatch):
    def refuse(*_):
        raise PruningError("There is no such model.")

    monkeypatch.setattr("pruning.cli.run.load", refuse)
    result = CliRunner().invoke(main, ["inspect", "x"])
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such model.\n")


# ---- progress and the dashboard ---------------------------------------------------------------------


def test_progress_off_a_terminal_is_sparse(capsys):
    with terminal_progress() as progress:
        for step in range(1000):
            progress(step + 1, 1000, f"step {step}")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].startswith("100 %  step 999")
    assert len(said.err.splitlines()) < 20


def test_the_dashboard_starts_here_alone_and_prints_its_address(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pruning", "app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            health = f"http://127.0.0.1:{port}/_stcore/health"
            deadline = time.monotonic() + 60
            while not answers(health):
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            taken = CliRunner().invoke(main, ["app", "--port", str(port)])
            assert taken.exit_code == 1
            assert f"Port {port} cannot be used" in taken.stderr
        finally:
            server.send_signal(signal.SIGTERM)
            said = server.communicate(timeout=30)[0]
    assert json.loads(said.splitlines()[-1]) == {"address": f"http://127.0.0.1:{port}"}


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=1) as reply:
            return reply.status == 200
    except OSError:
        return False


def test_a_model_without_units_is_written_smaller(call, llama_folder, workspace):
    recipe, text = workspace / "units.yaml", workspace / "text.txt"
    words = ["--structure", "neurons", "--data", text, "--out", recipe]
    written = call("recipe", llama_folder, "--set", "neurons=0.3", "--round-to", 16, *words)
    assert written["kept"] == [48, 48, 48]
    assert "Measure the recipe instead" in call(
        "forecast", call("map", llama_folder, "--data", text)["out"], recipe, fails=True
    )
    small = call("export", llama_folder, recipe, "--out", workspace / "small")
    full = call("export", llama_folder, recipe, "--out", workspace / "full", "--masked")
    assert small["kl"] == full["kl"]
    assert small["bytes"] < full["bytes"]
    best = call("recipe", llama_folder, "--best", "--sparsity", 0.2, *words)
    assert sum(best["kept"]) == pytest.approx(0.8 * 3 * 64, abs=2)
    assert "--masked" in call("export", llama_folder, recipe, "--out", workspace / "best", fails=True)
    assert call("export", llama_folder, recipe, "--out", workspace / "masked", "--masked")["verified"]
    for more, said in (
        (["--set", "up=0.3"], "only neurons can go"),
        (["--strategy", "uniform=0.3"], "Strategies are for weights"),
    ):
        assert said in call("recipe", llama_folder, *more, *words, fails=True)
