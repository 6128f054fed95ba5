"""The task that measures every technique of the guide's table on this model and machine, and ours beside."""

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pruning.engine.architecture.groups import GroupInfo, weight_view
from pruning.engine.architecture.units import Heads
from pruning.engine.evaluation.size import cut_bytes, dense_bytes, smallest
from pruning.engine.evaluation.timing import measured_speedup
from pruning.engine.masking.change import WeightChange
from pruning.engine.models.load import Loaded
from pruning.errors import PruningError
from pruning.files import write_json
from pruning.planning.recipe.guide_claims import BY_NAME, TECHNIQUES, Technique, verdict
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Group, format_level, format_settings
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import Progress, within
from pruning.tasks.best import best_spec
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.context import Reference, groups_of, reference_of, same_text
from pruning.tasks.context.units import units_of, why_not_smaller
from pruning.tasks.export import cut_copy, stored_figures
from pruning.tasks.iterate import lottery_ticket
from pruning.tasks.measure import measure_now
from pruning.workspace.store import Store

_FIGURES = ("kl", "perplexity", "dense_perplexity", "agreement", "accuracy", "dense_accuracy")
# A lottery trains whole networks: two rounds of pruning, then the ticket and its control.
LOTTERY_ROUNDS = 2


def impact(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    data: str = "demo",
    lottery_steps: int = 0,
    only: Sequence[str] | None = None,
    out: str | None = None,
) -> dict[str, Any]:
    """Measure memory, speed and quality of each technique in `pruning.planning.recipe.guide_claims`, the
    quick ones first.

    Rows in the store are not measured again. The lottery ticket is drawn only with `lottery_steps` of
    training in each of its networks. `only` names the rows; `out` is the JSON file to write, otherwise it
    goes into the workspace. A row that the model does not allow says why in `refused`, and is tried again.
    """
    chosen = _chosen(only, lottery_steps)
    reference = reference_of(loaded, data, progress)
    key = {**same_text(loaded, data), "data_fingerprint": reference.windows.fingerprint}
    key["device"] = loaded.device
    found: dict[str, dict[str, Any]] = {}
    for technique in sorted(chosen, key=lambda one: one.effort):
        heard = within(progress, len(found), len(chosen), _title(technique))
        place = {**key, "name": technique.name}
        place |= {"steps": lottery_steps} if technique.training else {}
        row = store.get("impact", place)
        if row is None or row.get("refused"):
            row = _row(loaded, store, technique, reference, lottery_steps, heard)
            store.put("impact", place, row)
        found[technique.name] = row
        progress(len(found), len(chosen), f"Measured: {_title(technique)}", {"row": row})
    rows = [found[one.name] for one in chosen]
    rows = [{**row, "verdict": asdict(verdict(row, rows))} for row in rows]
    path = Path(out) if out else store.file("impact", {**key, "rows": sorted(found)}, ".json")
    return {"rows": rows, "out": str(write_json(path, {"rows": rows}, "The rows"))}


def _chosen(only: Sequence[str] | None, lottery_steps: int) -> list[Technique]:
    strange = sorted(set(only or ()) - set(BY_NAME))
    if strange:
        raise PruningError(f'There is no row "{strange[0]}". The rows are {", ".join(BY_NAME)}.')
    if lottery_steps < 0:
        raise PruningError(f"{lottery_steps} steps of training cannot be. Give 0 for none, or more.")
    chosen = [
        one
        for one in TECHNIQUES
        if (not only or one.name in only) and (lottery_steps > 0 or not one.training)
    ]
    if not chosen:
        raise PruningError("The lottery ticket has to be trained. Say for how many steps (--lottery).")
    return chosen


def _title(technique: Technique) -> str:
    return f"{technique.title} {technique.share:.0%}"


def _row(
    loaded: Loaded,
    store: Store,
    technique: Technique,
    reference: Reference,
    steps: int,
    progress: Progress,
) -> dict[str, Any]:
    about = {"name": technique.name, "title": technique.title, "share": technique.share}
    about["claim"] = asdict(technique.claim) if technique.claim else None
    about["beside"] = technique.beside
    try:
        if technique.training:
            return {**about, **_drawn(loaded, store, technique, reference, steps, progress)}
        dense = _dense(loaded, store, reference, within(progress, 0, 4))
        about["dense_probe_accuracy"] = dense["probe_accuracy"]
        spec = _spec(loaded, store, technique, reference.windows.name, progress)
        return {**about, **_measured(loaded, store, spec, reference, progress)}
    except PruningError as error:
        return {**about, "refused": str(error)}


def _spec(loaded: Loaded, store: Store, technique: Technique, data: str, progress: Progress) -> PruningSpec:
    """What the row does to the model."""
    if technique.best:
        return best_spec(loaded, store, within(progress, 0, 4), MaskOptions(), technique.share, data)
    settings, options = [f"all={format_level(technique.share)}"], {}
    if technique.whole:
        settings = _units(loaded, technique)
        options = {"structure": technique.structure, "compensate": technique.compensate}
    return spec_of(loaded, settings, technique.criterion, data, options)


def _units(loaded: Loaded, technique: Technique) -> list[str]:
    """Settings that remove the share of all units in numbers that really make tensors smaller.

    Heads go evenly from their KV groups. Where no such number is the share of a layer, layers take turns
    between the next one below and above, so that the share of all is met as nearly as can be.
    """
    structure, share = technique.structure, technique.share
    units, plan = units_of(loaded, structure), dict[Group, float]()
    asked = gone = 0.0
    for layer, total in sorted(units.totals(structure).items()):
        step = _step(units.heads[layer]) if structure == "heads" else 1
        asked += share * total
        # A half is rounded down first: early layers are the delicate ones.
        count = min(max(0, step * math.ceil((asked - gone) / step - 0.5)), total - step)
        gone += count
        if count > 0:
            plan[layer, structure] = round(count / total, 6)
    if not plan:
        raise PruningError(f"Its layers have too few {structure} to remove {share:.0%} of them.")
    return format_settings(plan, groups_of(loaded, structure))


def _step(heads: Heads) -> int:
    """So many heads can go at a time: one from each KV group, or any where each has its own."""
    return heads.groups if heads.groups < heads.count else 1


def _measured(
    loaded: Loaded, store: Store, spec: PruningSpec, reference: Reference, progress: Progress
) -> dict[str, Any]:
    """Quality, size and speed of what `spec` leaves; the model comes back bit for bit."""
    with applied(loaded, store, spec, within(progress, 1, 4)) as change:
        figures = stored_figures(loaded, store, spec, reference)
        if figures is None:
            figures = measure_now(loaded, store, spec, change, reference, within(progress, 2, 4))
        sizes = _sizes(loaded, change)
        # Zeros are timed in a copy as well, so that both models lie in memory alike.
        cut = change.units is not None
        pruned = cut_copy(loaded, spec, change, reference.windows.evaluation[:2]) if cut else _copy(loaded)
    speed = measured_speedup(loaded.model, pruned, progress=within(progress, 3, 4))
    found = {name: figures[name] for name in (*_FIGURES, "probe_accuracy", "sparsity")}
    found |= {**sizes, "speed": speed}
    found |= {"settings": list(spec.settings), "criterion": spec.criterion, "data": spec.data}
    found |= {"options": spec.options.changed(), "threads": torch.get_num_threads()}
    if cut:
        found["not_smaller"] = why_not_smaller(loaded, spec)
    return found


def _dense(loaded: Loaded, store: Store, reference: Reference, progress: Progress) -> dict[str, Any]:
    """The dense model's own figures: those of a plan that removes nothing."""
    nothing = PruningSpec((), data=reference.windows.name)
    stored = stored_figures(loaded, store, nothing, reference)
    return stored or measure_now(loaded, store, nothing, WeightChange({}), reference, progress)


def _copy(loaded: Loaded) -> Any:
    return copy.deepcopy(loaded.model)


def _sizes(loaded: Loaded, change: WeightChange) -> dict[str, Any]:
    """Bytes of the dense file, and of what is left in the form that takes least room."""
    if change.units is not None:
        form, kept = "cut", cut_bytes(loaded.model, change.removed)
    else:
        form, kept = smallest(loaded.model, change.removed)
    return {"dense_bytes": dense_bytes(loaded.model), "bytes": kept, "form": form}


def _drawn(
    loaded: Loaded, store: Store, technique: Technique, reference: Reference, steps: int, progress: Progress
) -> dict[str, Any]:
    """The lottery ticket's row. Its zeros run on the dense kernels like any others and are not timed."""
    settings = [f"all={format_level(technique.share)}"]
    data = reference.windows.name
    found = lottery_ticket(loaded, store, progress, settings, LOTTERY_ROUNDS, 0, data, {"steps": steps})
    change = WeightChange(
        {(one.layer, one.kind): _any(loaded, one, technique.share) for one in loaded.groups}
    )
    dense = found["untrained"]
    return {
        **found["ticket"],
        "dense_perplexity": dense["perplexity"],
        "dense_accuracy": dense["accuracy"],
        "random_perplexity": found["random"]["perplexity"],
        "trained_perplexity": found["dense"]["perplexity"],
        "steps": steps,
        "rounds": LOTTERY_ROUNDS,
        "sparsity": found["sparsity"],
        **_sizes(loaded, change),
        "speed": None,
        "settings": found["settings"],
        "criterion": technique.criterion,
        "data": data,
        "options": {},
    }


def _any(loaded: Loaded, group: GroupInfo, share: float) -> torch.Tensor:
    """A mask [out, in] with the share removed, whichever weights: the size does not depend on that."""
    rows = sum(weight_view(loaded.model, part).shape[0] for part in group.parts)
    gone = torch.arange(group.parameters) < round(share * group.parameters)
    return gone.reshape(rows, -1)
