"""Text on capabilities: answers are marked, every second question is in it, and none is cut."""

from typing import Any

import pytest
import torch

from pruning.engine.calibration.capability_text import (
    CODE,
    CODE_TOKENS,
    LENGTH,
    capability_texts,
    scored_text,
)
from pruning.engine.calibration.data import Probe, domain_windows, load_probes
from pruning.errors import PruningError
from tests.support.tiny import tiny_tokenizer

PROBES = [
    Probe("facts", f"The {word} of Italy is", (" Oslo", " Rome", " Bonn"), 1)
    for word in ("capital", "heart", "largest town", "seat")
]


def test_the_marks_stand_before_the_tokens_of_right_answers() -> None:
    tokenizer = tiny_tokenizer()
    made = scored_text(tokenizer, PROBES, "facts", rounds=3, length=64)
    assert made.windows.shape == made.scored.shape
    assert made.windows.shape[1] == 64
    assert not made.scored[:, -1].any(), "the last position has no next token"
    answer = tokenizer(" Rome", add_special_tokens=False)["input_ids"]
    answers = 0
    for window, marks in zip(made.windows.tolist(), made.scored.tolist(), strict=True):
        assert any(marks)
        marked = [window[place + 1] for place, mark in enumerate(marks) if mark]
        assert marked == answer * (len(marked) // len(answer))
        answers += len(marked) // len(answer)
    assert answers >= 3 * len(PROBES)
    assert " Oslo" not in tokenizer.decode(made.windows.flatten())


def test_every_window_begins_as_the_tokenizer_begins_a_text() -> None:
    tokenizer = tiny_tokenizer()
    plain = scored_text(tokenizer, PROBES, "facts", length=64)
    assert (plain.windows[:, 0] != tokenizer.bos_token_id).all()

    class Begins:
        bos_token_id = 1

        def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, Any]:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            return {"input_ids": [1, *ids] if add_special_tokens else ids}

    begun = scored_text(Begins(), PROBES, "facts", length=64)
    assert (begun.windows[:, 0] == 1).all()
    assert (begun.windows[:, 1:] != 1).all()


def test_every_second_question_and_the_calibration_code_are_in_the_text() -> None:
    tokenizer = tiny_tokenizer()
    texts = capability_texts(tokenizer)
    assert list(texts) == ["facts", "grammar", "common_sense", "arithmetic", "reading", CODE]
    for text in texts.values():
        assert len(text.windows) >= 2
        assert text.scored[0::2].any()
        assert text.scored[1::2].any()
    arithmetic = [probe for probe in load_probes() if probe.capability == "arithmetic"]
    asked = tokenizer.decode(texts["arithmetic"].windows.flatten())
    for number, probe in enumerate(arithmetic):
        line = f"{probe.question}{probe.choices[probe.answer]}\n"
        assert (line in asked) == (number % 2 == 0), line
    code = texts[CODE].windows
    calibration, evaluation = (
        domain_windows(tokenizer, CODE, split, LENGTH, CODE_TOKENS) for split in ("calibration", "evaluation")
    )
    assert torch.equal(code, calibration)
    assert not {tuple(row.tolist()) for row in code} & {tuple(row.tolist()) for row in evaluation}


def test_a_question_that_is_too_long_is_left_out_and_none_is_explained() -> None:
    tokenizer = tiny_tokenizer()
    long = Probe("facts", "The wall of the boats " * 20 + "is", (" Rome",), 0)
    made = scored_text(tokenizer, [*PROBES, long], "facts", length=64)
    assert "wall" not in tokenizer.decode(made.windows.flatten())
    with pytest.raises(PruningError, match="No question about common sense fits"):
        scored_text(tokenizer, [long], "common_sense", length=64)
