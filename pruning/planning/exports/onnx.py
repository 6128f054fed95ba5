"""What an ONNX graph can be written of, and with what."""

from collections.abc import Mapping
from importlib.util import find_spec

from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.exports.units import Left, why_not_alike, why_not_even

# What writes graphs and runs them: the extra `onnx`.
PACKAGES = ("onnx", "onnx_ir", "onnxscript", "onnxruntime")


def missing() -> list[str]:
    """Those that are not installed; nothing is loaded."""
    return [name for name in PACKAGES if find_spec(name) is None]


def why_not_onnx(facts: ModelFacts, left: Mapping[int, Left]) -> str | None:
    """Why what is cut makes no graph; None where it does. No configuration has to describe it."""
    return why_not_even(facts, left)


def onnx_reason(facts: ModelFacts, left: Mapping[int, Left]) -> str:
    """What is said where it can be written."""
    own = ", of a width of their own each" if why_not_alike(facts, left) else ""
    return f"onnxruntime opens it: the graph holds the layers that stay{own}, and reads with a cache."
