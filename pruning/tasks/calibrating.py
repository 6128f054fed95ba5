"""The task that measures what a forecast learns most from."""

from typing import Any

from pruning.forecast import calibrate
from pruning.models import Loaded
from pruning.plan import format_settings, parse_settings
from pruning.progress import Progress, within
from pruning.store import Store
from pruning.tasks.prepare import groups_of
from pruning.tasks.quality import measure
from pruning.tasks.solving import map_for
from pruning.trials import trial_plans


def teach(
    loaded: Loaded, store: Store, progress: Progress, criterion: str = "fisher", data: str = "demo"
) -> dict[str, Any]:
    """Measure the few plans that tell most about the map of a criterion; each is stored as any measurement.

    The map is drawn first where there is none. `kappa`, `beta`, `weights` and `spread` are of the calibration
    that the plans give by themselves.
    """
    table = map_for(loaded, store, progress, criterion, data)
    plans = trial_plans(table)
    found = []
    for number, plan in enumerate(plans):
        part = within(progress, number, len(plans))
        settings = format_settings(plan, groups_of(loaded))
        found.append(measure(loaded, store, part, settings, criterion=criterion, data=data))
    learnt = calibrate(
        table, [(parse_settings(one["settings"], list(table.groups)), one["kl"]) for one in found]
    )
    return {
        "measured": len(found),
        "kls": [one["kl"] for one in found],
        "kappa": learnt.kappa,
        "beta": learnt.beta,
        "weights": dict(learnt.weights),
        "spread": learnt.spread,
    }
