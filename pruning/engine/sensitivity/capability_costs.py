"""Capability sensitivity: what each capability loses, from one backward pass over text on it."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.calibration.capability_text import ScoredText
from pruning.engine.calibration.fisher import collect
from pruning.engine.sensitivity.group_costs import Scoring, price_groups
from pruning.planning.forecast.sensitivity_map import combined
from pruning.progress import Progress, silent, within


def capability_costs(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    text: ScoredText,
    scoring: Scoring,
    levels: Sequence[float],
    progress: Progress = silent,
) -> np.ndarray:
    """Forecast KL of each group at each level on text of one capability, before κ.

    One forward and one backward pass over `text`; both estimators, as in a sensitivity map. The weights
    that are pruned are the criterion's choice on the ordinary text: what is priced is what a plan does.

    Parameters
    ----------
    model
        Dense; it is not changed.
    groups
        The groups to price.
    text
        Windows on the capability, with the positions that count.
    scoring
        The criterion, and what it scores with: collected on the ordinary calibration text.
    levels
        Sparsities, 0..1, ascending.

    Returns
    -------
    Costs in nats per scored token [groups, levels], higher = the capability loses more.
    """
    reading, pricing = within(progress, 0, 2), within(progress, 1, 2)
    factors = collect(model, list(groups), text.windows, progress=reading, scored_at=text.scored)
    estimates = price_groups(model, groups, factors, scoring, levels, pricing)
    return combined([(group.layer, group.kind) for group in groups], levels, *estimates)
