"""Text and questions: enough of them, split by document, and every bad file explained."""

import json
from collections import Counter
from pathlib import Path

import pytest

from pruning.engine.calibration import data
from pruning.errors import PruningError
from tests.support.tiny import tiny_folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_folder(tmp_path_factory.mktemp("tokens") / "llama"))


def test_demo_text_is_as_large_and_varied_as_promised() -> None:
    calibration, evaluation = data.read_documents("demo")
    assert sum(len(text.split()) for text in calibration + evaluation) >= 12_000
    assert not set(calibration) & set(evaluation)
    for split in ("calibration", "evaluation"):
        names = [path.name for path in (data.asset("corpus") / split).glob("*.txt")]
        domains = {name.split("-")[0] for name in names}
        assert {"encyclopedia", "story", "dialogue", "howto", "code", "reasoning"} <= domains


def test_questions_are_many_distinct_and_fair() -> None:
    probes = data.load_probes()
    assert len(probes) >= 200
    assert len({probe.question for probe in probes}) == len(probes)
    counts = Counter(probe.capability for probe in probes)
    assert len(counts) >= 5
    assert min(counts.values()) >= 40
    assert {"facts", "grammar", "common_sense", "arithmetic", "reading"} <= set(counts)
    for probe in probes:
        assert len(set(probe.choices)) == 4
        assert 0 <= probe.answer < 4
    places = Counter(probe.answer for probe in probes)
    assert max(places.values()) < 0.3 * len(probes)


def test_windows_are_full_and_repeatable(tokenizer: object) -> None:
    one, two = (data.load_windows(tokenizer, length=64, calibration_tokens=1024) for _ in range(2))
    assert one.calibration.shape == (16, 64)
    assert one.evaluation.shape[1] == 64
    assert one.fingerprint == two.fingerprint
    other = data.load_windows(tokenizer, length=32, calibration_tokens=1024)
    assert other.fingerprint != one.fingerprint


@pytest.mark.parametrize("suffix", ["txt", "jsonl", "parquet"])
def test_files_are_read_and_split(tokenizer: object, tmp_path: Path, suffix: str) -> None:
    texts = [
        f"Paragraph {n} speaks of the number {n} at some length, and then it stops. " * 8 for n in range(12)
    ]
    path = tmp_path / f"text.{suffix}"
    if suffix == "txt":
        path.write_text("\n\n".join(texts))
    elif suffix == "jsonl":
        path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    else:
        import pandas

        pandas.DataFrame({"text": texts}).to_parquet(path)
    calibration, evaluation = data.read_documents(str(path))
    assert [text.strip() for text in calibration + evaluation] == [text.strip() for text in texts]
    assert calibration
    assert evaluation
    assert data.load_windows(tokenizer, str(path), length=32).calibration.shape[1] == 32


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b"  \n\n ", "empty"),
        ("a.txt", b"\xff\xfe\xfa", "UTF-8"),
        ("a.txt", b"too short", "less than one window"),
        ("a.jsonl", b"{broken", "Line 1"),
        ("a.jsonl", b'{"words": 1}', '"text"'),
        ("a.jsonl", b"", "holds no text"),
        ("a.parquet", b"no parquet", "cannot be read as parquet"),
    ],
)
def test_bad_files_are_explained(
    tokenizer: object, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PruningError, match=words):
        data.load_windows(tokenizer, str(path))


def test_a_file_that_is_not_there_is_not_looked_for_on_the_hub(tokenizer: object) -> None:
    with pytest.raises(PruningError, match="no data file"):
        data.load_windows(tokenizer, "missing/file.txt")


def test_a_hub_that_cannot_be_reached_is_explained(
    tokenizer: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(PruningError, match=r"wikitext.*could not be loaded"):
        data.load_windows(tokenizer, "wikitext")
