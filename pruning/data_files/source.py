"""What the name of a text stands for: `demo`, files, folders, data sets of the hub, and mixtures of them.

`chat.jsonl`, `owner/name:configuration`, `table.csv#title+body`, `wiki.txt:0.5,chat.jsonl:0.5`.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pruning.errors import PruningError

DEMO = "demo"
RUNNING = (".txt", ".md")
ROWS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
PACKED = ".gz"
MOST_FILES = 10_000
_SHARE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One text of a mixture.

    Parameters
    ----------
    name
        `demo`, the path of a file or folder, or a hub data set (`owner/name` or `owner/name:configuration`).
    columns
        The fields of a row that are its text, in this order; empty where the usual ones are looked for.
    share
        Its part of the tokens; those of a mixture add up to 1.
    """

    name: str
    columns: tuple[str, ...] = ()
    share: float = 1.0

    @property
    def is_local(self) -> bool:
        """Whether the name can only be a path, there or not."""
        looks = self.name.startswith(("/", "./", "../", "~", ".\\"))
        return looks or suffix_of(Path(self.name)) in RUNNING + ROWS or _is_there(self.name)


def sources_of(data: str) -> tuple[Source, ...]:
    """The texts that `data` names, with their shares of the tokens.

    Raises
    ------
    PruningError
        For a share that is no number above 0, shares for some only, a text named twice, or no name.
    """
    if _is_there(data):
        return (Source(data),)
    parts = [_part(part.strip(), data) for part in data.split(",")]
    names = [source.name for source, _ in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PruningError(f"{twice} is named twice in the text {data}. Name it once, with one share.")
    shares = [share for _, share in parts]
    given = [share for share in shares if share is not None]
    if given and len(given) < len(shares):
        without = names[shares.index(None)]
        raise PruningError(
            f"{without} has no share in the text {data}, and others have. Give all of them one, like "
            f"{without}:0.5, or none."
        )
    whole = sum(given) or float(len(parts))
    return tuple(replace(source, share=(1.0 if share is None else share) / whole) for source, share in parts)


def _part(part: str, data: str) -> tuple[Source, float | None]:
    """One text of a mixture and the share that was asked for it."""
    if not part:
        raise PruningError(
            f"The text {data!r} has an empty name in it. Give demo, a file, a folder or a hub data set; "
            "several with commas between them."
        )
    if _is_there(part):
        return Source(part), None
    name, colon, tail = part.rpartition(":")
    share = None
    if colon and _SHARE.fullmatch(tail):
        share, part = float(tail), name
        if not math.isfinite(share) or share <= 0:
            raise PruningError(f"The share of {name} is {tail}, and has to be above 0, like {name}:0.5.")
    name, mark, columns = ("", "", "") if _is_there(part) else part.rpartition("#")
    if not mark:
        return Source(part), share
    fields = tuple(column.strip() for column in columns.split("+") if column.strip())
    if not name or not fields:
        raise PruningError(f"{part} names no columns. Write them like {name or 'table.csv'}#title+body.")
    return Source(name, fields), share


def files_of(name: str) -> list[Path]:
    """The file of this name, or those of the folder that can be read, sorted; empty where there is neither.

    Raises
    ------
    PruningError
        The folder holds too many files to be a text.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    files = []
    for file in _below(path) if path.is_dir() else ():
        files.append(file)
        if len(files) > MOST_FILES:
            raise PruningError(
                f"{name} has more than {MOST_FILES:,} files in it. Name a smaller folder, or one file."
            )
    return sorted(files)


def _below(folder: Path) -> Iterator[Path]:
    """Files below a folder that can be read as text; hidden ones are left out."""
    # Unlike Path.rglob it passes over a folder that is gone when its turn comes.
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if suffix_of(path) in RUNNING + ROWS and path.is_file():
                yield path


def suffix_of(path: Path) -> str:
    """What kind of file it is, in lower case; that of what is packed, for gzip."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def stamp_of(data: str) -> tuple[int, ...] | None:
    """When the text's files were last written (the newest, in ns), their bytes, and, of several, how many.

    None where the name is no file's and no folder's.
    """
    try:
        files = [file for source in sources_of(data) for file in files_of(source.name)]
        facts = [file.stat() for file in files]
    except (PruningError, OSError, ValueError):
        return None
    if not facts:
        return None
    stamp = max(fact.st_mtime_ns for fact in facts), sum(fact.st_size for fact in facts)
    return stamp if len(facts) == 1 else (*stamp, len(facts))


def _is_there(name: str) -> bool:
    """Whether a file or folder has this name; names that no file can have are nobody's."""
    try:
        path = Path(name).expanduser()
        return bool(name.strip()) and name != DEMO and (path.is_file() or path.is_dir())
    except (OSError, ValueError, RuntimeError):
        return False
