"""The shell commands that do what a request of the dashboard does, written from the commands' own options.

Above `jobs`, because it reads the click commands; importing it loads no torch. It is all that `pruning.ui`
may import of the command line.
"""

import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any

import click

from pruning.cli import main
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions, names
from pruning.planning.recipe.plan import format_layers, format_level, format_levels
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.training import Training
from pruning.workspace.task_registry import BY_NAME

RECIPE_FILE = "recipe.yaml"

Values = dict[str, Any]

# Arguments of tasks whose option is called otherwise.
_OPTION = {"only": "rows", "preset": "strategy"}
# What is one word in the shell and no plain text in a request.
_SPELT: Mapping[str, Callable[[Any], str]] = {
    "levels": format_levels,
    "layers": format_layers,
    "kinds": ",".join,
    "only": ",".join,
    "thresholds": lambda numbers: ",".join(f"{number:g}" for number in numbers),
    "sparsity": format_level,
    "floor": format_level,
    "ceiling": format_level,
}


def command_line(request: Mapping[str, Any]) -> str:
    """The command, or several on a line each, that repeat a request outside the dashboard.

    Parameters
    ----------
    request
        {"task", "model", "arguments"}, as in the queue. What equals a command's own default is left out.

    Raises
    ------
    PruningError
        For a task or an argument that no command has.
    """
    task, model, arguments = request["task"], request["model"], dict(request["arguments"])
    composed = _COMPOSED.get(task)
    if composed is not None:
        return composed(model, arguments)
    if task not in BY_NAME:
        raise PruningError(f"There is no command for the task {task}.")
    row = BY_NAME[task]
    return _plain(task if task in row.aliases else row.command, model, arguments)


# ---- one line ---------------------------------------------------------------------------------------


def _plain(name: str, model: Mapping[str, Any], arguments: Values) -> str:
    """The line of a command that takes a task's arguments as they are, in the order of its help."""
    values, command = _flat(arguments), main.commands[name]
    if arguments.get("recovery") is not None and any(p.name == "recovered" for p in command.params):
        values["recovered"] = True
    place = {parameter.name: number for number, parameter in enumerate(command.params)}
    ordered = sorted(_given(values), key=lambda argument: place[_parameter(command, argument).name])
    return _line(name, model, {argument: values[argument] for argument in ordered})


def _line(
    name: str, model: Mapping[str, Any], values: Mapping[str, Any], always: Collection[str] = ()
) -> str:
    """One shell line: the values in their order, and the model's own options last.

    `always` names values that are written even where they are the default.
    """
    command = main.commands[name]
    how = {argument: value for argument, value in model.items() if argument != "reference"}
    words = ["prunescope", name, model["reference"]]
    for argument, value in {**values, **how}.items():
        if not _empty(value):
            words += _words(_parameter(command, argument), _spelt(argument, value), argument in always)
    return shlex.join(words)


def _parameter(command: click.Command, argument: str) -> click.Parameter:
    """The command's parameter for an argument of a task: of that name, or with that option."""
    name = _OPTION.get(argument, argument)
    for parameter in command.params:
        if name == parameter.name or f"--{name.replace('_', '-')}" in parameter.opts:
            return parameter
    raise PruningError(f"The command {command.name} has no option for {argument}.")


def _words(parameter: click.Parameter, value: Any, always: bool) -> list[str]:
    """How click takes the value; nothing for what it takes without being told."""
    if not always and str(value) == str(parameter.default):
        return []
    if isinstance(parameter, click.Argument):
        return [value]
    if isinstance(parameter, click.Option) and parameter.is_flag:
        spellings = parameter.opts if value else parameter.secondary_opts
        return spellings[:1]
    texts = value if parameter.multiple else [value]
    return [word for text in texts for word in (parameter.opts[0], text)]


def _spelt(argument: str, value: Any) -> Any:
    """A value as text, or several; yes and no stay as they are."""
    if isinstance(value, bool):
        return value
    if argument in _SPELT:
        return _SPELT[argument](value)
    return [str(item) for item in value] if isinstance(value, list | tuple) else str(value)


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, list | tuple) and not value)


def _given(values: Mapping[str, Any]) -> list[str]:
    return [argument for argument, value in values.items() if not _empty(value)]


def _flat(arguments: Mapping[str, Any]) -> Values:
    """The arguments with what changes of the mask options and of the training, each beside the others."""
    masks = MaskOptions.of({name: arguments[name] for name in names() if name in arguments})
    # Which units go stands in the plan, where there is one.
    options = masks.written() if arguments.get("settings") else masks.changed()
    plain = {name: value for name, value in arguments.items() if name not in (*names(), "recovery")}
    return {**plain, **options, **Training.of(arguments.get("recovery") or {}).changed()}


# ---- several lines ----------------------------------------------------------------------------------


def _recipe(model: Mapping[str, Any], arguments: Mapping[str, Any], **about: Any) -> str:
    """The line that writes the recipe of a measurement, and the one that trains it where it is trained."""
    values = {
        "criterion": arguments.get("criterion", "fisher"),
        "settings": arguments["settings"],
        "data": arguments.get("data"),
        **_flat({name: arguments[name] for name in ("settings", *names()) if name in arguments}),
        **about,
        "out": RECIPE_FILE,
    }
    written = _line("recipe", model, values, always=["criterion"])
    if arguments.get("recovery") is None:
        return written
    trained = {"recipe_file": RECIPE_FILE, **Training.of(arguments["recovery"]).changed()}
    return f"{written}\n{_line('recover', model, {**trained, 'out': RECIPE_FILE})}"


def _measure(model: Mapping[str, Any], arguments: Values) -> str:
    # Also of nothing removed: `measure` always takes a recipe, and the data that the recipe names.
    return f"{_recipe(model, arguments)}\n{_line('measure', model, {'recipe_file': RECIPE_FILE})}"


def _recover(model: Mapping[str, Any], arguments: Values) -> str:
    return _recipe(model, {**arguments, "recovery": arguments.get("recovery") or {}})


def _best(model: Mapping[str, Any], arguments: Values) -> str:
    values = {
        "best": True,
        "structure": arguments.get("structure", "unstructured"),
        "sparsity": arguments["sparsity"],
        "data": arguments.get("data"),
        "out": RECIPE_FILE,
    }
    written = _line("recipe", model, values, always=["structure"])
    return f"{written}\n{_line('measure', model, {'recipe_file': RECIPE_FILE})}"


def _export(model: Mapping[str, Any], arguments: Values) -> str:
    recipe = Recipe.from_dict(arguments["recipe"])
    pruned = {
        "criterion": recipe.criterion,
        "settings": recipe.settings(),
        "data": recipe.data.name,
        "recovery": recipe.recovery,
        **recipe.options().written(),
    }
    written = _recipe(model, pruned, name=recipe.name, notes=recipe.notes)
    out = arguments.get("out") or arguments.get("name") or "pruned-model"
    values = {
        "recipe_file": RECIPE_FILE,
        "out": out,
        "to": arguments.get("to"),
        "masked": bool(arguments.get("masked")),
    }
    return f"{written}\n{_line('export', model, values)}"


def _generate(model: Mapping[str, Any], arguments: Values) -> str:
    """A line for each plan; they share what is in the workspace."""
    plans = arguments.pop("plans")
    return "\n".join(_plain("generate", model, {**arguments, "settings": settings}) for settings in plans)


def _with_recipe(task: str, chosen: str) -> Callable[[Mapping[str, Any], Values], str]:
    """A command that takes the model as it is, or pruned as a recipe says, which is written first."""

    def lines(model: Mapping[str, Any], arguments: Values) -> str:
        command, values = BY_NAME[task].command, {chosen: arguments.get(chosen)}
        if not arguments.get("settings"):
            # The option has no default of its own, because a recipe names its text; without one it is demo.
            data = arguments.get("data", "demo")
            return _line(command, model, {**values, "data": None if data == "demo" else data})
        last = _line(command, model, {"recipe_file": RECIPE_FILE, **values})
        return f"{_recipe(model, arguments)}\n{last}"

    return lines


def _impact(model: Mapping[str, Any], arguments: Values) -> str:
    steps = arguments.pop("lottery_steps", 0)
    drawn = {"lottery": True, "lottery_steps": steps} if steps else {}
    ordered = {name: arguments.get(name) for name in ("only", "data", "out")}
    return _line("impact", model, {**drawn, **ordered}, always=["lottery_steps"])


def _solve(model: Mapping[str, Any], arguments: Values) -> str:
    values = {
        "targets": [_target(target) for target in arguments["targets"]],
        **{name: arguments.get(name) for name in ("locks", "protect", "floors", "ceilings", "most_layers")},
        "values": [f"{name}={number:g}" for name, number in arguments.get("values", {}).items()],
        **{name: arguments.get(name) for name in ("criterion", "structure", "data")},
        "out": RECIPE_FILE,
    }
    return _line("solve", model, values)


def _target(target: Any) -> str:
    """A target in the words of the option; a page has its name and number apart."""
    return target if isinstance(target, str) else "{}={:.10g}".format(*target)


def _make_recipe(model: Mapping[str, Any], arguments: Values) -> str:
    best = arguments.get("best")
    values = {
        **_flat(arguments),
        **(arguments.get("labels") or {}),
        "best": best is not None,
        "sparsity": best,
        "out": RECIPE_FILE,
    }
    return _line("recipe", model, {name: value for name, value in values.items() if name != "labels"})


_COMPOSED: Mapping[str, Callable[[Mapping[str, Any], Values], str]] = {
    "measure": _measure,
    "best": _best,
    "recover": _recover,
    "export": _export,
    "generate": _generate,
    "early_exit": _with_recipe("early_exit", "thresholds"),
    "quantize": _with_recipe("quantize", "methods"),
    "impact": _impact,
    "solve": _solve,
    "recipe": _make_recipe,
    "import": lambda model, arguments: _line("import", model, {**_flat(arguments), "out": RECIPE_FILE}),
}
