"""The shell commands that do what a request of the dashboard does."""

import shlex
from collections.abc import Callable
from typing import Any

from pruning.planning.recipe.mask_options import MaskOptions, names
from pruning.planning.recipe.plan import format_layers, format_level, format_levels
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.training import Training

RECIPE_FILE = "recipe.yaml"


def command_line(request: dict[str, Any]) -> str:
    """The command, or several on a line each, that repeat a request outside the dashboard.

    `request` is {"task", "model", "arguments"}. What equals the commands' own default is left out.
    """
    task, model, arguments = request["task"], request["model"], request["arguments"]
    return _WRITERS[task](model, arguments)


def _inspect(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    return _line("inspect", model)


def _baseline(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    return _line("baseline", model, *_data(arguments))


def _latency(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    return _line("latency", model, *(["--again"] if arguments.get("again") else []))


def _outliers(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    return _line("outliers", model, *_data(arguments))


def _map(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    return _line("map", model, *_scored(arguments), *_levels(arguments), *_data(arguments), *_out(arguments))


def _capabilities(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    told = [*_scored(arguments), *_levels(arguments), *_data(arguments), *_out(arguments)]
    return _line("capabilities", model, *told)


def _sweep(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    layers, kinds = arguments.get("layers"), arguments.get("kinds")
    return _line(
        "sweep",
        model,
        *_scored(arguments),
        *_levels(arguments),
        *(["--layers", format_layers(layers)] if layers else []),
        *(["--kinds", ",".join(kinds)] if kinds else []),
        *_data(arguments),
        *_options(arguments),
        *_out(arguments),
    )


def _measure(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    # Also of nothing removed: `measure` always takes a recipe, and the data that the recipe names.
    more = [*_data(arguments), *_options(arguments)]
    written = _recipe(model, arguments["settings"], arguments.get("criterion", "fisher"), more)
    recovered = _recovered(model, arguments.get("recovery"))
    return f"{written}\n{recovered}{_line('measure', model, RECIPE_FILE)}"


def _teach(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    return _line("teach", model, *_scored(arguments), *_options(arguments), *_data(arguments))


def _best(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    structure = arguments.get("structure", "unstructured")
    wanted = ["--best", "--structure", structure, "--sparsity", format_level(arguments["sparsity"])]
    written = _line("recipe", model, *wanted, *_data(arguments), "--out", RECIPE_FILE)
    return f"{written}\n{_line('measure', model, RECIPE_FILE)}"


def _recover(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    more = [*_data(arguments), *_options(arguments)]
    written = _recipe(model, arguments["settings"], arguments.get("criterion", "fisher"), more)
    return f"{written}\n{_recovered(model, arguments.get('recovery') or {}).rstrip()}"


def _progressive(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    recovery = arguments.get("recovery")
    budget = [
        word
        for name in ("max_kl", "max_perplexity")
        if arguments.get(name) is not None
        for word in (f"--{name.replace('_', '-')}", str(arguments[name]))
    ]
    return _line(
        "progressive",
        model,
        *_scored(arguments),
        *_levels(arguments),
        *budget,
        *(["--recover", *_training(recovery)] if recovery is not None else []),
        *_data(arguments),
        *_options(arguments),
    )


def _lottery(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    turns = [
        word
        for name, usual in (("rounds", 3), ("rewind", 0))
        if arguments.get(name, usual) != usual
        for word in (f"--{name}", str(arguments[name]))
    ]
    trained = _training(arguments.get("recovery") or {})
    return _line("lottery", model, *_set(arguments["settings"]), *turns, *trained, *_data(arguments))


def _solve(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    wanted = [f"{name}={value:.10g}" for name, value in arguments["targets"]]
    held = {"target": wanted, "lock": arguments.get("locks", [])}
    held["protect"] = [arguments["protect"]] if arguments.get("protect") else []
    held |= {"floor": arguments.get("floors", []), "ceiling": arguments.get("ceilings", [])}
    held["value"] = [f"{name}={value:g}" for name, value in arguments.get("values", {}).items()]
    told = [word for flag, values in held.items() for one in values for word in (f"--{flag}", one)]
    return _line("solve", model, *told, *_scored(arguments), *_data(arguments), "--out", RECIPE_FILE)


def _early_exit(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    chosen = arguments.get("thresholds")
    words = ["--thresholds", ",".join(f"{one:g}" for one in chosen)] if chosen else []
    return _with_recipe("early-exit", model, arguments, words)


def _quantize(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    words = [word for method in arguments.get("methods") or () for word in ("--method", method)]
    return _with_recipe("quantize", model, arguments, words)


def _impact(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    steps = arguments.get("lottery_steps", 0)
    drawn = ["--lottery", "--lottery-steps", str(steps)] if steps else []
    rows = ["--rows", ",".join(arguments["only"])] if arguments.get("only") else []
    return _line("impact", model, *drawn, *rows, *_data(arguments), *_out(arguments))


def _with_recipe(command: str, model: dict[str, Any], arguments: dict[str, Any], words: list[str]) -> str:
    """A command that takes the model as it is or pruned as a recipe says, which is written first."""
    if not arguments.get("settings"):
        return _line(command, model, *words, *_data(arguments))
    more = [*_data(arguments), *_options(arguments)]
    written = _recipe(model, arguments["settings"], arguments.get("criterion", "fisher"), more)
    recovered = _recovered(model, arguments.get("recovery"))
    return f"{written}\n{recovered}{_line(command, model, RECIPE_FILE, *words)}"


def _training(recovery: dict[str, Any]) -> list[str]:
    words = []
    for name, value in Training.of(recovery).changed().items():
        spelt = name.replace("_", "-")
        if type(value) is bool:
            words.append(f"--{spelt}" if value else f"--no-{spelt}")
        else:
            words += [f"--{spelt}", str(value)]
    return words


def _recovered(model: dict[str, Any], recovery: dict[str, Any] | None) -> str:
    """The line that trains what the recipe leaves, and says so in the recipe; nothing where it is None."""
    if recovery is None:
        return ""
    return _line("recover", model, RECIPE_FILE, *_training(recovery), "--out", RECIPE_FILE) + "\n"


def _export(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    recipe = Recipe.from_dict(arguments["recipe"])
    told = [
        *_data({"data": recipe.data.name}),
        *_options(recipe.options().changed()),
        *(["--name", recipe.name] if recipe.name else []),
        *(["--notes", recipe.notes] if recipe.notes else []),
    ]
    written = _recipe(model, recipe.settings(), recipe.criterion, told)
    masked = ["--masked"] if arguments.get("masked") else []
    out = arguments.get("out") or arguments.get("name") or "pruned-model"
    recovered = _recovered(model, recipe.recovery)
    return f"{written}\n{recovered}{_line('export', model, RECIPE_FILE, '--out', str(out), *masked)}"


def _generate(model: dict[str, Any], arguments: dict[str, Any]) -> str:
    """A line for each plan; they share what is in the workspace."""
    tokens = arguments.get("max_new_tokens", 40)
    asked = [word for prompt in arguments["prompts"] for word in ("--prompt", prompt)]
    more = [
        *_data(arguments),
        *_options(arguments),
        *(["--max-new-tokens", str(tokens)] if tokens != 40 else []),
    ]
    return "\n".join(
        _line("generate", model, *asked, *_scored(arguments), *_set(settings), *more)
        for settings in arguments["plans"]
    )


_WRITERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "inspect": _inspect,
    "baseline": _baseline,
    "latency": _latency,
    "outliers": _outliers,
    "map": _map,
    "sweep": _sweep,
    "capabilities": _capabilities,
    "measure": _measure,
    "teach": _teach,
    "best": _best,
    "recover": _recover,
    "solve": _solve,
    "progressive": _progressive,
    "lottery": _lottery,
    "early_exit": _early_exit,
    "quantize": _quantize,
    "impact": _impact,
    "export": _export,
    "generate": _generate,
}


def _recipe(model: dict[str, Any], settings: list[str], criterion: str, more: list[str]) -> str:
    return _line("recipe", model, "--criterion", criterion, *_set(settings), *more, "--out", RECIPE_FILE)


def _line(command: str, model: dict[str, Any], *rest: str) -> str:
    """One shell line; the model's own options come last."""
    dtype, device = model.get("dtype", "float32"), model.get("device", "auto")
    words = ["prunescope", command, model["reference"], *rest]
    words += ["--dtype", dtype] if dtype != "float32" else []
    words += ["--device", device] if device != "auto" else []
    words += ["--trust-remote-code"] if model.get("trust_remote_code") else []
    words += ["--allow-pickle"] if model.get("allow_pickle") else []
    return shlex.join(words)


def _scored(arguments: dict[str, Any]) -> list[str]:
    criterion = arguments.get("criterion", "fisher")
    return ["--criterion", criterion] if criterion != "fisher" else []


def _levels(arguments: dict[str, Any]) -> list[str]:
    text = format_levels(arguments.get("levels") or [])
    return ["--levels", text] if text not in ("", "0.1:0.9:0.1") else []


def _data(arguments: dict[str, Any]) -> list[str]:
    data = arguments.get("data", "demo")
    return ["--data", data] if data != "demo" else []


def _options(arguments: dict[str, Any]) -> list[str]:
    chosen = MaskOptions.of({name: arguments[name] for name in names() if name in arguments})
    words: list[str] = []
    for name, value in chosen.changed().items():
        flag = name.replace("_", "-")
        words += [f"--no-{flag}"] if value is False else [f"--{flag}", _word(value)]
    return words


def _word(value: Any) -> str:
    return format_level(value) if isinstance(value, float) else str(value)


def _out(arguments: dict[str, Any]) -> list[str]:
    return ["--out", str(arguments["out"])] if arguments.get("out") else []


def _set(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]
