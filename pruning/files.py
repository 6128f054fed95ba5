"""Files that readers find whole or not at all, and files of others, which may hold anything."""

import glob
import json
import os
import stat
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
        _sweep(path)
        write(draft)
        os.replace(draft, path)
    # torch.save says RuntimeError where the disk is full.
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise PruningError(f"{what} could not be written to {path}: {reason}. {advice}".rstrip()) from error
    finally:
        draft.unlink(missing_ok=True)
    return path


def _sweep(path: Path) -> None:
    """Remove drafts of a file whose writers were killed."""
    drafts = path.parent.glob(f".{glob.escape(path.name)}.*.part")
    writers = {draft: draft.name.removesuffix(".part").rpartition(".")[2] for draft in drafts}
    if writers:
        # Here, so that who finds none need not import it.
        import psutil

        for draft, writer in writers.items():
            if writer.isdecimal() and not psutil.pid_exists(int(writer)):
                draft.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, what: str = "The file") -> Path:
    """Write a text, whole or not at all; see `write_whole`."""
    return write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"), what)


def write_json(path: str | Path, value: Any, what: str = "The file") -> Path:
    """Write plain data as JSON, whole or not at all; see `write_whole`."""
    return write_text(path, json.dumps(value), what)


# ---- files of others --------------------------------------------------------------------------------

MOST_BYTES = 1 << 28
# Plans are short. So much YAML takes seconds to read, and a hundred times as much would take minutes.
MOST_YAML_BYTES = 1_000_000
# Of what a file says once and names often: so many values, each counted as often as it stands there.
MOST_YAML_VALUES = 100_000


def read_text(path: str | Path, most: int = MOST_BYTES) -> str:
    """The text of an ordinary file.

    Parameters
    ----------
    path
        The file.
    most
        How many bytes it may have.

    Raises
    ------
    OSError
        It is not there or cannot be read, is larger, or is no ordinary file: a device may never end, and a
        pipe that nobody writes to never begins.
    UnicodeDecodeError
        It is not UTF-8.
    """
    path = Path(path)
    about = path.stat()
    if stat.S_ISDIR(about.st_mode):
        raise OSError(0, "it is a folder")
    if not stat.S_ISREG(about.st_mode):
        raise OSError(0, "it is no ordinary file")
    if about.st_size > most:
        raise OSError(0, f"it has {about.st_size:,} bytes, and at most {most:,} are read")
    return path.read_text(encoding="utf-8")


def parse_json(text: str | bytes) -> Any:
    """What JSON says. Raises ValueError for what is none, or is nested too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_json(path: str | Path, most: int = MOST_BYTES) -> Any:
    """What a JSON file says. Raises OSError as `read_text` does, and ValueError as `parse_json` does."""
    return parse_json(read_text(path, most))


def parse_yaml(text: str) -> tuple[Any, Any]:
    """What YAML says, and the nodes that it is made of.

    Raises
    ------
    ValueError
        It is no YAML, or a value that it names is none of its type, or names are used so that a short text
        stands for a very long one. The sentence has the line where that is known.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _check_size(node)
        return yaml.safe_load(text), node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ValueError(f"line {mark.line + 1}, {error.problem}" if mark else str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    # PyYAML's readers of single values raise whatever Python raises: !!bool x is a KeyError.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise ValueError(str(error).partition("\n")[0] or type(error).__name__) from None


def _check_size(root: Any) -> None:
    """Raise ValueError where a document's nodes, each counted as often as it is named, are too many."""
    sizes: dict[int, float] = {}

    def size(node: Any) -> float:
        if id(node) not in sizes:
            # Where it is named inside itself it never ends.
            sizes[id(node)] = float("inf")
            inside = node.value if isinstance(getattr(node, "value", None), list) else ()
            parts = [part for item in inside for part in (item if isinstance(item, tuple) else (item,))]
            sizes[id(node)] = 1 + sum(map(size, parts))
        return sizes[id(node)]

    if root is not None and size(root) > MOST_YAML_VALUES:
        raise ValueError("its aliases (*name) stand for too much")
