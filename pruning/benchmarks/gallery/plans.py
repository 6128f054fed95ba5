"""The plans of the gallery: found out where they have to be, measured, and asked a few prompts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pruning.engine.evaluation.size import dense_bytes
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MIXED, MaskOptions
from pruning.planning.recipe.plan import LAYERS, format_level
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.best import best_spec
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.generate import generate
from pruning.tasks.measure import figures_of
from pruning.tasks.optimize import solve
from pruning.wording import percent

HALF, NEURONS, HEADS, DROPPED, FILE = 0.5, 0.2, 2 / 9, 4 / 30, 0.8
# Prompts that the dashboard has ready, those first that it begins with, and as long an answer as there.
PROMPTS = (
    "Explain in two sentences why the sky is blue.",
    "Write a short letter to a friend about the first snow of the year.",
    "List five things to pack for a weekend in the mountains.",
)
NEW_TOKENS = 40


@dataclass(frozen=True)
class Planned:
    """A plan of the gallery: what it is called, and what it does. `best`: it is the best recipe we know."""

    title: str
    spec: PruningSpec
    best: bool = False


def _two_of_four(session: Session) -> Planned:
    options = {"structure": "n:m", "pattern": "2:4"}
    return Planned("2:4, by SparseGPT", spec_of(session, [f"all={HALF:g}"], "sparsegpt", options))


def _neurons(session: Session) -> Planned:
    spec = spec_of(session, [f"neurons={NEURONS:g}"], "fisher", {})
    return Planned(f"{percent(NEURONS)} of the neurons, refitted", spec)


def _heads(session: Session) -> Planned:
    """As many heads of every layer, those of the layer with fewest counted."""
    total = min(units_of(session, "heads").totals("heads").values())
    gone = max(1, round(HEADS * total))
    spec = spec_of(session, [f"heads={format_level(round(gone / total, 6))}"], "fisher", {})
    return Planned(f"{gone} of {total} heads, refitted", spec)


def _layers(session: Session) -> Planned:
    total = len(session.plan_groups(LAYERS))
    gone = max(1, round(DROPPED * total))
    spec = best_spec(session, MaskOptions(structure=LAYERS), gone / total)
    return Planned(f"{gone} of {total} layers, the best we know", spec, True)


def _mixed(session: Session) -> Planned:
    """What the solver finds for a smaller file, with whatever units go."""
    most = int(FILE * dense_bytes(session.model, session.loaded.weight_bytes))
    answer = solve(session, [f"file_bytes={most}"], structure=MIXED)
    return Planned(
        f"{percent(FILE)} of the file, units mixed", spec_of(session, answer["settings"], "fisher", {})
    )


# In the order in which they are measured and shown. The first follows on the guide's table, whose last row is
# the same recipe, so that its weight update need not be worked out twice.
PLANS: dict[str, Callable[[Session], Planned]] = {
    "two_of_four": _two_of_four,
    "neurons": _neurons,
    "heads": _heads,
    "layers": _layers,
    "mixed": _mixed,
}


def gallery_plan(session: Session, name: str) -> dict[str, Any] | None:
    """A `pruning.workspace.result_types.gallery.GalleryPlan`: measured, then asked while it is at hand.

    None for a plan that the model does not allow.
    """
    try:
        planned = PLANS[name](session)
    except PruningError:
        return None
    spec = planned.spec
    asked = {"criterion": spec.criterion, "max_new_tokens": NEW_TOKENS, **spec.options.written()}
    figures = figures_of(session, spec)
    return {
        "name": name,
        "title": planned.title,
        "best": planned.best,
        "figures": figures,
        "answers": generate(session, PROMPTS, [spec.settings], **asked)["answers"],
    }
