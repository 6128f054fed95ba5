"""Text on each capability with the positions that count: what capability sensitivity is computed from.

Facts, grammar, common sense, arithmetic and reading are questions with their right answers, of which the
answers' tokens are scored; code is a domain of the demo text. Every second question is in the text; the
others are left for measurements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pruning.engine.calibration.data import Probe, domain_windows, leading_token, load_probes
from pruning.engine.calibration.fisher import SCORE_EVERY
from pruning.errors import PruningError

CODE = "code"
LENGTH = 256
CODE_TOKENS = 2048
# Each question comes up so often, every time after other ones.
ROUNDS = 6


@dataclass(frozen=True)
class ScoredText:
    """Token `windows` [n, length] on a capability; `scored` bool [n, length]: where predictions count."""

    windows: torch.Tensor
    scored: torch.Tensor


def capability_texts(tokenizer: Any, probes: Sequence[Probe] | None = None) -> dict[str, ScoredText]:
    """The calibration text of each capability.

    Parameters
    ----------
    tokenizer
        The model's tokenizer.
    probes
        The questions, by default those of `load_probes`. Of each capability the first, third, … are used.

    Returns
    -------
    By capability, in the order of the questions and code last, its text.
    """
    by_name: dict[str, list[Probe]] = {}
    for probe in load_probes() if probes is None else probes:
        by_name.setdefault(probe.capability, []).append(probe)
    texts = {name: scored_text(tokenizer, questions[0::2], name) for name, questions in by_name.items()}
    code = domain_windows(tokenizer, CODE, "calibration", LENGTH, CODE_TOKENS)
    scored = torch.zeros_like(code, dtype=torch.bool)
    scored[:, SCORE_EVERY - 1 : -1 : SCORE_EVERY] = True
    return texts | {CODE: ScoredText(code, scored)}


def scored_text(
    tokenizer: Any, probes: Sequence[Probe], name: str, rounds: int = ROUNDS, length: int = LENGTH
) -> ScoredText:
    """Windows filled with questions and their right answers, a line each, in another order every round.

    A position is scored where the next token is of an answer. A window ends with the beginning of a question
    that does not fit any more, so that there is no padding; the next window begins with it.

    Parameters
    ----------
    tokenizer
        The model's tokenizer.
    probes
        The questions; those longer than a window are left out.
    name
        The capability, for the error's sentence.
    rounds
        How often each question is asked, at least; there are two windows at least.
    length
        Tokens of a window.

    Raises
    ------
    PruningError
        No question fits into a window.
    """
    first = leading_token(tokenizer)
    lines = [
        line for line in (_line(tokenizer, probe) for probe in probes) if len(line[0]) <= length - len(first)
    ]
    if not lines:
        about = name.replace("_", " ")
        raise PruningError(f"No question about {about} fits into {length} of this model's tokens.")
    order, placed = _endless(lines), 0
    windows: list[list[int]] = []
    marks: list[list[bool]] = []
    ids, scored = next(order)
    while placed < rounds * len(lines) or len(windows) < 2:
        window, mark = list(first), [False] * len(first)
        while len(window) + len(ids) <= length:
            window, mark, placed = window + ids, mark + scored, placed + 1
            ids, scored = next(order)
        room = length - len(window)
        windows.append(window + ids[:room])
        marks.append(mark + [False] * room)
    return ScoredText(torch.tensor(windows), torch.tensor(marks))


def _line(tokenizer: Any, probe: Probe) -> tuple[list[int], list[bool]]:
    """Tokens of a question, its right answer and a line break; True before a token of the answer."""
    question, answer, end = (
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (probe.question, probe.choices[probe.answer], "\n")
    )
    scored = [False] * (len(question) - 1) + [True] * len(answer) + [False] * (1 + len(end))
    return question + answer + end, scored


def _endless(lines: Sequence[tuple[list[int], list[bool]]]) -> Iterator[tuple[list[int], list[bool]]]:
    """All lines again and again, every round in another order; the same in every run."""
    rng = np.random.default_rng(0)
    while True:
        for index in rng.permutation(len(lines)):
            yield lines[index]
