"""Prunescope: what can be pruned from a transformer, what it costs, and a pruned model that loads.

From Python, everything starts with a session, a loaded model with one text:

    from pruning import Session, export, make_map, measure, solve

    session = Session.open("demo")
    smap = make_map(session, criterion="wanda")["map"]
    answer = solve(session, ["sparsity=0.5"], criterion="wanda")
    figures = measure(session, answer["settings"], criterion="wanda")
    print(f"KL: forecast {answer['kl']:.3f}, measured {figures['kl']:.3f}")
    export(session, answer["recipe"], out="pruned")

`make_map` forecasts what every group costs at every level and `sweep` measures it, group by group; `solve`
finds the plan of least damage; `measure` says what a plan really costs, and `recover` trains what is left.
Each returns plain data and keeps it in the workspace. What a user can mend is raised as a `PruningError`.
`load` loads a model without a text. Nothing heavy is imported before it is asked for.
"""

from importlib import import_module
from typing import Any

from pruning.errors import PruningError

__version__ = "0.1.0"

__all__ = [
    "PruningError",
    "Session",
    "export",
    "load",
    "make_map",
    "measure",
    "recover",
    "solve",
    "sweep",
]

# Where the public names are, and what they are called there.
_PLACES = {
    "Session": ("pruning.tasks.context.session", "Session"),
    "export": ("pruning.tasks.export", "export_model"),
    "load": ("pruning.engine.models.load", "load"),
    "make_map": ("pruning.tasks.sensitivity", "make_map"),
    "measure": ("pruning.tasks.measure", "measure"),
    "recover": ("pruning.tasks.recover", "recover"),
    "solve": ("pruning.tasks.optimize", "solve"),
    "sweep": ("pruning.tasks.sweep", "sweep"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
