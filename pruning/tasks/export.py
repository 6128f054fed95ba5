"""The task that writes the pruned model, with its recipe and a card of measured figures."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.units import Removal
from pruning.engine.criteria import CRITERIA, LEARNT
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.masking.change import PruningSpec, WeightChange
from pruning.engine.models.load import Loaded
from pruning.engine.models.model_card import card
from pruning.engine.models.save import write_model
from pruning.engine.structured.surgery import check_same, smaller
from pruning.errors import PruningError
from pruning.planning.recipe.recipe import Recipe
from pruning.progress import Progress
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.context import Reference, reference_of
from pruning.tasks.context.recovered import applied_as_told, trained_steps
from pruning.tasks.context.units import check_exportable, units_of
from pruning.tasks.measure import measure_now, place_of
from pruning.workspace.results import stored
from pruning.workspace.store import Store


def export_model(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    recipe: dict[str, Any],
    out: str | None = None,
    name: str | None = None,
    masked: bool = False,
) -> dict[str, Any]:
    """Measure the recipe, write the pruned model to `out` (or to the workspace as `name`), and verify it.

    Where units go whole the model that is written is smaller, unless it is to be `masked`: full-size, with
    zeros. Raises PruningError before anything is done where the family has no configuration for the smaller.
    """
    chosen = Recipe.from_dict(recipe, [*CRITERIA, *LEARNT])
    chosen.check_model(loaded.fingerprint)
    folder = _folder(store, out, name or chosen.name)
    if folder.exists():
        raise PruningError(f"{folder} exists already. Choose another name or remove it first.")
    data = chosen.data.name
    spec = spec_of(loaded, chosen.settings(), chosen.criterion, data, chosen.options().changed())
    recovery = chosen.recovery
    if spec.options.whole and not masked:
        check_exportable(loaded, spec)
    reference = reference_of(loaded, data, progress)
    with applied_as_told(loaded, store, spec, recovery, progress) as change:
        figures = stored_figures(loaded, store, spec, reference, recovery)
        if figures is None:
            figures = measure_now(loaded, store, spec, change, reference, progress, recovery)
        sample = reference.windows.evaluation[:2]
        cut = change.units is not None and not masked
        written = cut_copy(loaded, spec, change, sample) if cut else loaded.model
        size = write_model(
            written,
            loaded.tokenizer,
            folder,
            {"recipe.yaml": chosen.dumps(), "README.md": card(chosen, figures, dense_bytes(written), cut)},
            sample,
            lambda note: progress(3, 4, note),
        )
    value = {**figures, "out": str(folder), "verified": True, "bytes": size, "sparse_bytes": figures["bytes"]}
    value["masked"] = masked
    value["recipe"] = chosen.to_dict()
    store.put("export", {"fingerprint": loaded.fingerprint, "out": str(folder)}, value)
    return value


def cut_copy(loaded: Loaded, spec: PruningSpec, change: WeightChange, sample: torch.Tensor) -> nn.Module:
    """A copy of the pruned model with its tensors cut; its logits were held against the zeroed model's."""
    units = units_of(loaded, spec.options.structure)
    small = smaller(loaded.model, units, change.units or Removal())
    ids = sample.to(device_of(loaded.model))
    with torch.no_grad():
        expected, given = (model(input_ids=ids, use_cache=False).logits for model in (loaded.model, small))
    check_same(expected, given)
    return small


def stored_figures(
    loaded: Loaded,
    store: Store,
    spec: PruningSpec,
    reference: Reference,
    recovery: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """What was measured before of just this change, on this very text, after as many steps of training."""
    known = stored(store, *place_of(loaded, spec, recovery), reference.windows.fingerprint)
    if known is None or recovery is None:
        return known
    return known if known["best_step"] == trained_steps(loaded, store, spec, recovery, reference) else None


def _folder(store: Store, out: str | None, name: str | None) -> Path:
    if out:
        # Where the model is must still be true in a process that stands in another folder.
        return Path(out).expanduser().absolute()
    if not name:
        raise PruningError("The exported model needs a name. Give one, such as demo-half.")
    return store.child("exports", name)
