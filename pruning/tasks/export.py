"""The task that writes the pruned model, with its recipe and a card of measured figures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.units import Removal
from pruning.engine.criteria import CRITERIA, LEARNT
from pruning.engine.evaluation.size import dense_bytes, sparse_bytes
from pruning.engine.masking.change import WeightChange
from pruning.engine.models.compact import write_compact
from pruning.engine.models.model_card import Written, card
from pruning.engine.models.save import write_model
from pruning.engine.structured.surgery import check_same, smaller
from pruning.errors import PruningError
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.recovered import applied_spec, trained_steps
from pruning.tasks.context.session import Reference, Session
from pruning.tasks.context.units import check_exportable, units_of
from pruning.tasks.measure import measure_now, place_of
from pruning.workspace.results import stored
from pruning.workspace.store import Store

# So many windows of the text are read to hold a written or smaller model against the one in memory.
SAMPLE = 2
ORDINARY = "hf"
FORMS = {ORDINARY: write_model, "compact": write_compact}


def export_model(
    session: Session,
    recipe: dict[str, Any],
    out: str | None = None,
    name: str | None = None,
    masked: bool = False,
    to: str = ORDINARY,
) -> dict[str, Any]:
    """Measure the recipe, write the pruned model to `out` (or to the workspace as `name`), and verify it.

    The recipe names its own text, whichever the session has. Where units are pruned whole the model that is
    written is smaller, unless it is to be `masked`: full-size, with zeros. `to` is "hf", a folder that
    from_pretrained loads, or "compact", one with bitmasks and kept values. Raises PruningError before
    anything is done where the family has no configuration for the smaller, or there is nothing to pack.
    """
    if to not in FORMS:
        raise PruningError(f'A model is written to hf or compact, not to "{to}".')
    request = Recipe.from_dict(recipe, [*CRITERIA, *LEARNT])
    request.check_model(session.loaded.fingerprint)
    folder = _folder(session.store, out, name or request.name)
    if folder.exists():
        raise PruningError(f"{folder} exists already. Choose another name or remove it first.")
    session = session.on(request.data.name)
    spec = spec_of(session, request.settings(), request.criterion, request.options().changed())
    cut = spec.options.whole and not masked
    if cut and to != ORDINARY:
        raise PruningError(
            "What is pruned whole is cut out and leaves no zeros to pack: nothing is smaller than the "
            "ordinary folder. Write to hf."
        )
    if cut:
        check_exportable(session, spec)
    reference = session.reference_with_answers
    with applied_spec(session, spec, request.recovery) as change:
        figures = stored_figures(session, spec, reference, request.recovery)
        if figures is None:
            figures = measure_now(session, spec, change, reference, request.recovery)
        model = cut_copy(session, spec, change, reference) if cut else session.model
        form = Written("cut" if cut else "zeros", dense_bytes(model), dense_bytes(session.model))
        if to != ORDINARY:
            form = replace(form, form="compact", size=sparse_bytes(session.model, change.removed))
        files = {"recipe.yaml": request.dumps(), "README.md": card(request, figures, form)}
        size = FORMS[to](
            model,
            session.loaded.tokenizer,
            folder,
            files,
            reference.windows.evaluation[:SAMPLE],
            session.stage,
        )
    value = {**figures, "out": str(folder), "verified": True, "bytes": size, "sparse_bytes": figures["bytes"]}
    value |= {"to": to, "masked": masked, "recipe": request.to_dict()}
    key = {"fingerprint": session.loaded.fingerprint, "out": str(folder)}
    session.store.put("export", key, value)
    return value


def cut_copy(session: Session, spec: PruningSpec, change: WeightChange, reference: Reference) -> nn.Module:
    """A copy of the pruned model with its tensors cut; its logits were held against the zeroed model's, by
    the spread of the dense model's."""
    session.stage("copy", "Cutting the tensors")
    units = units_of(session, spec.options.structure)
    small = smaller(session.model, units, change.units or Removal())
    ids = reference.windows.evaluation[:SAMPLE].to(device_of(session.model))
    with torch.no_grad():
        expected, given = (model(input_ids=ids, use_cache=False).logits for model in (session.model, small))
        dense = reference.head(reference.hidden[:SAMPLE])
    check_same(expected, given, dense)
    return small


def stored_figures(
    session: Session,
    spec: PruningSpec,
    reference: Reference,
    recovery: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """What was measured before of just this change, on this very text, after as many steps of training."""
    place = place_of(session, spec, recovery)
    figures = stored(session.store, *place, reference.windows.fingerprint)
    if figures is None or recovery is None:
        return figures
    return figures if figures["best_step"] == trained_steps(session, spec, recovery) else None


def _folder(store: Store, out: str | None, name: str | None) -> Path:
    if out:
        # Where the model is must still be true in a process that stands in another folder.
        return Path(out).expanduser().absolute()
    if not name:
        raise PruningError("The exported model needs a name. Give one, such as demo-half.")
    return store.child("exports", name)
