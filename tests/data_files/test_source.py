"""Names of texts: files, columns, shares, mixtures, and what cannot be one."""

import os
from pathlib import Path

import pytest

from pruning.data_files.source import Source, files_of, sources_of, stamp_of, suffix_of
from pruning.errors import PruningError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo", [Source("demo")]),
        ("wikitext", [Source("wikitext")]),
        ("owner/name:20231101.en", [Source("owner/name:20231101.en")]),
        ("owner/name:en:2", [Source("owner/name:en")]),
        ("table.csv#title+body", [Source("table.csv", ("title", "body"))]),
        ("table.csv#title:3,demo:1", [Source("table.csv", ("title",), 0.75), Source("demo", (), 0.25)]),
        ("a.txt:0.5,b.jsonl:0.5", [Source("a.txt", (), 0.5), Source("b.jsonl", (), 0.5)]),
        ("a.txt, b.jsonl", [Source("a.txt", (), 0.5), Source("b.jsonl", (), 0.5)]),
    ],
)
def test_what_a_name_stands_for(name: str, expected: list[Source]) -> None:
    assert list(sources_of(name)) == expected


def test_a_file_that_is_there_is_that_file_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a,b.txt", "half:0.5", "notes#one"):
        path = tmp_path / name
        path.write_text("words")
        assert sources_of(str(path)) == (Source(str(path)),)
        if "," not in name:
            assert sources_of(f"{path}:1,demo:3") == (Source(str(path), (), 0.25), Source("demo", (), 0.75))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "empty name"),
        ("a.txt,,b.txt", "empty name"),
        ("a.txt:0,b.txt:1", "above 0"),
        ("a.txt:-1", "above 0"),
        ("a.txt:nan", "above 0"),
        ("a.txt:inf,b.txt:1", "above 0"),
        ("a.txt:0.5,b.txt", "b.txt has no share"),
        ("a.txt,a.txt", "named twice"),
        ("a.csv#", "names no columns"),
        ("a.csv#+", "names no columns"),
        ("#text", "names no columns"),
    ],
)
def test_what_is_no_text_is_said(name: str, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        sources_of(name)


def test_files_of_a_folder_are_those_that_can_be_read(tmp_path: Path) -> None:
    for name in ("b.txt", "sub/a.jsonl.gz", "picture.png", ".hidden/c.txt", ".d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = [path.relative_to(tmp_path).as_posix() for path in files_of(str(tmp_path))]
    assert found == ["b.txt", "sub/a.jsonl.gz"]
    assert files_of(str(tmp_path / "missing")) == []


def test_a_folder_that_goes_while_it_is_listed_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "going").mkdir()
    (tmp_path / "here.txt").write_text("x")
    listed = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "going":
            Path(path).rmdir()
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert files_of(str(tmp_path)) == [tmp_path / "here.txt"]


def test_a_folder_of_too_many_files_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pruning.data_files.source.MOST_FILES", 2)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("x")
    with pytest.raises(PruningError, match="more than 2 files"):
        files_of(str(tmp_path))
    assert stamp_of(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.JSONL", ".jsonl"), ("a.csv.gz", ".csv"), ("a.gz", ""), ("a", "")]
)
def test_the_kind_of_a_file(name: str, suffix: str) -> None:
    assert suffix_of(Path(name)) == suffix


def test_the_stamp_of_a_text_changes_with_any_of_its_files(tmp_path: Path) -> None:
    one, two = tmp_path / "a.txt", tmp_path / "b.txt"
    one.write_text("one")
    assert stamp_of(str(one)) == (one.stat().st_mtime_ns, 3)
    two.write_text("three")
    both = f"{one}:1,{two}:2"
    before, folder = stamp_of(both), stamp_of(str(tmp_path))
    assert before == folder
    os.utime(two, ns=(1, one.stat().st_mtime_ns + 5))
    assert stamp_of(both) != before
    assert stamp_of(str(tmp_path)) != folder
    assert stamp_of("demo") is None
    assert stamp_of("a:0,b") is None
