"""The five places and the views on their tabs, and the addresses that views had when each was a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class View:
    """One tab of a place.

    Attributes
    ----------
    tab
        What stands on the tab.
    line
        The line of help under the tabs.
    module
        The module under `pruning.ui` whose `view()` draws it; imported when it is first shown.
    """

    tab: str
    line: str
    module: str


@dataclass(frozen=True)
class Place:
    """An entry of the navigation: its script, its name, its icon, and its views by name, the first of which
    opens unless another was open last."""

    script: str
    title: str
    icon: str
    views: Mapping[str, View]


# In the order of the navigation. The names of views are addresses as well: /prune?tab=optimize.
_MODEL = {
    "start": View(
        "Start",
        "Prunescope shows what removing weights from a language model costs, before anything is removed.",
        "start.page",
    ),
    "model": View(
        "Load and baseline",
        "Choose a transformer, see what it is made of and how good it is before anything is removed.",
        "model.page",
    ),
    "speed": View(
        "Speed and size",
        "How fast and how large your model is, here and elsewhere, and what removing parts of it changes.",
        "speed.page",
    ),
}
_SENSITIVITY = {
    "sensitivity": View(
        "Map",
        "Which parts of the model can lose weights, and which cannot. Dark cells are the delicate ones.",
        "sensitivity.page",
    ),
    "criteria": View(
        "Criteria",
        "A criterion (importance score) decides which weights go first. Here they stand side by side.",
        "sensitivity.criteria",
    ),
    "capabilities": View(
        "Capabilities",
        "Which layers and groups arithmetic, grammar, knowledge and other abilities lean on.",
        "sensitivity.capabilities",
    ),
}
_PRUNE = {
    "explore": View(
        "By hand",
        "Move a slider or paint a curve and see what it would cost. Nothing is written until you export.",
        "explore.page",
    ),
    "optimize": View(
        "Auto",
        "Say how much may go, or what must hold. The solver finds the plan that is forecast to hurt least.",
        "optimize.view",
    ),
    "methods": View(
        "Structure and method",
        "Unstructured, N:M, neurons, heads or layers, by any method. What you measure joins all others.",
        "methods.page",
    ),
    "recover": View(
        "Fine-tune",
        "Train what pruning left, and win quality back. What was removed stays zero.",
        "recover.page",
    ),
}
_COMPARE = {
    "compare": View(
        "Pinned plans",
        "Plans side by side: their figures, where they hurt, and what they answer.",
        "compare.view",
    ),
    "runs": View(
        "All runs",
        "Everything made in this workspace, newest first. It is still here after a restart.",
        "runs.page",
    ),
    "impact": View(
        "The guide's claims",
        "What the guide claims of each technique, and what it does to your model on your machine.",
        "impact.page",
    ),
}
_EXPORT = {
    "export": View(
        "Model and recipe",
        "Write the pruned model to disk. It is loaded again and compared before it is called done.",
        "export",
    ),
    "present": View(
        "Report for everybody",
        "What your plan does, in words for everybody. Show it, send it or print it.",
        "present.page",
    ),
}
PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "model": Place("pages/model.py", "Model", "deployed_code", _MODEL),
        "sensitivity": Place("pages/sensitivity.py", "Sensitivity", "grid_on", _SENSITIVITY),
        "prune": Place("pages/prune.py", "Prune", "tune", _PRUNE),
        "compare": Place("pages/compare.py", "Compare", "compare_arrows", _COMPARE),
        "export": Place("pages/export.py", "Export", "save", _EXPORT),
    }
)
VIEWS: Mapping[str, View] = MappingProxyType(
    {name: view for place in PLACES.values() for name, view in place.views.items()}
)
# What is done once for a model, in this order.
ROAD = ("model", "sensitivity", "prune", "export")
# The parameter of the address that names a view.
TAB = "tab"


def place_of(view: str) -> str:
    """The place whose tab a view is."""
    return next(name for name, place in PLACES.items() if view in place.views)


def script_of(view: str) -> str:
    """The script of the place whose tab a view is."""
    return PLACES[place_of(view)].script


def first_view(place: str) -> str:
    """The view that a step of the way opens; of the model the one that loads it."""
    return "model" if place == "model" else next(iter(PLACES[place].views))


def name_of(view: str) -> str:
    """What a view is called where it is not in sight: "Prune, Auto"."""
    return f"{PLACES[place_of(view)].title}, {VIEWS[view].tab}"


# Views that never were pages of their own, or have the address of their place. All others have an address of
# before, which leads to their tab; so has Model, because the place that opens first has no address but "/".
_WITHOUT = ("criteria", "capabilities", "sensitivity", "compare", "export")
OLD_ADDRESSES = tuple(name for name in VIEWS if name not in _WITHOUT)
