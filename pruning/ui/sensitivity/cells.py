"""What the cells of the Sensitivity page's heat map hold: damage, or damage for what it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pruning.errors import PruningError
from pruning.planning.cost.group_savings import GroupSavings
from pruning.planning.cost.roofline import weights_read
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import UNIT_KINDS, Group
from pruning.ui.data import costs, queries
from pruning.ui.data.single_groups import Alone
from pruning.ui.sensitivity.heat import Cell
from pruning.ui.text import labels

DAMAGE, PER_MEGABYTE, PER_TIME = "Damage", "Per megabyte saved", "Per time saved"
SHOWN = (DAMAGE, PER_MEGABYTE, PER_TIME)
PERCENT = "% of the time"
HELP = (
    "Damage alone favours what is small. What decides is damage for what a cut brings: megabytes of the "
    "file, or time to write a word. Megabytes are a compact file's; of whole units the ordinary folder "
    "loses as many, of single weights none. Single weights save no time."
)


@dataclass(frozen=True)
class View:
    """What the heat map shows: costs at a level in a metric, as they are or for what is saved.

    `saved`: by group what it saves alone at the level, in `unit`; None where damage alone is shown. `source`
    is the badge of what is saved.
    """

    level: float
    metric: str
    shown: str = DAMAGE
    unit: str = ""
    saved: Mapping[Group, float] | None = None
    source: str = ""


def view_of(model: queries.Info, smap: SensitivityMap, level: float, metric: str, shown: str) -> View:
    """The view; damage alone for a model that was loaded before its parts were counted."""
    if shown == DAMAGE:
        return View(level, metric)
    try:
        known = costs.cost_model(model)
    except PruningError:
        return View(level, metric)
    dense = known.latency.dense if known.latency is not None else known.dense_ms or {}
    saves = GroupSavings(
        known.parts.weight_bytes, weights_read(known.parts), float(dense.get("decode", 100.0)), known.latency
    )
    each = list(zip(smap.groups, smap.parameters.tolist(), strict=True))
    if shown == PER_MEGABYTE:
        megabytes = {group: saves.bytes_of(group[1], weights, level) / 1e6 for group, weights in each}
        return View(level, metric, shown, "MB", megabytes)
    times = {group: saves.time_of(group[1], weights, level) for group, weights in each}
    unit = "ms" if "decode" in dense else PERCENT
    return View(level, metric, shown, unit, times, _source(saves, smap))


def cells(
    smap: SensitivityMap,
    single: Alone,
    points: Mapping[Group, Sequence[Mapping[str, Any]]],
    view: View,
) -> dict[Group, Cell]:
    """The cost of every group: KL in nats per token, or how many percent perplexity rises."""
    level, metric = view.level, view.metric
    dense = smap.dense["perplexity"]

    def cost(kl: float, perplexity: float) -> float:
        return kl if metric == "KL" else 100 * (perplexity / dense - 1)

    measured = {
        group: cost(point["kl"], point["perplexity"])
        for group, of_group in points.items()
        for point in of_group
        if abs(point["level"] - level) < 1e-6
    }
    made = {}
    for group in smap.groups:
        alone = single[group, level]
        band = cost(alone.kl_low, alone.perplexity_low), cost(alone.kl_high, alone.perplexity_high)
        brings = None if view.saved is None else view.saved[group]
        made[group] = Cell(cost(alone.kl, alone.perplexity), band, measured.get(group), brings)
    return made


def _source(saves: GroupSavings, smap: SensitivityMap) -> str:
    """The badge of the time that is saved: forecast from measured times, or estimated."""
    kinds = [kind for kind in smap.kinds if kind in UNIT_KINDS]
    if kinds and all(saves.timed(kind) for kind in kinds):
        return f"{labels.FORECAST} :small[time, from what was timed here]"
    return f"{labels.ESTIMATE} :small[time, from the weights that are read]"
