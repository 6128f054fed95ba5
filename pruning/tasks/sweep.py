"""The task that measures groups one at a time, where the map forecasts them."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from pruning.engine.architecture.units import Units
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.metrics import Quality
from pruning.engine.masking.change import WeightChange
from pruning.engine.sensitivity import sweep as engine
from pruning.engine.sensitivity.group_costs import LEVELS
from pruning.engine.sensitivity.sweep import Point
from pruning.errors import PruningError
from pruning.files import write_json
from pruning.planning.recipe.mask_options import for_plan
from pruning.planning.recipe.plan import ALL_KINDS, KINDS, LAYERS, UNIT_KINDS, format_level
from pruning.planning.recipe.spec import PruningSpec
from pruning.sharing import Piece
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.sensitivity import check_levels


def sweep(
    session: Session,
    criterion: str = "fisher",
    levels: Sequence[float] = LEVELS,
    layers: Sequence[int] | None = None,
    kinds: Sequence[str] | None = None,
    out: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measure the chosen groups at each level, one at a time; what is in the store is not measured again.

    Parameters
    ----------
    session
        The model, and the text it is measured on.
    criterion, options
        How weights are chosen; see `pruning.planning.recipe.mask_options`.
    levels
        Shares of a group's weights; of units the nearest whole numbers of them, and layers go whole.
    layers, kinds
        Which groups; all layers, and all kinds of weights, where they are None.
    out
        A JSON file to write the points to.

    Returns
    -------
    dict
        `points`, each with its layer, kind, level, KL (nats per token) and perplexity; how many of them were
        `measured` now; `out`.
    """
    spec = spec_of(session, [], criterion, options)
    points = _points(session, check_levels(levels), layers, kinds)
    key = {**session.text_key, "criterion": spec.criterion, **spec.options.changed()}
    values = {point: session.store.get("sweep_point", {**key, **_named(point)}) for point in points}
    missing = [point for point in points if values[point] is None]
    done = len(points) - len(missing)
    if missing:
        method = named_criterion(spec.criterion)
        session.inputs_for(method)
        name = "points_updated" if method.updates else "points"
        heard = session.stage(name, "Running the dense model", done / len(points))
        # What it takes to prune a point is a part of measuring it.
        inside, ordered = session.reporting(heard), engine.in_layer_order(missing)
        pieces = [Piece(f"layer {point.layer} {point.kind}", point) for point in ordered]
        common = (spec, {point.layer for point in missing})
        results = session.each(inside, measuring, pieces, common, lambda note: heard(done, len(points), note))
        for number, quality in results:
            point = ordered[number]
            value = {**_named(point), "kl": quality.kl, "perplexity": quality.perplexity}
            session.store.put("sweep_point", {**key, **_named(point)}, value)
            values[point], done = value, done + 1
            heard(done, len(points), f"Layer {point.layer}, {point.kind}", {"point": value})
    rows = [values[point] for point in points]
    return {
        "points": rows,
        "measured": len(missing),
        "out": None if out is None else str(write_json(out, {"points": rows}, "The points")),
    }


def measuring(session: Session, spec: PruningSpec, layers: Collection[int]) -> Callable[[Point], Quality]:
    """What measures points in `layers`, one after the other."""
    pruned = _point_applied(session, spec)
    return engine.measuring(session.model, pruned, session.windows.evaluation, layers)


def _point_applied(
    session: Session, spec: PruningSpec
) -> Callable[[Point], AbstractContextManager[WeightChange]]:
    """The model with one point's group pruned, everything else as in `spec`."""

    def pruned(point: Point) -> AbstractContextManager[WeightChange]:
        setting = f"{point.kind}@{point.layer}={format_level(point.level)}"
        return applied(
            session, replace(spec, settings=(setting,), options=for_plan(spec.options, {point.kind}))
        )

    return pruned


def _named(point: Point) -> dict[str, Any]:
    return {"layer": point.layer, "kind": point.kind, "level": point.level}


def _points(
    session: Session, levels: Sequence[float], layers: Sequence[int] | None, kinds: Sequence[str] | None
) -> list[Point]:
    """The groups asked for at each level; PruningError when the model has none of them."""
    groups = session.every_group
    no_layers = set(layers or ()) - {layer for layer, _ in groups}
    if no_layers:
        last = max(layer for layer, _ in groups)
        raise PruningError(f"The model has no layer {min(no_layers)}. Its layers are 0 to {last}.")
    have = [kind for kind in ALL_KINDS if kind in {kind for _, kind in groups}]
    no_kinds = set(kinds or ()) - set(have)
    if no_kinds:
        raise PruningError(f"The model has no group {min(no_kinds)}. It has {', '.join(have)}.")
    wanted = set(kinds or KINDS)
    units = units_of(session, *wanted)
    return [
        Point(layer, kind, level)
        for layer, kind in groups
        if (layers is None or layer in layers) and kind in wanted
        for level in (unit_levels(units, layer, kind, levels) if kind in UNIT_KINDS else levels)
    ]


def unit_levels(units: Units, layer: int, kind: str, levels: Sequence[float]) -> list[float]:
    """The levels of a layer's units nearest to `levels`: some go and some stay. A layer goes whole."""
    if kind == LAYERS:
        return [1.0]
    total = units.totals(kind)[layer]
    counts = sorted({round(level * total) for level in levels} - {0, total})
    return [round(count / total, 6) for count in counts]
