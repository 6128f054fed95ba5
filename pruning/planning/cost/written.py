"""What is written of a measured result, in bytes: first the ordinary file, then the compact one. No torch."""

from collections.abc import Mapping
from typing import Any

from pruning.planning.recipe.plan import UNIT_KINDS


def file_bytes(figures: Mapping[str, Any]) -> int:
    """Bytes that an ordinary export of a result writes: smaller where units are cut out, else as before."""
    if _cut(figures):
        return int(figures["bytes"])
    return int(figures.get("file_bytes", figures["bytes"]))


def compact_bytes(figures: Mapping[str, Any]) -> int | None:
    """Bytes that a compact export of a result writes; None where there is none or it is not smaller."""
    if figures.get("structure") in UNIT_KINDS:
        return None
    size = int(figures["bytes"])
    return size if size < file_bytes(figures) else None


def _cut(figures: Mapping[str, Any]) -> bool:
    """Whether whole units are pruned and the result can be written smaller, as far as is known."""
    return figures.get("structure") in UNIT_KINDS and figures.get("not_smaller") is None
