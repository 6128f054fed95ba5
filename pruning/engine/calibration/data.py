"""Text as token windows, split into calibration and evaluation, and multiple-choice probes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pruning.data_files.documents import Documents, demo_texts, read_source
from pruning.data_files.source import Source, sources_of
from pruning.engine.calibration.chat import rendered
from pruning.errors import PruningError
from pruning.resources import asset
from pruning.wording import counted

WINDOW = 256
CALIBRATION_TOKENS = 4096
EVALUATION_TOKENS = 4096


@dataclass(frozen=True)
class Windows:
    """Token windows [n, length] for calibration and, from other documents, for evaluation."""

    name: str
    calibration: torch.Tensor
    evaluation: torch.Tensor

    @property
    def fingerprint(self) -> str:
        """Names the exact tokens of both splits."""
        digest = hashlib.blake2b(digest_size=8)
        for split in (self.calibration, self.evaluation):
            digest.update(str(tuple(split.shape)).encode())
            digest.update(split.contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Probe:
    """One multiple-choice question, scored by the likelihood of each choice after the question."""

    capability: str
    question: str
    choices: tuple[str, ...]
    answer: int


def load_windows(
    tokenizer: Any,
    data: str = "demo",
    length: int = WINDOW,
    calibration_tokens: int = CALIBRATION_TOKENS,
    evaluation_tokens: int = EVALUATION_TOKENS,
) -> Windows:
    """Read text and cut it into windows, spread evenly over each split.

    Parameters
    ----------
    tokenizer
        The model's tokenizer.
    data
        `demo`, a file or folder, `wikitext`, a hub data set, or several of these with their shares of the
        tokens; see `pruning.data_files.source`.
    length
        Tokens of a window, the leading token included.
    calibration_tokens, evaluation_tokens
        At most about so many tokens in each split.

    Raises
    ------
    PruningError
        The text cannot be read or is too short for one window.
    """
    texts = [written(tokenizer, read_source(source)) for source in sources_of(data)]
    return windows_of(tokenizer, texts, data, length, (calibration_tokens, evaluation_tokens))


@dataclass(frozen=True)
class Written:
    """A source's texts as the model reads them, those to calibrate with and those to evaluate with."""

    source: Source
    calibration: list[str]
    evaluation: list[str]


def written(tokenizer: Any, documents: Documents) -> Written:
    """Documents as the model reads them; see `pruning.engine.calibration.chat.rendered`."""
    parts = (rendered(tokenizer, part) for part in (documents.calibration, documents.evaluation))
    return Written(documents.source, *parts)


def windows_of(
    tokenizer: Any,
    texts: Sequence[Written],
    name: str,
    length: int = WINDOW,
    tokens: tuple[int, int] = (CALIBRATION_TOKENS, EVALUATION_TOKENS),
) -> Windows:
    """Windows of texts that were read, of each its share; `tokens` for calibration and evaluation."""
    calibration, evaluation = (
        torch.cat(
            [
                _windows(
                    tokenizer,
                    getattr(text, part),
                    length,
                    round(most * text.source.share),
                    text.source.name,
                    part,
                )
                for text in texts
            ]
        )
        for part, most in zip(("calibration", "evaluation"), tokens, strict=True)
    )
    return Windows(name, calibration, evaluation)


def load_probes() -> list[Probe]:
    """The questions written for this project, in five capabilities."""
    lines = asset("probes.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return [Probe(row["capability"], row["question"], tuple(row["choices"]), row["answer"]) for row in rows]


def domain_windows(tokenizer: Any, domain: str, split: str, length: int, tokens: int) -> torch.Tensor:
    """Windows [n, length] of one domain of the demo text, such as `code`, from its part `split`."""
    return _windows(tokenizer, demo_texts(split, domain), length, tokens, f"the {domain} text", split)


def _windows(
    tokenizer: Any, documents: Sequence[str], length: int, tokens: int, data: str, split: str
) -> torch.Tensor:
    encoded = tokenizer(list(documents), add_special_tokens=False)["input_ids"]
    end = tokenizer.eos_token_id
    # A conversation has its own end, and perhaps a line break after it.
    between = [[] if end is None or end in ids[-2:] else [end] for ids in encoded]
    stream = [token for ids, after in zip(encoded, between, strict=True) for token in [*ids, *after]]
    first = leading_token(tokenizer)
    body = length - len(first)
    available = len(stream) // body
    if available == 0:
        raise PruningError(
            f"The {split} part of {data} has {counted(len(stream), 'token')}, less than one window of "
            f"{body}. "
            "Give a longer text."
        )
    count = min(available, max(1, tokens // length))
    starts = [(index * available // count) * body for index in range(count)]
    return torch.tensor([first + stream[start : start + body] for start in starts])


def leading_token(tokenizer: Any) -> list[int]:
    """The beginning-of-text token, for tokenizers that put one before every text (Llama, Gemma)."""
    ids = tokenizer("a")["input_ids"]
    begins = tokenizer.bos_token_id is not None and ids and ids[0] == tokenizer.bos_token_id
    return [tokenizer.bos_token_id] if begins else []
