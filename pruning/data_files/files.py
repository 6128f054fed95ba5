"""What stands in a file: running text, or rows; read up to a limit, so that no file is too large."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from pruning.data_files.source import PACKED, suffix_of
from pruning.errors import PruningError
from pruning.files import parse_json

# Far more than windows are cut from; what is beyond is not read.
MOST_ROWS = 20_000
MOST_CHARACTERS = 20_000_000
MOST_COLUMNS = 1_000
BATCH = 256
# Half of a character that takes two, as JSON may name it: no text has it, and no tokenizer takes it.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_FEWER = "Save those with the text by themselves."
_HELP = "Save it as UTF-8 and try again."


def text_of(path: Path) -> tuple[str, bool]:
    """The first MOST_CHARACTERS of a text file, packed or not; True where there is more.

    Raises
    ------
    PruningError
        The file cannot be read, or is not UTF-8.
    """
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == PACKED else path.open("rb") as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8-sig").read(MOST_CHARACTERS + 1)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise PruningError(f"{path} cannot be read as UTF-8 text: {error}. {_HELP}") from None
    return text[:MOST_CHARACTERS], len(text) > MOST_CHARACTERS


def rows_of(path: Path) -> Iterator[Any]:
    """The rows of a file, each with where it stands; at most MOST_ROWS of MOST_CHARACTERS.

    Yields
    ------
    A dict of a row's fields, or the value that stands in its place.

    Raises
    ------
    PruningError
        The file is not what its ending says.
    """
    suffix = suffix_of(path)
    if suffix == ".parquet":
        return _parquet(path)
    text, more = text_of(path)
    if suffix in (".csv", ".tsv"):
        return _table(path, text, "\t" if suffix == ".tsv" else ",", more)
    if suffix == ".json" and text.lstrip().startswith("["):
        return _list(path, text, more)
    return _lines(path, text, more)


def _lines(path: Path, text: str, more: bool) -> Iterator[Any]:
    lines = text.splitlines()
    # The last line of a text that was cut is not whole.
    for number, line in enumerate(lines[:-1] if more else lines, start=1):
        if line.strip():
            yield _parsed(line, f"Line {number} of {path}")


def _list(path: Path, text: str, more: bool) -> Iterator[Any]:
    if more:
        raise PruningError(
            f"{path} has more than {MOST_CHARACTERS:,} characters. Save it as JSONL, a row a line: "
            "of that, so much is read as is needed."
        )
    yield from _parsed(text, str(path))


def _parsed(text: str, place: str) -> Any:
    try:
        value = parse_json(text)
    except ValueError as error:
        if isinstance(error, JSONDecodeError):
            raise PruningError(f"{place} is not JSON: {error.msg}.") from None
        raise PruningError(f"{place} cannot be read as JSON: {error}.") from None
    return _whole(value) if _HALF.search(text) else value


def _whole(value: Any) -> Any:
    """The same with a question mark for each half of a character."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    return value


def _table(path: Path, text: str, between: str, more: bool) -> Iterator[Any]:
    import pandas

    columns = text[: text.find("\n") % (len(text) + 1)].count(between) + 1
    if columns > MOST_COLUMNS:
        raise PruningError(f"{path} has {columns:,} columns, and at most {MOST_COLUMNS:,} are read. {_FEWER}")
    whole = text[: text.rfind("\n") + 1] if more else text
    try:
        frame = pandas.read_csv(
            io.StringIO(whole), sep=between, dtype=str, keep_default_na=False, nrows=MOST_ROWS
        )
    except (ValueError, pandas.errors.ParserError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PruningError(f"{path} cannot be read as a table: {reason}.") from None
    yield from frame.to_dict("records")


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise PruningError(f"{path} cannot be read as parquet: {reason}") from None
