"""The gallery: results of the demo model that were measured elsewhere and ship with Prunescope.

One JSON file that `prunescope bench gallery` writes. Pages show it until users have measured for themselves,
marked as measured elsewhere. It is read and written here alone; no row of it ever goes into a workspace.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any, cast

from pruning.errors import PruningError
from pruning.files import write_json
from pruning.resources import asset
from pruning.workspace.result_types.gallery import Gallery
from pruning.workspace.typed_data import mistakes

FILE = "gallery.json"
# Figures keep so many digits: more say nothing, and make the file larger.
DIGITS = 6


def read(path: str | Path | None = None) -> Gallery:
    """The gallery in a file.

    Parameters
    ----------
    path
        The file; the one that ships with Prunescope where it is None.

    Raises
    ------
    PruningError
        When it is not there, cannot be read, or lacks what it should have.
    """
    path = asset(FILE) if path is None else Path(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not JSON"
        raise PruningError(f"The gallery {path} cannot be read: {reason}. {_ADVICE}") from error
    return checked(value, path)


_ADVICE = "Install Prunescope again, or measure anew with `prunescope bench gallery`."


def checked(value: Any, path: str | Path) -> Gallery:
    """The value as a gallery. Raises PruningError with the first mistake where it is none."""
    wrong = next(mistakes(value, Gallery), None) or _undated(value)
    if wrong is not None:
        raise PruningError(f"The gallery {path} is damaged: {wrong}. {_ADVICE}")
    return cast(Gallery, value)


def _undated(value: Gallery) -> str | None:
    try:
        date.fromisoformat(value["made"]["day"])
    except ValueError:
        return "made.day is no date"
    return None


def write(path: str | Path, value: dict[str, Any]) -> Path:
    """Write a gallery, whole or not at all; figures are rounded.

    Raises PruningError for what would not be read again, and when the disk is full or read-only.
    """
    return write_json(path, checked(_short(value), path), "The gallery")


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    return [_short(inner) for inner in value] if isinstance(value, list | tuple) else value
