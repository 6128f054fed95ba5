"""The plans of the gallery: found out where they have to be, measured, and asked a few prompts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pruning.errors import PruningError
from pruning.planning.recipe.plan import format_level
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.generate import generate
from pruning.tasks.measure import figures_of
from pruning.wording import percent

HALF, NEURONS, HEADS = 0.5, 0.2, 2 / 9
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


# In the order in which they are measured and shown. The best half of the weights is in the guide's table.
PLANS: dict[str, Callable[[Session], Planned]] = {
    "two_of_four": _two_of_four,
    "neurons": _neurons,
    "heads": _heads,
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
