"""The documents of a text: read, without what is there twice, and split so that none is in both parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pruning.data_files.account import Account, left_out
from pruning.data_files.fields import Document, document_of, no_known_field
from pruning.data_files.files import MOST_CHARACTERS, MOST_ROWS, rows_of, text_of
from pruning.data_files.source import DEMO, ROWS, RUNNING, Source, files_of, suffix_of
from pruning.errors import PruningError
from pruning.resources import asset

# Fewer characters than these say nothing: a row of them is left out.
NEAR_EMPTY = 16
PARTS = ("calibration", "evaluation")


@dataclass(frozen=True)
class Documents:
    """Documents of one source, those to calibrate with and those to evaluate with; none is in both."""

    source: Source
    calibration: list[Document]
    evaluation: list[Document]
    account: Account


def read_source(source: Source) -> Documents:
    """Read a source, leave out what is there twice or says nothing, and split what stays.

    Raises
    ------
    PruningError
        The text is not there, cannot be read, has no field that is known, or is one document only.
    """
    account = Account()
    if source.name == DEMO:
        calibration, evaluation = ([Document(text) for text in demo_texts(part)] for part in PARTS)
        account.rows = len(calibration) + len(evaluation)
        return Documents(source, calibration, evaluation, account)
    files = files_of(source.name)
    if not files and source.is_local:
        named = suffix_of(Path(source.name)) in RUNNING + ROWS
        what = "no data file" if named else "no file or folder with text"
        raise PruningError(f"There is {what} at {source.name}. Check the path.")
    if files:
        running = all(suffix_of(path) not in ROWS for path in files)
        kept = list(_cleaned(_documents(files, source, account), account, running, set()))
        calibration, evaluation = _split(kept, source.name, running, account)
        return Documents(source, calibration, evaluation, account)
    from pruning.data_files.hub import hub_splits

    splits, running = hub_splits(source.name)
    return _from_splits(source, splits, running, account)


def demo_texts(split: str, domain: str = "") -> list[str]:
    """Texts of the demo's part `split`, those of one domain where it is named, such as `code`."""
    folder = asset("corpus") / split
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"{domain}*.txt"))]


def _documents(files: Sequence[Path], source: Source, account: Account) -> Iterator[Document]:
    """Documents of all files, one after the other: rows, paragraphs of a text, or of several texts each."""
    left = MOST_CHARACTERS
    for path in files:
        if suffix_of(path) in ROWS:
            found = _of_rows(rows_of(path), source, account, str(path))
        else:
            found = _of_text(path, len(files) > 1, account)
        for document in found:
            yield document
            left -= len(document.words)
            if left < 0:
                account.cut = True
                return


def _of_text(path: Path, whole: bool, account: Account) -> Iterator[Document]:
    text, more = text_of(path)
    account.cut = account.cut or more
    if whole:
        yield Document(text)
        return
    if not text.strip():
        raise PruningError(f"{path} is empty. Give a file with text in it.")
    parts = [part for part in text.split("\n\n") if part.strip()]
    yield from map(Document, parts if len(parts) > 1 else text.splitlines())


def _of_rows(rows: Iterator[Any], source: Source, account: Account, place: str) -> Iterator[Document]:
    """Documents of rows; those without a known field are counted, and an error where all are."""
    first, read = None, 0
    for number, row in enumerate(islice(rows, MOST_ROWS + 1)):
        if number == MOST_ROWS:
            account.cut = True
            break
        first = row if first is None else first
        document = _of_row(row, source, place)
        if document is None:
            account.unread += 1
            account.rows += 1
            continue
        read += 1
        if document.fields:
            account.fields[document.fields] = account.fields.get(document.fields, 0) + 1
        yield document
    if first is not None and not read:
        raise no_known_field(source.name, first)


def _of_row(row: Any, source: Source, place: str) -> Document | None:
    try:
        return document_of(row, source.columns)
    except PruningError as error:
        raise PruningError(f"{place}: {error} Name the columns like {source.name}#title+body.") from None


def _cleaned(
    documents: Iterator[Document], account: Account, running: bool, seen: set[str]
) -> Iterator[Document]:
    """Without what was seen before, and, where rows stand for themselves, without those that say nothing."""
    for document in documents:
        account.rows += 1
        words = document.words
        if not words or (len(words) < NEAR_EMPTY and not running):
            account.near_empty += 1
        # A line between paragraphs, or a heading, may come again.
        elif words in seen and len(words) >= NEAR_EMPTY:
            account.duplicates += 1
        else:
            seen.add(words)
            yield document


def _split(
    documents: list[Document], name: str, running: bool, account: Account
) -> tuple[list[Document], list[Document]]:
    """First half of the documents to calibrate, second half to evaluate: neighbours stay together."""
    if not documents:
        raise PruningError(f"{name} holds no text{_besides(account)}. Give a file with text in it.")
    if len(documents) == 1:
        how = "Put an empty line between its parts" if running else "Give more rows"
        raise PruningError(
            f"{name} holds one document{_besides(account)}, and no document is both calibrated on and "
            f"evaluated on. {how}, or name a second text beside it, with a comma between."
        )
    lengths = [len(document.words) for document in documents]
    total, half, cut = sum(lengths), 0, 0
    while half < total / 2 and cut < len(documents) - 1:
        half += lengths[cut]
        cut += 1
    return documents[:cut], documents[cut:]


def _besides(account: Account) -> str:
    """Of what was left out, a clause; empty where nothing was."""
    said = left_out(asdict(account))
    return f" besides what was left out ({said})" if said else ""


def _from_splits(
    source: Source, splits: Mapping[str, Iterator[Any]], running: bool, account: Account
) -> Documents:
    """Documents of a data set's own splits, train and test, or of its first one."""
    names = ("train", "test") if {"train", "test"} <= set(splits) else (next(iter(splits)),)
    seen: set[str] = set()
    parts = [
        list(_cleaned(_of_rows(splits[name], source, account, source.name), account, running, seen))
        for name in names
    ]
    calibration, evaluation = parts if len(parts) == 2 else _split(parts[0], source.name, running, account)
    return Documents(source, calibration, evaluation, account)
