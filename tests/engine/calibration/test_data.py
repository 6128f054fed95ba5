"""Text and questions: enough of them, split by document, and every bad file explained."""

import json
from collections import Counter
from pathlib import Path

import pytest

from pruning.data_files.documents import PARTS, demo_texts
from pruning.engine.calibration import data
from pruning.errors import PruningError
from pruning.resources import asset
from tests.support.tiny import tiny_folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_folder(tmp_path_factory.mktemp("tokens") / "llama"))


def test_demo_text_is_as_large_and_varied_as_promised() -> None:
    calibration, evaluation = map(demo_texts, PARTS)
    assert sum(len(text.split()) for text in calibration + evaluation) >= 12_000
    assert not set(calibration) & set(evaluation)
    for split in ("calibration", "evaluation"):
        names = [path.name for path in (asset("corpus") / split).glob("*.txt")]
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


def test_a_mixture_has_each_text_by_its_share(tokenizer: object, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    for path, word in ((one, "alpha"), (two, "omega")):
        path.write_text("\n".join(json.dumps({"text": f"{word} {n} " * 60}) for n in range(60)))
    alone = data.load_windows(tokenizer, str(one), 32, 1024, 512)
    mixed = data.load_windows(tokenizer, f"{one}:3,{two}:1", 32, 1024, 512)
    texts = [tokenizer.decode(window) for window in mixed.calibration]  # type: ignore[attr-defined]
    assert [sum(word in text for text in texts) for word in ("alpha", "omega")] == [24, 8]
    assert mixed.evaluation.shape == (16, 32)
    assert mixed.fingerprint != alone.fingerprint


def test_a_text_that_is_too_short_is_named(tokenizer: object, tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text("too short\n\nas well")
    with pytest.raises(PruningError, match=r"part of .*short\.txt has .* less than one window"):
        data.load_windows(tokenizer, f"demo,{path}")
