"""Writing a pruned model as an ONNX graph: what is asked before, and what is kept of it."""

from pathlib import Path
from typing import Any

from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.export.folder import Sample
from pruning.engine.export.model_card import GRAPH, Written, card
from pruning.engine.export.weights import Pruned, Weights
from pruning.errors import PruningError
from pruning.planning.exports.onnx import missing
from pruning.planning.recipe.recipe import Recipe
from pruning.tasks.context.session import Session

FORM = "onnx"
INSTALL = "pip install 'prunescope[onnx]'"


def check_onnx(session: Session, to: str) -> None:
    """Raise PruningError where a graph is asked for and cannot be written or run, with what to do."""
    lacking = missing() if to == FORM else []
    if lacking:
        raise PruningError(
            f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not installed here, and an ONNX "
            f"graph counts only once onnxruntime has run it. Install what it takes: {INSTALL}."
        )
    if to == FORM:
        session.check_whole("An ONNX graph")


def export_onnx(
    session: Session, pruned: Pruned, recipe: Recipe, value: dict[str, Any], sample: Sample
) -> dict[str, Any]:
    """Write what is left with its recipe and card to `value["out"]`, and have onnxruntime agree.

    Returns what the result says besides `value`, the measurement.
    """
    # Here, because the packages of an extra are imported with it.
    from pruning.engine.export.onnx_graph.write import write_onnx

    size = sum(entry.nbytes for entry in Weights.of(pruned, described=False).entries())
    loaded = session.loaded
    written = Written(
        "zeros" if pruned.units is None else "cut",
        size,
        dense_bytes(session.model, loaded.weight_bytes),
        pruned.formats.usual,
        loaded.formats.usual,
        more=GRAPH,
    )
    files = {"recipe.yaml": recipe.dumps(), "README.md": card(recipe, value, written)}
    agreement = write_onnx(pruned, Path(value["out"]), files, sample, session.stage)
    return {
        "sparse_bytes": value["bytes"],
        "bytes": int(agreement.pop("bytes")),
        "export_dtype": pruned.formats.usual,
        "onnxruntime": agreement,
        "recipe": recipe.to_dict(),
    }
