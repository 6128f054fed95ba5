"""The tasks that say how much each group matters: its forecast cost, and the outliers of its layer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pruning.engine.architecture.forward import BATCH_TOKENS, device_of, head_of, run
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.evaluation.timing import now
from pruning.engine.sensitivity.group_costs import LEVELS, Scoring, price_groups
from pruning.engine.sensitivity.outliers import outlier_shares
from pruning.engine.sensitivity.unit_costs import price_units
from pruning.errors import PruningError
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import check_level
from pruning.tasks.context.session import Session

# How groups compare is priced by a criterion that leaves other weights as they are: it scores with one half
# of the text and is priced with the other, where a weight update would be priced by what it was fitted to.
PRICED_BY = "fisher"


def make_map(
    session: Session, criterion: str = "fisher", levels: Sequence[float] = LEVELS, out: str | None = None
) -> dict[str, Any]:
    """Forecast what every level of every group costs, of single weights and of whole units; store the map.

    Parameters
    ----------
    session
        The model, and the text that weights are scored and priced on.
    criterion
        How single weights are scored; units are chosen and priced alike for all.
    levels
        Shares of a group's weights or units, above 0 and up to 0.95.
    out
        The JSON file to write; a file of the workspace where it is None.

    Returns
    -------
    dict
        `map`, its count of `points`, and `out`. `seconds` is what collecting the statistics (unless they
        were there) and pricing took; `dense_forwards` the same in dense forward passes over the calibration
        tokens, timed in this run.
    """
    method, columns = named_criterion(criterion), check_levels(levels)
    dense = dense_figures(session)
    start = now(device_of(session.model))
    statistics, scoring = session.statistics, Scoring(method, session.inputs_for(method))
    heard = session.stage("price", "Pricing the groups")
    kronecker, token = price_groups(session.model, session.groups, statistics, scoring, columns, heard)
    heard = session.stage("price_units", "Pricing units")
    units = price_units(session.model, session.groups, statistics, columns, heard)
    seconds = now(device_of(session.model)) - start
    smap = SensitivityMap(
        model=session.loaded.reference,
        fingerprint=session.loaded.computed,
        model_fingerprint=session.loaded.fingerprint,
        criterion=method.name,
        data=session.data,
        data_fingerprint=session.windows.fingerprint,
        levels=tuple(columns),
        groups=(*session.plan_groups(), *units.groups),
        parameters=np.array([*(group.parameters for group in session.groups), *units.parameters]),
        kronecker=np.concatenate([kronecker, units.kronecker]),
        token=np.concatenate([token, units.token]),
        dense=dense,
        seconds=seconds,
        dense_forwards=seconds / forward_seconds(session),
        unit_totals=units.totals,
    )
    key = {**session.key, "criterion": method.name, "levels": columns}
    path = Path(out) if out else session.store.file("map", key, ".json")
    smap.save(path)
    session.store.put("map", key, smap.to_dict())
    return {
        "points": smap.kronecker.size,
        "seconds": seconds,
        "dense_forwards": smap.dense_forwards,
        "out": str(path),
        "map": smap.to_dict(),
    }


def map_for(session: Session, criterion: str = "fisher") -> SensitivityMap:
    """The map of the model for a criterion, from the workspace or made now; see `priced_by`.

    One of before units were priced is made again.
    """
    name = priced_by(criterion)
    stored = session.stored("map", {**session.key, "criterion": name, "levels": list(LEVELS)})
    if stored is None or not stored.get("unit_totals"):
        stored = make_map(session, name)["map"]
    return SensitivityMap.from_dict(stored)


def priced_by(criterion: str) -> str:
    """The criterion that prices the groups for `criterion`: another one where it makes a weight update."""
    method = named_criterion(criterion)
    return PRICED_BY if method.updates else method.name


def dense_figures(session: Session) -> dict[str, Any]:
    """The dense model as maps have it: its quality on the text, its size, and the bytes of one weight."""
    quality = session.reference.quality
    return {
        "perplexity": quality.perplexity,
        "accuracy": quality.accuracy,
        "bytes": dense_bytes(session.model, session.loaded.weight_bytes),
        "parameters": sum(parameter.numel() for parameter in session.model.parameters()),
        "weight_bytes": session.loaded.weight_bytes,
    }


def forward_seconds(session: Session) -> float:
    """Seconds of one dense forward pass, logits included, over the calibration tokens of the text."""
    windows = session.windows.calibration
    session.stage("time_forward", "Timing the dense model")
    head, start = head_of(session.model), now(device_of(session.model))
    for hidden in run(session.model, windows).flatten(0, 1).split(BATCH_TOKENS):
        head(hidden)
    return now(device_of(session.model)) - start


def check_levels(levels: Sequence[float]) -> list[float]:
    """The levels in ascending order, each once, without 0; PruningError where there is none to price."""
    columns = sorted({round(check_level(float(level), "Levels"), 6) for level in levels} - {0.0})
    if not columns:
        raise PruningError("There is no level above 0. Give levels such as 0.1:0.9:0.1.")
    return columns


def outliers(session: Session) -> dict[str, Any]:
    """The share of outliers of each layer on the calibration text, kept for this model and text: what OWL, a
    baseline of the solver, goes by.

    `shares` are in the order of `layers`. See `pruning.engine.sensitivity.outliers`.
    """
    key = session.text_key
    stored = session.store.get("outliers", key)
    if stored is not None:
        return stored
    inputs = session.inputs_for(named_criterion("wanda"))
    session.stage("outliers", "Counting outliers")
    shares = outlier_shares(session.model, session.groups, inputs)
    value = {"layers": list(shares), "shares": list(shares.values()), **key}
    session.store.put("outliers", key, value)
    return value
