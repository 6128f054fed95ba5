"""Writing a pruned model as GGUF: what is asked before, and what is kept of it."""

from pathlib import Path
from typing import Any

from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.export.gguf.fit import check_fits, check_format
from pruning.engine.export.gguf.write import GgufFormat
from pruning.engine.export.model_card import Written, card
from pruning.engine.export.weights import Pruned
from pruning.engine.llamacpp.engine import check_installed
from pruning.engine.structured.surgery import smaller
from pruning.errors import PruningError
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import planned_removal, spec_units

FORM = "gguf"
DEFAULT = "f16"
# llama.cpp rounds otherwise than we do, which takes this many windows to tell from a difference.
SAMPLE = 4


def gguf_numbers(session: Session, spec: PruningSpec, to: str, quantize: str | None, cut: bool) -> str | None:
    """The number format of the GGUF file that is to be written; None where another form is.

    Raises PruningError where llama.cpp is not installed or has no form for what `spec` leaves, where rows
    would not fill the blocks of the format, and for a format with another form.
    """
    if to != FORM:
        if quantize:
            raise PruningError(f"Numbers are quantized in {FORM} alone, not in {to}. Leave --quantize out.")
        return None
    check_installed()
    session.check_whole("A GGUF file")
    numbers = quantize or DEFAULT
    check_format(numbers)
    if cut:
        check_fits(session.model, spec_units(session, spec), planned_removal(session, spec), numbers)
    return numbers


def export_gguf(
    session: Session, pruned: Pruned, recipe: Recipe, value: dict[str, Any], numbers: str
) -> dict[str, Any]:
    """Write what is left with its recipe and card to `value["out"]`, and have llama.cpp agree.

    Returns what the result says besides `value`, the measurement.
    """
    cut = pruned.units is not None
    model = pruned.model if pruned.units is None else smaller(pruned.model, pruned.units, pruned.removal)
    form, loaded = GgufFormat(numbers), session.loaded
    dense = dense_bytes(session.model, loaded.weight_bytes)
    written = Written("cut" if cut else "zeros", form.size(model), dense, numbers, loaded.formats.usual)
    files = {"recipe.yaml": recipe.dumps(), "README.md": card(recipe, value, written)}
    sample = session.windows.evaluation[:SAMPLE]
    agreement = form.write(model, pruned.tokenizer, Path(value["out"]), files, sample, session.stage)
    return {
        "sparse_bytes": value["bytes"],
        "bytes": int(agreement.pop("bytes")),
        "export_dtype": numbers,
        "llamacpp": agreement,
        "recipe": recipe.to_dict(),
    }
