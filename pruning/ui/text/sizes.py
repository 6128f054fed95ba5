"""Sizes in words: first the file that an ordinary export writes, then the compact one. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pruning.planning.cost.written import compact_bytes, file_bytes
from pruning.ui.text import format
from pruning.wording import less

__all__ = ["COMPACT", "FORM", "beside", "exported", "less", "written"]

COMPACT = "as a compact file"
# The forms of an export, as `--to` has them.
FORM = {
    "hf": "Model folder",
    "compact": "Compact file",
    "gguf": "GGUF",
    "onnx": "ONNX",
    "recipe": "Recipe",
    "script": "Python script",
    "report": "Report",
    "llm-compressor": "llm-compressor",
}


def beside(compact: int | None, ordinary: int) -> str:
    """The compact size for a note: "as a compact file 405 MB, 25 % less"; empty where there is none."""
    if compact is None or compact >= ordinary:
        return ""
    return f"{COMPACT} {format.size(compact)}, {less(compact, ordinary)} less"


def written(figures: Mapping[str, Any]) -> str:
    """A measured result's sizes in a line: "538 MB · as a compact file 405 MB, 25 % less"."""
    ordinary = file_bytes(figures)
    note = beside(compact_bytes(figures), ordinary)
    return format.size(ordinary) + (f" · {note}" if note else "")


def exported(value: Mapping[str, Any]) -> str:
    """What an export took on disk, and in which form: "538 MB on disk · Model folder, bfloat16"."""
    form, numbers = FORM.get(str(value.get("to")), FORM["hf"]), value.get("export_dtype")
    return f"{format.size(value['bytes'])} on disk · {form}{f', {numbers}' if numbers else ''}"
