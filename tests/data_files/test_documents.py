"""Files of every kind as documents: fields, what is left out, and a split that shares nothing."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from pruning.data_files import documents, files
from pruning.data_files.documents import Documents, read_source
from pruning.data_files.fields import Document, document_of
from pruning.data_files.source import Source
from pruning.errors import PruningError

TEXTS = [f"Text {n:02} speaks of its own number at some length, and then it stops." for n in range(12)]
ASKED = {"role": "user", "content": "What is the capital of Peru?"}
ANSWERED = {"role": "assistant", "content": "It is Lima, on the coast."}


def read(path: Path | str, *columns: str) -> Documents:
    return read_source(Source(str(path), columns))


def every(found: Documents) -> list[str]:
    return [document.words for document in found.calibration + found.evaluation]


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.txt": lambda path: path.write_text("\n\n".join(TEXTS)),
    "lines.txt": lambda path: path.write_text("\n".join(TEXTS)),
    "a.md": lambda path: path.write_text("\n\n".join(TEXTS)),
    "noending": lambda path: path.write_text("\n\n".join(TEXTS)),
    "a.jsonl": lambda path: jsonl(path, [{"text": text} for text in TEXTS]),
    "strings.jsonl": lambda path: jsonl(path, TEXTS),
    "a.json": lambda path: path.write_text(json.dumps([{"content": text} for text in TEXTS])),
    "lines.json": lambda path: jsonl(path, [{"text": text} for text in TEXTS]),
    "a.csv": lambda path: pandas.DataFrame({"n": range(12), "text": TEXTS}).to_csv(path),
    "a.tsv": lambda path: pandas.DataFrame({"text": TEXTS}).to_csv(path, sep="\t"),
    "a.parquet": lambda path: pandas.DataFrame({"text": TEXTS}).to_parquet(path),
    "a.csv.gz": lambda path: pandas.DataFrame({"text": TEXTS}).to_csv(path),
    "a.jsonl.gz": lambda path: path.write_bytes(
        gzip.compress("\n".join(json.dumps({"text": text}) for text in TEXTS).encode())
    ),
    "a.txt.gz": lambda path: path.write_bytes(gzip.compress("\n\n".join(TEXTS).encode())),
    "mark.txt": lambda path: path.write_text("\n\n".join(TEXTS), encoding="utf-8-sig"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_every_kind_are_read_in_their_order(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    found = read(tmp_path / name)
    assert every(found) == TEXTS
    assert len(found.calibration) == len(found.evaluation) == 6
    assert found.account.rows == 12
    assert not found.account.cut


@pytest.mark.parametrize(
    ("row", "text", "turns", "fields"),
    [
        ("just words", "just words", 0, ""),
        ({"text": "words"}, "words", 0, "text"),
        ({"content": "words"}, "words", 0, "content"),
        ({"messages": [ASKED, ANSWERED], "text": "both"}, "", 2, "messages"),
        ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}]}, "", 2,
         "conversations"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image"}]}]},
         "", 1, "messages"),
        ({"instruction": "Add.", "input": "1 and 2", "output": "3"}, "", 2, "instruction + input + output"),
        ({"instruction": "Sing.", "input": "", "output": "La"}, "", 2, "instruction + output"),
        ({"question": "Who?", "answer": "Me."}, "", 2, "question + answer"),
        ({"prompt": "The sky is", "completion": "blue."}, "The sky is blue.", 0, "prompt + completion"),
        ({"prompt": "The sky is", "completion": " blue."}, "The sky is blue.", 0, "prompt + completion"),
        ({"prompt": [ASKED], "completion": [ANSWERED]}, "", 2, "prompt + completion"),
    ],
)  # fmt: skip
def test_the_usual_fields_are_found(row: Any, text: str, turns: int, fields: str) -> None:
    found = document_of(row)
    assert found is not None
    assert (found.text, len(found.turns), found.fields) == (text, turns, fields)
    assert all(turn["role"] in ("user", "assistant") for turn in found.turns)


def test_what_is_asked_of_goes_before_the_answer() -> None:
    found = document_of({"instruction": "Add.", "input": "1 and 2", "output": "3"})
    assert found is not None
    assert [turn["content"] for turn in found.turns] == ["Add.\n\n1 and 2", "3"]


@pytest.mark.parametrize(
    "row", [7, None, [], {}, {"words": 1}, {"text": None}, {"messages": []}, {"messages": ["no", "turns"]},
            {"messages": [{"content": "of nobody"}]}]
)  # fmt: skip
def test_rows_without_a_known_field_are_none(row: Any) -> None:
    assert document_of(row) is None


def test_columns_are_named_by_hand(tmp_path: Path) -> None:
    rows = [{"title": f"Number {n}", "body": TEXTS[n], "chat": [ASKED, ANSWERED]} for n in range(12)]
    path = jsonl(tmp_path / "a.jsonl", rows)
    assert every(read(path, "title", "body"))[3] == f"Number 3 {TEXTS[3]}"
    with pytest.raises(PruningError, match="one document"):  # all the same conversation
        read(path, "chat")
    with pytest.raises(PruningError, match="no column name; there are title, body, chat"):
        read(path, "name")


def test_what_is_there_twice_or_says_nothing_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"text": text} for text in TEXTS] + [{"text": f"  {TEXTS[0]}\n"}, {"text": "Yes."}, {"other": 1}]
    found = read(jsonl(tmp_path / "a.jsonl", rows))
    assert every(found) == TEXTS
    account = found.account
    assert (account.rows, account.duplicates, account.near_empty, account.unread) == (15, 1, 1, 1)
    assert account.fields == {"text": 14}


def test_no_document_is_in_both_parts_however_often_it_comes(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": text} for text in TEXTS * 4])
    found = read(path)
    assert not set(map(str, found.calibration)) & set(map(str, found.evaluation))
    assert found.account.duplicates == 36


def test_headings_of_running_text_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(part for text in TEXTS for part in ("* * *", text)))
    assert every(read(path)).count("* * *") == 12


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    jsonl(tmp_path / "b.jsonl", [{"text": text} for text in TEXTS[6:]])
    (tmp_path / "a").mkdir()
    jsonl(
        tmp_path / "a" / "a.jsonl", [{"messages": [{"role": "user", "content": text}]} for text in TEXTS[:6]]
    )
    assert every(read(tmp_path)) == TEXTS


def test_texts_of_a_folder_are_not_cut_apart(tmp_path: Path) -> None:
    for n, text in enumerate(TEXTS):
        (tmp_path / f"{n:02}.txt").write_text(f"{text}\n\nAnd a second paragraph of number {n}.")
    assert len(every(read(tmp_path))) == 12


def test_more_than_is_needed_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_ROWS", 5)
    found = read(jsonl(tmp_path / "a.jsonl", [{"text": text} for text in TEXTS]))
    assert (every(found), found.account.cut) == (TEXTS[:5], True)
    monkeypatch.setattr(files, "MOST_CHARACTERS", 300)
    for name in ("a.jsonl", "a.csv", "a.txt"):
        WRITERS[name](tmp_path / name)
        assert 2 <= len(every(read(tmp_path / name))) <= 5
    WRITERS["a.json"](tmp_path / "a.json")
    with pytest.raises(PruningError, match="Save it as JSONL"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"  \n\n ", "is empty"),
        ("a.txt", b"\xff\xfe\xfa", "UTF-8"),
        ("a.txt", b"One line only, so that nothing can be kept apart.", "empty line between"),
        ("a.txt.gz", b"no gzip", "cannot be read"),
        ("a.txt.gz", gzip.compress(b"cut short " * 900, mtime=0)[:-20], "cannot be read"),
        ("a.jsonl", b"{broken", "Line 1"),
        ("a.jsonl", b'{"text": "a text of a good length"}\n[1', "Line 2"),
        ("a.jsonl", b"[" * 100_000, "nested too deep|not JSON"),
        ("a.jsonl", b"9" * 5000, "cannot be read as JSON"),
        ("a.jsonl", b'{"words": 1, "n": 2}', "it has words, n.*a.jsonl#words"),
        ("a.jsonl", b"[1, 2]", "no names"),
        ("a.jsonl", b"", "holds no text"),
        ("a.jsonl", b'{"text": "Hi"}', "1 nearly empty"),
        ("a.csv", b"", "cannot be read as a table"),
        ("a.csv", b'text\n"never closed', "cannot be read as a table"),
        ("a.csv", b"," * 50_000 + b"\n" + b"," * 50_000, "50,001 columns, and at most 1,000"),
        ("a.parquet", b"no parquet", "cannot be read as parquet"),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PruningError, match=words):
        read(path)


def test_half_a_character_becomes_a_question_mark(tmp_path: Path) -> None:
    """JSON can name what no text can hold; whole ones, which take two, stay."""
    path = tmp_path / "a.jsonl"
    rows = [
        '{"text": "a half \\ud83e of a crab, somewhere"}',
        '{"text": "and all of it: \\ud83e\\udd80, here"}',
    ]
    path.write_text("\n".join(rows))
    found = read(path)
    texts = [document.text for document in (*found.calibration, *found.evaluation)]
    assert texts == ["a half ? of a crab, somewhere", "and all of it: \U0001f980, here"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/file.txt", "no data file"),
        ("./missing", "no file or folder"),
        ("~/missing/x.csv", "no data file"),
    ],
)
def test_what_is_not_there_is_not_looked_for_on_the_hub(name: str, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        read(name)


def test_the_demo_is_split_by_its_folders() -> None:
    found = read("demo")
    assert every(found) == [
        Document(text).words for part in documents.PARTS for text in documents.demo_texts(part)
    ]
