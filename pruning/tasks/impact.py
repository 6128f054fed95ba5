"""The task that measures every technique of the guide's table on this model and machine, and ours beside."""

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pruning.engine.architecture.groups import GroupInfo, weight_shape
from pruning.engine.architecture.units import Heads
from pruning.engine.evaluation.size import cut_sizes, dense_bytes, sparse_bytes
from pruning.engine.evaluation.timing import measured_speedup
from pruning.engine.masking.change import WeightChange
from pruning.errors import PruningError
from pruning.files import write_json
from pruning.planning.recipe.guide_claims import BY_NAME, TECHNIQUES, Technique, verdict
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Group, format_level
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import within
from pruning.tasks.best import best_spec
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.session import Reference, Session
from pruning.tasks.context.units import units_of, why_not_smaller
from pruning.tasks.export import cut_copy
from pruning.tasks.iterate import lottery_ticket
from pruning.tasks.measure import measure_now, stored_figures

_FIGURES = ("kl", "perplexity", "dense_perplexity", "agreement", "accuracy", "dense_accuracy")
# A lottery trains whole networks: two rounds of pruning, then the ticket and its control.
LOTTERY_ROUNDS = 2


def impact(
    session: Session, lottery_steps: int = 0, only: Sequence[str] | None = None, out: str | None = None
) -> dict[str, Any]:
    """Measure memory, speed and quality of each technique in `pruning.planning.recipe.guide_claims`, the
    quick ones first.

    Rows in the store are not measured again. The lottery ticket is drawn only with `lottery_steps` of
    training in each of its networks. `only` names the rows; `out` is the JSON file to write, otherwise it
    goes into the workspace. A row that the model does not allow says why in `refused`, and is tried again.
    """
    session.check_whole("Measuring what methods do to size and speed")
    techniques = _chosen(only, lottery_steps)
    reference = session.reference_with_answers
    key = {**session.text_key, "device": session.loaded.device}
    measured: dict[str, dict[str, Any]] = {}
    for technique in sorted(techniques, key=lambda technique: technique.effort):
        part = within(session.progress, len(measured), len(techniques), _title(technique))
        place = {**key, "name": technique.name}
        place |= {"steps": lottery_steps} if technique.training else {}
        row = session.store.get("impact", place)
        if row is None or row.get("refused"):
            row = _row(session.reporting(part), technique, reference, lottery_steps)
            session.store.put("impact", place, row)
        measured[technique.name] = row
        note = f"Measured: {_title(technique)}"
        session.progress(len(measured), len(techniques), note, {"row": row})
    rows = [measured[technique.name] for technique in techniques]
    rows = [{**row, "verdict": asdict(verdict(row, rows))} for row in rows]
    path = Path(out) if out else session.store.file("impact", {**key, "rows": sorted(measured)}, ".json")
    return {"rows": rows, "out": str(write_json(path, {"rows": rows}, "The rows"))}


def _chosen(only: Sequence[str] | None, lottery_steps: int) -> list[Technique]:
    no_rows = sorted(set(only or ()) - set(BY_NAME))
    if no_rows:
        raise PruningError(f'There is no row "{no_rows[0]}". The rows are {", ".join(BY_NAME)}.')
    if lottery_steps < 0:
        raise PruningError(f"{lottery_steps} steps of training cannot be. Give 0 for none, or more.")
    techniques = [
        technique
        for technique in TECHNIQUES
        if (not only or technique.name in only) and (lottery_steps > 0 or not technique.training)
    ]
    if not techniques:
        raise PruningError("The lottery ticket has to be trained. Say for how many steps (--lottery).")
    return techniques


def _title(technique: Technique) -> str:
    return f"{technique.title} {technique.share:.0%}"


def _row(session: Session, technique: Technique, reference: Reference, steps: int) -> dict[str, Any]:
    about = {"name": technique.name, "title": technique.title, "share": technique.share}
    about["claim"] = asdict(technique.claim) if technique.claim else None
    about["beside"] = technique.beside
    try:
        if technique.training:
            return {**about, **_drawn(session, technique, steps)}
        dense = _dense(session, reference)
        about["dense_probe_accuracy"] = dense["probe_accuracy"]
        return {**about, **_measured(session, _spec(session, technique), reference)}
    except PruningError as error:
        return {**about, "refused": str(error)}


def _spec(session: Session, technique: Technique) -> PruningSpec:
    """What the row does to the model."""
    if technique.best:
        return best_spec(session, MaskOptions(), technique.share)
    if technique.whole:
        options = {"structure": technique.structure, "compensate": technique.compensate}
        return spec_of(session, _units(session, technique), technique.criterion, options)
    return spec_of(session, [f"all={format_level(technique.share)}"], technique.criterion, {})


def _units(session: Session, technique: Technique) -> list[str]:
    """Settings that prune the share of all units in numbers that really make tensors smaller.

    Heads are pruned evenly from their KV groups. Where no such number is the share of a layer, layers take
    turns between the next one below and above, so that the share of all is met as nearly as can be.
    """
    structure, share = technique.structure, technique.share
    units, plan = units_of(session, structure), dict[Group, float]()
    target = pruned = 0.0
    for layer, total in sorted(units.totals(structure).items()):
        step = _step(units.heads[layer]) if structure == "heads" else 1
        target += share * total
        # A half is rounded down first: early layers are the delicate ones.
        count = min(max(0, step * math.ceil((target - pruned) / step - 0.5)), total - step)
        pruned += count
        if count > 0:
            plan[layer, structure] = round(count / total, 6)
    if not plan:
        raise PruningError(f"Its layers have too few {structure} to remove {share:.0%} of them.")
    return session.settings(plan)


def _step(heads: Heads) -> int:
    """So many heads can go at a time: one from each KV group, or any where each has its own."""
    return heads.groups if heads.groups < heads.count else 1


def _measured(session: Session, spec: PruningSpec, reference: Reference) -> dict[str, Any]:
    """Quality, size and speed of what `spec` leaves; the model comes back bit for bit."""
    with applied(session, spec) as change:
        figures = stored_figures(session, spec)
        if figures is None:
            figures = measure_now(session, spec, change, reference)
        sizes = _sizes(session, change)
        # Zeros are timed in a copy as well, so that both models lie in memory alike.
        cut = change.units is not None
        pruned = cut_copy(session, spec, change, reference) if cut else _copy(session)
    speed = measured_speedup(session.model, pruned, progress=session.stage("race", "Timing"))
    row = {name: figures[name] for name in (*_FIGURES, "probe_accuracy", "sparsity")}
    row |= {**sizes, "speed": speed}
    row |= {"settings": list(spec.settings), "criterion": spec.criterion, "data": spec.data}
    row |= {"options": spec.options.changed(), "threads": torch.get_num_threads()}
    if cut:
        row["not_smaller"] = why_not_smaller(session, spec)
    return row


def _copy(session: Session) -> torch.nn.Module:
    session.stage("copy", "Copying the model")
    return copy.deepcopy(session.model)


def _dense(session: Session, reference: Reference) -> dict[str, Any]:
    """The dense model's own figures: those of a plan that prunes nothing."""
    nothing = PruningSpec((), data=session.data)
    stored = stored_figures(session, nothing)
    return stored or measure_now(session, nothing, WeightChange({}), reference)


def _sizes(session: Session, change: WeightChange) -> dict[str, Any]:
    """Bytes of the dense file, and of what is left: cut out of the tensors, or as a compact file."""
    model, width = session.model, session.loaded.weight_bytes
    if change.units is not None:
        form, kept = "cut", cut_sizes(model, change.removed, change.removed, width).ordinary
    else:
        form, kept = "bitmask", sparse_bytes(model, change.removed, width)
    return {"dense_bytes": dense_bytes(model, width), "bytes": kept, "form": form}


def _drawn(session: Session, technique: Technique, steps: int) -> dict[str, Any]:
    """The lottery ticket's row. Its zeros run on the dense kernels like any others and are not timed."""
    settings = [f"all={format_level(technique.share)}"]
    draws = lottery_ticket(session, settings, LOTTERY_ROUNDS, recovery={"steps": steps})
    masks = {(group.layer, group.kind): _any(session, group, technique.share) for group in session.groups}
    dense = draws["untrained"]
    return {
        **draws["ticket"],
        "dense_perplexity": dense["perplexity"],
        "dense_accuracy": dense["accuracy"],
        "random_perplexity": draws["random"]["perplexity"],
        "trained_perplexity": draws["dense"]["perplexity"],
        "steps": steps,
        "rounds": LOTTERY_ROUNDS,
        "sparsity": draws["sparsity"],
        **_sizes(session, WeightChange(masks)),
        "speed": None,
        "settings": draws["settings"],
        "criterion": technique.criterion,
        "data": session.data,
        "options": {},
    }


def _any(session: Session, group: GroupInfo, share: float) -> torch.Tensor:
    """A mask [out, in] with the share pruned, whichever weights: the size does not depend on that."""
    rows = sum(weight_shape(session.model, part)[0] for part in group.parts)
    pruned = torch.arange(group.parameters) < round(share * group.parameters)
    return pruned.reshape(rows, -1)
