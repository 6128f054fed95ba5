"""The sensitivity of capabilities as data: costs by group and level, shares of them, capability weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pruning.errors import PruningError
from pruning.planning.forecast.predict import costs_at
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Group

NORMAL = 0.5
EXAMPLE = "arithmetic=3"
# Those that the task `capabilities` prices, in its order; here so that pages know them without the engine.
ABILITIES = ("facts", "grammar", "common_sense", "arithmetic", "reading", "code")


@dataclass(frozen=True, eq=False)
class CapabilityMap:
    """By capability the forecast KL, nats per token of an answer before κ, of each group: [groups, levels].

    Scales differ between capabilities, as the model is surer of some answers than of others: compare shares.
    """

    levels: tuple[float, ...]
    groups: tuple[Group, ...]
    costs: Mapping[str, np.ndarray]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "CapabilityMap":
        """Read what the task `capabilities` stored."""
        return cls(
            levels=tuple(float(level) for level in value["levels"]),
            groups=tuple((int(layer), str(kind)) for layer, kind in value["groups"]),
            costs={name: np.array(rows, dtype=float) for name, rows in value["capabilities"].items()},
        )

    def shares(self, name: str, level: float) -> np.ndarray:
        """Each group's share [groups] of what this capability loses when all groups go to `level`, Σ = 1."""
        column = int(np.argmin(np.abs(np.array(self.levels) - level)))
        costs = self.costs[name][:, column]
        return np.asarray(costs / max(float(costs.sum()), 1e-30))

    def others(self, name: str, level: float) -> np.ndarray:
        """The mean of the other capabilities' shares [groups]."""
        rest = [self.shares(other, level) for other in self.costs if other != name]
        return np.asarray(np.mean(rest, axis=0)) if rest else self.shares(name, level)

    def particular(self, name: str, level: float, count: int = 5) -> list[Group]:
        """The groups whose share is most above the other capabilities', at most `count`, the most first."""
        more = self.shares(name, level) - self.others(name, level)
        return [self.groups[row] for row in np.argsort(-more, kind="stable")[:count] if more[row] > 0]

    def as_map(self, smap: SensitivityMap, name: str) -> SensitivityMap:
        """This capability's costs in the place of the map's own."""
        if self.groups != smap.groups:
            raise PruningError(
                "What capabilities cost was worked out for other groups than the map has. "
                "Run `prunescope capabilities` on this model."
            )
        costs = self.costs[name]
        return replace(smap, levels=self.levels, kronecker=costs, token=costs)


def parse_values(texts: Sequence[str]) -> dict[str, float]:
    """Values in words such as `facts=1,arithmetic=3`, later ones win; PruningError for what is no value."""
    values: dict[str, float] = {}
    for word in (word.strip() for text in texts for word in text.split(",")):
        name, _, number = word.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not name.strip() or not 0 <= value < float("inf"):
            raise PruningError(f'The value "{word}" cannot be read. Write CAPABILITY=NUMBER, like {EXAMPLE}.')
        values[name.strip().replace("-", "_")] = value
    return values


def check_values(values: Mapping[str, float], names: Sequence[str]) -> None:
    """Raise PruningError for a capability that there is not."""
    strange = sorted(set(values) - set(names))
    if strange:
        raise PruningError(f'There is no capability "{strange[0]}". Use some of {", ".join(names)}.')


def cost_weights(
    smap: SensitivityMap, capabilities: CapabilityMap, values: Mapping[str, float]
) -> dict[str, float]:
    """What each capability's costs are multiplied by: at value 1 they count as much as the map's own.

    So they do when every group goes to one half: a capability's scale there is made the map's.
    """
    check_values(values, list(capabilities.costs))
    half = np.full(len(smap.groups), NORMAL)
    joint = float(costs_at(smap, half).sum())
    return {
        name: value * joint / max(float(costs_at(capabilities.as_map(smap, name), half).sum()), 1e-30)
        for name, value in values.items()
        if value > 0
    }
