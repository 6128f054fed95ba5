"""What is to be done to a model, as a value. No torch: masks are made of it in `pruning.engine`."""

from dataclasses import dataclass
from typing import Any

from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions


@dataclass(frozen=True)
class PruningSpec:
    """All that decides which weights are pruned, and how those kept are updated.

    `settings` spell the plan (`pruning.planning.recipe.plan.format_settings`), `criterion` names what scores
    weights, and `data` the text that it scores them on.
    """

    settings: tuple[str, ...]
    criterion: str = "fisher"
    data: str = "demo"
    options: MaskOptions = DEFAULT

    def key(self) -> dict[str, Any]:
        """The part of a result's key that says what was done; options at their default are not named."""
        about = {"data": self.data, "criterion": self.criterion, "settings": list(self.settings)}
        return {**about, **self.options.changed()}
