"""Files that readers find whole or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pruning.errors import PruningError


def write_whole(
    path: str | Path, write: Callable[[Path], object], what: str = "The file", advice: str = ""
) -> Path:
    """Write a file under another name beside its place, and move it there once it is finished.

    Parameters
    ----------
    path
        Where the file will stand; its folder is made.
    write
        Writes all of the file to the path it is given. What it raises besides an error of the disk passes.
    what, advice
        The beginning and the end of the sentence when it fails: what was written, and what to do.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    PruningError
        When the disk is full or read-only. What stood at `path` before still stands there.
    """
    # Here, so that who writes nothing need not import it.
    from safetensors import SafetensorError

    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(draft)
        os.replace(draft, path)
    # torch.save says RuntimeError where the disk is full.
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise PruningError(f"{what} could not be written to {path}: {reason}. {advice}".rstrip()) from error
    finally:
        draft.unlink(missing_ok=True)
    return path


def write_text(path: str | Path, text: str, what: str = "The file") -> Path:
    """Write a text, whole or not at all; see `write_whole`."""
    return write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"), what)


def write_json(path: str | Path, value: Any, what: str = "The file") -> Path:
    """Write plain data as JSON, whole or not at all; see `write_whole`."""
    return write_text(path, json.dumps(value), what)
