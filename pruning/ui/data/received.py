"""Files that are dropped on a page: kept in the workspace, and read from there like any others."""

import hashlib
import re
from pathlib import Path

from pruning.files import write_whole
from pruning.ui.data import queries

FOLDER = "received"
# Letters of a name that stay, from its end.
MOST_LETTERS = 60


def keep(name: str, content: bytes) -> Path:
    """Keep a file, and say where it is: in a folder that is named by what the file holds.

    So another of the same name takes nothing from it. Of its own name stays what is plain on every system and
    means nothing in the name of a text.

    Raises
    ------
    PruningError
        The disk is full or read-only.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-MOST_LETTERS:].strip("._-") or "file"
    folder = queries.store().child(FOLDER, hashlib.sha256(content).hexdigest()[:12])
    path = folder / plain
    if path.is_file():
        return path
    return write_whole(path, lambda draft: draft.write_bytes(content), "The file")
