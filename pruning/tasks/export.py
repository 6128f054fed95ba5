"""The task that writes the pruned model, with its recipe and a card of measured figures."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.units import Removal
from pruning.engine.criteria import CRITERIA, LEARNT
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.export.compact import write_compact
from pruning.engine.export.digest import weights_digest
from pruning.engine.export.folder import Sample, write_model
from pruning.engine.export.model_card import Written, card
from pruning.engine.export.weights import Pruned, Weights
from pruning.engine.masking.change import WeightChange
from pruning.engine.models.load import exact_model
from pruning.engine.models.stored_weights import stored_weights
from pruning.engine.structured.surgery import check_same, smaller
from pruning.errors import PruningError
from pruning.model_files.checkpoint import DTYPE_BYTES
from pruning.model_files.number_formats import Formats
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.gguf import export_gguf, gguf_numbers
from pruning.tasks.context.onnx import FORM as ONNX
from pruning.tasks.context.onnx import check_onnx, export_onnx
from pruning.tasks.context.recovered import applied_spec
from pruning.tasks.context.session import Reference, Session
from pruning.tasks.context.units import check_exportable, sizes, spec_units
from pruning.tasks.export_text import TEXTS, export_text
from pruning.tasks.measure import measure_now, stored_figures
from pruning.workspace.store import Store

# So many windows of the text are read to hold a written or smaller model against the one in memory.
SAMPLE = 2
# Of each so many tokens are, where it is to be small: a process of its own is given their logits.
SAMPLE_TOKENS = 32
ORDINARY = "hf"
FORMS = {ORDINARY: write_model, "compact": write_compact}


def export_model(
    session: Session,
    recipe: dict[str, Any],
    out: str | None = None,
    name: str | None = None,
    masked: bool = False,
    to: str = ORDINARY,
    **formats: str | None,
) -> dict[str, Any]:
    """Measure the recipe, write the pruned model to `out` (or to the workspace as `name`), and verify it.

    The recipe names its own text, whichever the session has. Where units are pruned whole the model that is
    written is smaller, unless it is to be `masked`: full-size, with zeros. `to` is "hf", a folder that
    from_pretrained loads, or "compact", one with bitmasks and kept values, or "gguf", one with a file for
    llama.cpp, or "onnx", one with a graph for onnxruntime, or words: "recipe", "script", "report",
    "llm-compressor". Of `formats` `export_dtype` is the number format that is written, by default the
    checkpoint's own, and `quantize` that of a GGUF file, by default f16.
    Raises PruningError before anything is done where a form cannot be written, see
    `pruning.planning.exports.targets`.
    """
    request = Recipe.from_dict(recipe, [*CRITERIA, *LEARNT])
    request.check_model(session.loaded.fingerprint, session.loaded.computed)
    usual, quantize = _formats(session, formats.pop("export_dtype", None)), formats.pop("quantize", None)
    if formats:
        raise PruningError(f"A model is not written with {', '.join(formats)}. Leave that out.")
    folder = _folder(session.store, out, name or request.name)
    if folder.exists():
        raise PruningError(f"{folder} exists already. Choose another name or remove it first.")
    session = session.on(request.data.name)
    spec = spec_of(session, request.settings(), request.criterion, request.options().changed())
    cut = spec.options.whole and not masked
    check_exportable(session, spec, to, masked, trained=request.recovery is not None)
    numbers = gguf_numbers(session, spec, to, quantize, cut)
    check_onnx(to)
    if to == ONNX:
        session.check_whole("An ONNX graph")
    if to in TEXTS:
        value = export_text(session, request, spec, folder, {"to": to, "masked": masked})
        return _kept(session, value)
    figures = stored_figures(session, spec, request.recovery)
    reference = None if figures else session.reference_with_answers
    sample = _sample(session)
    with (
        stored_weights(session.loaded.path) as stored,
        applied_spec(session, spec, request.recovery, stored) as change,
    ):
        if reference is not None:
            figures = measure_now(session, spec, change, reference, request.recovery)
        value = {**(figures or {}), "out": str(folder), "verified": True, "to": to, "masked": masked}
        pruned = _pruned(session, spec, change, usual, cut)
        if numbers:
            return _kept(session, value | export_gguf(session, pruned, request, value, numbers))
        if to == ONNX:
            return _kept(session, value | export_onnx(session, pruned, request, value, sample))
        written = _written(session, spec, change, pruned, to)
        files = {"recipe.yaml": request.dumps(), "README.md": card(request, value, written)}
        size = FORMS[to](pruned, folder, files, sample, session.stage)
    value |= {"sparse_bytes": value["bytes"], "bytes": size}
    value |= {"export_dtype": usual.usual, "recipe": request.to_dict()}
    if to == ORDINARY:
        value["digest"] = weights_digest(folder)
    return _kept(session, value)


def _kept(session: Session, value: dict[str, Any]) -> dict[str, Any]:
    """The same, once it is in the workspace."""
    key = {"fingerprint": session.loaded.computed, "out": value["out"]}
    session.store.put("export", key, value)
    return value


def _formats(session: Session, export_dtype: str | None) -> Formats:
    """The number formats that are written."""
    if export_dtype is None:
        return session.loaded.formats
    if export_dtype not in DTYPE_BYTES:
        raise PruningError(f'"{export_dtype}" is not a dtype. Choose one of {", ".join(DTYPE_BYTES)}.')
    return Formats(export_dtype)


def _sample(session: Session) -> Sample:
    """A little of the text with the dense model's logits, while the model is dense."""
    ids = session.windows.evaluation[:SAMPLE, :SAMPLE_TOKENS]
    with torch.no_grad():
        logits = session.model(input_ids=ids.to(device_of(session.model)), use_cache=False).logits
    return Sample(ids, logits.cpu())


def _pruned(session: Session, spec: PruningSpec, change: WeightChange, formats: Formats, cut: bool) -> Pruned:
    """The model as it is now, and what is cut out of it."""
    loaded = session.loaded
    exact = None if formats == Formats(loaded.dtype) else exact_model(loaded)
    if not cut:
        return Pruned(loaded.model, loaded.tokenizer, formats, exact)
    units = spec_units(session, spec)
    return Pruned(loaded.model, loaded.tokenizer, formats, exact, units, change.units or Removal())


def _written(session: Session, spec: PruningSpec, change: WeightChange, pruned: Pruned, to: str) -> Written:
    """What the model card says of the files."""
    weights = Weights.of(pruned)
    size = sum(entry.nbytes for entry in weights.entries())
    if to != ORDINARY:
        size = sizes(session, spec, change, DTYPE_BYTES[pruned.formats.usual])["bytes"]
    cut: Literal["cut", "zeros"] = "zeros" if pruned.units is None else "cut"
    form = cut if to == ORDINARY else "compact"
    dense = dense_bytes(session.model, session.loaded.weight_bytes)
    dtypes = pruned.formats.usual, session.loaded.formats.usual
    return Written(form, size, dense, *dtypes, by_layer=weights.by_layer)


def cut_copy(session: Session, spec: PruningSpec, change: WeightChange, reference: Reference) -> nn.Module:
    """A copy of the pruned model with its tensors cut; its logits were held against the zeroed model's, by
    the spread of the dense model's."""
    session.stage("copy", "Cutting the tensors")
    small = smaller(session.model, spec_units(session, spec), change.units or Removal())
    ids = reference.windows.evaluation[:SAMPLE].to(device_of(session.model))
    with torch.no_grad():
        expected, given = (model(input_ids=ids, use_cache=False).logits for model in (session.model, small))
        dense = reference.head(reference.hidden[:SAMPLE])
    check_same(expected, given, dense)
    return small


def _folder(store: Store, out: str | None, name: str | None) -> Path:
    if out:
        # Where the model is must still be true in a process that stands in another folder.
        return Path(out).expanduser().absolute()
    if not name:
        raise PruningError("The exported model needs a name. Give one, such as demo-half.")
    return store.child("exports", name)
