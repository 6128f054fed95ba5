"""The task that writes the pruned model, with its recipe and a card of measured figures."""

from pathlib import Path
from typing import Any

from pruning.changes import Spec
from pruning.cost import dense_bytes
from pruning.criteria import CRITERIA, LEARNT
from pruning.errors import PruningError
from pruning.export import write_model
from pruning.models import Loaded
from pruning.progress import Progress
from pruning.recipe import Recipe
from pruning.store import Store
from pruning.tasks.applying import spec_of
from pruning.tasks.prepare import reference_of
from pruning.tasks.quality import measure_now, place_of
from pruning.tasks.recovering import applied_as_told
from pruning.training import Training


def export_model(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    recipe: dict[str, Any],
    out: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Measure the recipe, write the pruned model to `out` (or to the workspace as `name`), and verify it."""
    chosen = Recipe.from_dict(recipe, [*CRITERIA, *LEARNT])
    chosen.check_model(loaded.fingerprint)
    folder = _folder(store, out, name or chosen.name)
    if folder.exists():
        raise PruningError(f"{folder} exists already. Choose another name or remove it first.")
    data = chosen.data.name
    spec = spec_of(loaded, chosen.settings(), chosen.criterion, data, chosen.options().changed())
    reference = reference_of(loaded, data, progress)
    recovery = chosen.recovery
    with applied_as_told(loaded, store, spec, recovery, progress) as change:
        figures = stored_figures(loaded, store, spec, reference.windows.fingerprint, recovery)
        if figures is None:
            figures = measure_now(loaded, store, spec, change, reference, progress, recovery)
        texts = {"recipe.yaml": chosen.dumps(), "README.md": _card(chosen, figures)}
        size = write_model(
            loaded.model,
            loaded.tokenizer,
            folder,
            texts,
            reference.windows.evaluation[:2],
            dense_bytes(loaded.model),
            lambda note: progress(3, 4, note),
        )
    value = {**figures, "out": str(folder), "verified": True, "bytes": size, "sparse_bytes": figures["bytes"]}
    value["recipe"] = chosen.to_dict()
    store.put("export", {"fingerprint": loaded.fingerprint, "out": str(folder)}, value)
    return value


def stored_figures(
    loaded: Loaded,
    store: Store,
    spec: Spec,
    data_fingerprint: str,
    recovery: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """What was measured before of just this change, on this very text."""
    stored = store.get(*place_of(loaded, spec, recovery))
    return stored if stored is not None and stored["data_fingerprint"] == data_fingerprint else None


def _folder(store: Store, out: str | None, name: str | None) -> Path:
    if out:
        # Where the model is must still be true in a process that stands in another folder.
        return Path(out).expanduser().absolute()
    if not name:
        raise PruningError("The exported model needs a name. Give one, such as demo-half.")
    return store.child("exports", name)


def _trained(recipe: Recipe) -> str:
    if recipe.recovery is None:
        return ""
    training = Training.of(recipe.recovery)
    return f", and what is left trained for {training.steps} steps (loss: {training.loss})"


def _card(recipe: Recipe, figures: dict[str, Any]) -> str:
    """The model card: what was done, and what was measured."""
    questions = "\n".join(
        f"| questions: {name} | {value:.1%} right |" for name, value in figures["probes"].items()
    )
    return f"""---
tags: [pruned, prunescope]
---

# {recipe.name or "Pruned model"}

{recipe.model.reference}, with {figures["sparsity"]:.1%} of the weights of its decoder layers set to zero by
Prunescope (criterion: {recipe.criterion}){_trained(recipe)}.
The file `recipe.yaml` beside this one repeats it. The licence of the original model applies.

All figures were measured on the text `{recipe.data.name}` ({figures["tokens"]} tokens).

| figure | value |
| --- | --- |
| KL to the dense model | {figures["kl"]:.4f} nats per token |
| perplexity | {figures["perplexity"]:.2f} (dense: {figures["dense_perplexity"]:.2f}) |
| same most likely token as the dense model | {figures["agreement"]:.1%} |
| next-token accuracy | {figures["accuracy"]:.1%} (dense: {figures["dense_accuracy"]:.1%}) |
| questions: all | {figures["probe_accuracy"]:.1%} right |
{questions}
| weights, as an ordinary file | {figures["file_bytes"] / 1e6:.1f} MB |
| weights, with zeros stored as one bit | {figures["bytes"] / 1e6:.1f} MB |

Zeros alone do not make today's engines faster: expect the dense model's speed.
"""
