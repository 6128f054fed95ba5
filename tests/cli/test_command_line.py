"""The shell lines of the dashboard's requests, as click reads them."""

from typing import Any

import pytest

from pruning.cli.reference.command_line import command_line
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.workspace.task_registry import BY_NAME
from tests.cli.conftest import Parsed

MODEL = {"reference": "demo", "dtype": "float32", "device": "auto"}


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


@pytest.mark.parametrize(("task", "arguments", "expected"), REQUESTS)
def test_the_command_of_a_request_is_understood(
    parsed: Parsed, task: str, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    model = {"reference": "a b", "dtype": "bfloat16", "device": "cpu", "trust_remote_code": True}
    line = command_line({"task": task, "model": model, "arguments": arguments})
    name, found = parsed(line)
    assert name == task
    expected = {**expected, "model": "a b", "dtype": "bfloat16", "device": "cpu", "trust_remote_code": True}
    assert expected.items() <= found.items()


def half_up(options: dict[str, Any], kind: str = "up") -> dict[str, Any]:
    """A recipe that prunes half of one group, as it stands in a request."""
    recipe = Recipe.from_plan(
        {(0, kind): 0.5},
        [(0, kind)],
        ModelEntry(reference="demo", fingerprint="f"),
        DataEntry(name="demo"),
        "fisher",
        MaskOptions.of(options),
    )
    return recipe.to_dict()


def test_defaults_are_left_out_of_a_command() -> None:
    arguments = {"criterion": "fisher", "data": "demo", "levels": [i / 10 for i in range(1, 10)]}
    assert command_line({"task": "map", "model": MODEL, "arguments": arguments}) == "prunescope map demo"


def test_a_measurement_is_two_commands(parsed: Parsed) -> None:
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
    assert again["recipe_file"] == (found["out"],)


def test_the_commands_of_the_best_recipe(parsed: Parsed) -> None:
    arguments = {"structure": "heads", "sparsity": 0.2, "data": "d"}
    first, second = command_line({"task": "best", "model": MODEL, "arguments": arguments}).splitlines()
    name, found = parsed(first)
    assert name == "recipe"
    assert {"best": True, "sparsity": 0.2, "data": "d", "structure": "heads"}.items() <= found.items()
    assert parsed(second)[0] == "measure"


def test_options_are_part_of_the_command(parsed: Parsed) -> None:
    options = {"structure": "n:m", "pattern": "2:4", "protect": "0-1", "ceiling": 0.9}
    arguments = {"settings": ["up=0.5"], **options}
    first = command_line({"task": "measure", "model": MODEL, "arguments": arguments}).splitlines()[0]
    assert parsed(first)[1].items() >= options.items()
    request = {"task": "sweep", "model": MODEL, "arguments": {"floor": 0.1, "scope": "group"}}
    assert parsed(command_line(request))[1].items() >= {"floor": 0.1, "scope": "group"}.items()
    request = {"task": "export", "model": MODEL, "arguments": {"recipe": half_up(options), "name": "x"}}
    assert parsed(command_line(request).splitlines()[0])[1].items() >= options.items()


def test_units_are_part_of_the_command(parsed: Parsed) -> None:
    options = {"structure": "neurons", "round_to": 8, "compensate": False}
    first = command_line(
        {"task": "measure", "model": MODEL, "arguments": {"settings": ["neurons=0.2"], **options}}
    )
    written = {name: value for name, value in options.items() if name != "structure"}
    assert parsed(first.splitlines()[0])[1].items() >= written.items(), "which units go stands in the plan"
    arguments = {"recipe": half_up(options, "neurons"), "name": "x", "masked": True}
    second = command_line({"task": "export", "model": MODEL, "arguments": arguments}).splitlines()[1]
    assert parsed(second)[1]["masked"] is True


def test_an_export_repeats_the_recipe(parsed: Parsed) -> None:
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
    compact = command_line({"task": "export", "model": MODEL, "arguments": {**arguments, "to": "compact"}})
    assert compact.splitlines()[1].endswith("--to compact")


def test_several_plans_are_several_commands() -> None:
    request = {"task": "generate", "model": MODEL, "arguments": {"prompts": ["a"], "plans": [["up=0.5"], []]}}
    assert command_line(request).splitlines() == [
        "prunescope generate demo --prompt a --set up=0.5",
        "prunescope generate demo --prompt a",
    ]


def test_the_commands_of_a_recovery(parsed: Parsed) -> None:
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


def test_the_commands_of_a_ladder_and_a_lottery(parsed: Parsed) -> None:
    arguments = {"levels": [0.5], "max_kl": 0.25, "criterion": "fisher", "recovery": {"steps": 20}}
    name, found = parsed(command_line({"task": "progressive", "model": MODEL, "arguments": arguments}))
    assert name == "progressive"
    assert {"levels": "0.5", "max_kl": 0.25, "recovered": True, "steps": 20}.items() <= found.items()
    arguments = {"settings": ["all=0.8"], "rounds": 5, "recovery": {"loss": "task"}}
    line = command_line({"task": "lottery", "model": MODEL, "arguments": arguments})
    assert line == "prunescope lottery demo --set all=0.8 --rounds 5 --loss task"


def test_the_commands_of_an_early_exit(parsed: Parsed) -> None:
    request = {"task": "early_exit", "model": MODEL, "arguments": {"thresholds": [0.5, 0.9]}}
    assert command_line(request) == "prunescope early-exit demo --thresholds 0.5,0.9"
    pruned = {"settings": ["all=0.5"], "criterion": "wanda"}
    first, second = command_line({**request, "arguments": pruned}).splitlines()
    assert parsed(first)[1]["settings"] == ("all=0.5",)
    assert parsed(second)[1]["recipe_file"] == "recipe.yaml"


def test_the_commands_of_quantizing(parsed: Parsed) -> None:
    request = {"task": "quantize", "model": MODEL, "arguments": {"methods": ["int8"]}}
    assert command_line(request) == "prunescope quantize demo --method int8"
    pruned = {"settings": ["all=0.5"], "recovery": {"steps": 30}}
    lines = command_line({**request, "arguments": pruned}).splitlines()
    assert [parsed(line)[0] for line in lines] == ["recipe", "recover", "quantize"]


EVERY: dict[str, list[dict[str, Any]]] = {
    "inspect": [{}],
    "text": [{"data": "wiki.txt:0.5,my chat.jsonl:0.5"}],
    "baseline": [{"data": "my text.txt"}],
    "latency": [{}, {"again": True}],
    "outliers": [{"data": "d"}],
    "map": [{"criterion": "wanda", "levels": [0.3, 0.55], "data": "d", "out": "x y.json"}],
    "sweep": [{"levels": [0.5], "layers": [0, 1, 5], "kinds": ["up", "down"], "out": None, "floor": 0.1}],
    "capabilities": [{"criterion": "fisher", "levels": [0.5], "data": "d"}],
    "measure": [{"settings": []}, {"settings": ["up=0.5"], "recovery": {"steps": 5, "refit": False}}],
    "calibrate": [{"structure": "heads", "criterion": "wanda", "data": "d"}],
    "teach": [{"criterion": "wanda"}],
    "best": [{"sparsity": 0.5, "structure": "heads", "data": "d"}],
    "recipe": [
        {"settings": ["up=0.5"], "preset": "uniform=0.3", "labels": {"name": "half up", "notes": None}},
        {"best": 0.2, "structure": "heads", "data": "d"},
    ],
    "first_look": [{}, {"smaller": 0.3, "prompt": "Why?", "max_new_tokens": 9, "data": "d"}],
    "diff": [{"other": "a folder"}, {"other": "b", "data": "d"}],
    "import": [
        {"source": "my slices.yaml"},
        {"source": "21-24", "criterion": "wanda", "data": "d", "name": "x"},
    ],
    "export": [{"recipe": {}, "name": "x", "masked": True}, {"recipe": {}, "name": "x", "to": "compact"}],
    "generate": [{"prompts": ["It's", "a"], "plans": [["up=0.5"], []], "max_new_tokens": 7, "floor": 0.2}],
    "recover": [{"settings": ["all=0.5"], "recovery": {"lora": 8, "written": 0}, "scope": "layer"}],
    "progressive": [{"levels": [0.5], "max_kl": 0.25, "max_perplexity": None, "recovery": {"loss": "both"}}],
    "lottery": [{"settings": ["all=0.8"], "rounds": 5, "rewind": 2, "recovery": {"loss": "task"}}],
    "early_exit": [{"thresholds": [0.5, 0.9]}, {"settings": ["all=0.5"], "data": "d"}],
    "quantize": [{"methods": ["int8", "int8-dynamic"]}, {"settings": ["up=0.1"], "recovery": {"steps": 3}}],
    "impact": [{}, {"lottery_steps": 20, "only": ["wanda_50", "heads_50"], "out": "f.json"}],
    "solve": [{"targets": [["sparsity", 0.5]], "locks": ["up=0"], "protect": "0", "values": {"code": 2.0}}],
}


def test_every_line_of_every_task_is_one_that_click_takes(parsed: Parsed) -> None:
    assert set(EVERY) == set(BY_NAME)
    how = {"reference": "a b", "dtype": "bfloat16", "device": "cpu", "allow_pickle": True}
    for task, requests in EVERY.items():
        for arguments in requests:
            if task == "export":
                arguments = {**arguments, "recipe": half_up({"structure": "n:m", "pattern": "2:4"})}
            for model in (MODEL, how):
                lines = command_line({"task": task, "model": model, "arguments": arguments}).splitlines()
                read = [parsed(line) for line in lines]
                assert all(values["model"] == model["reference"] for _, values in read)
                assert all(values["dtype"] == model["dtype"] for _, values in read)
                assert read[-1][0] in {*BY_NAME[task].aliases, BY_NAME[task].command}


def test_the_plain_tasks_say_the_same_as_their_request(parsed: Parsed) -> None:
    """What click reads from the line is what the request asked for, word for word."""
    line = command_line({"task": "sweep", "model": MODEL, "arguments": EVERY["sweep"][0]})
    assert line == ("prunescope sweep demo --levels 0.5 --layers 0-1,5 --kinds up,down --floor 0.1")
    [request] = EVERY["progressive"]
    line = command_line({"task": "progressive", "model": MODEL, "arguments": request})
    assert line == "prunescope progressive demo --levels 0.5 --max-kl 0.25 --recover --loss both"
    line = command_line({"task": "impact", "model": MODEL, "arguments": EVERY["impact"][1]})
    assert line == "prunescope impact demo --lottery --lottery-steps 20 --rows wanda_50,heads_50 --out f.json"
    line = command_line({"task": "solve", "model": MODEL, "arguments": EVERY["solve"][0]})
    assert line == (
        "prunescope solve demo --target sparsity=0.5 --lock up=0 --protect 0 --value code=2 --out recipe.yaml"
    )
    line = command_line({"task": "solve", "model": MODEL, "arguments": {"targets": ["kl=0.1"]}})
    assert line == "prunescope solve demo --target kl=0.1 --out recipe.yaml"
    line = command_line({"task": "recipe", "model": MODEL, "arguments": EVERY["recipe"][1]})
    assert line == (
        "prunescope recipe demo --best --data d --structure heads --sparsity 0.2 --out recipe.yaml"
    )
    line = command_line({"task": "latency", "model": MODEL, "arguments": {"again": True}})
    assert line == "prunescope latency demo --again"


def test_an_argument_that_no_option_has_is_said() -> None:
    with pytest.raises(PruningError, match="no option for colour"):
        command_line({"task": "map", "model": MODEL, "arguments": {"colour": "red"}})
    with pytest.raises(PruningError, match="no command for the task dream"):
        command_line({"task": "dream", "model": MODEL, "arguments": {}})
