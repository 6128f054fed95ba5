"""Text as token windows, split into calibration and evaluation, and multiple-choice probes."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pruning.errors import PruningError
from pruning.resources import asset
from pruning.wording import counted

WINDOW = 256
CALIBRATION_TOKENS = 4096
EVALUATION_TOKENS = 4096
HUB_NAMES = {"wikitext": ("Salesforce/wikitext", "wikitext-2-raw-v1")}


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
        `demo`, a .txt, .jsonl or .parquet file, `wikitext`, or a hub dataset (`owner/name` or
        `owner/name:configuration`).
    length
        Tokens of a window, the leading token included.
    calibration_tokens, evaluation_tokens
        At most about so many tokens in each split.

    Raises
    ------
    PruningError
        The text cannot be read or is too short for one window.
    """
    calibration, evaluation = read_documents(data)
    return Windows(
        name=data,
        calibration=_windows(tokenizer, calibration, length, calibration_tokens, data, "calibration"),
        evaluation=_windows(tokenizer, evaluation, length, evaluation_tokens, data, "evaluation"),
    )


def read_documents(data: str) -> tuple[list[str], list[str]]:
    """The documents of `data` for calibration and for evaluation; no document is in both."""
    if data == "demo":
        return _demo_split("calibration"), _demo_split("evaluation")
    path = Path(data).expanduser()
    if path.is_file():
        return _split(_read_file(path), data)
    if path.suffix in {".txt", ".jsonl", ".parquet"}:
        raise PruningError(f"There is no data file at {data}. Check the path.")
    return _from_hub(data)


def load_probes() -> list[Probe]:
    """The questions written for this project, in five capabilities."""
    lines = asset("probes.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return [Probe(row["capability"], row["question"], tuple(row["choices"]), row["answer"]) for row in rows]


def domain_windows(tokenizer: Any, domain: str, split: str, length: int, tokens: int) -> torch.Tensor:
    """Windows [n, length] of one domain of the demo text, such as `code`, from its part `split`."""
    return _windows(tokenizer, _demo_split(split, domain), length, tokens, f"the {domain} text", split)


def _demo_split(split: str, domain: str = "") -> list[str]:
    folder = asset("corpus") / split
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"{domain}*.txt"))]


def _read_file(path: Path) -> list[str]:
    try:
        if path.suffix == ".parquet":
            return _parquet_texts(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PruningError(
            f"{path} cannot be read as UTF-8 text: {error}. Save it as UTF-8 and try again."
        ) from None
    if path.suffix == ".jsonl":
        return _jsonl_texts(path, text)
    if not text.strip():
        raise PruningError(f"{path} is empty. Give a file with text in it.")
    return [part for part in text.split("\n\n") if part.strip()]


def _jsonl_texts(path: Path, text: str) -> list[str]:
    texts = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise PruningError(f"Line {number} of {path} is not JSON: {error.msg}.") from None
        value = row.get("text") if isinstance(row, dict) else row
        if not isinstance(value, str):
            raise PruningError(f'Line {number} of {path} has no "text" field with a string in it.')
        texts.append(value)
    return texts


def _parquet_texts(path: Path) -> list[str]:
    import pandas

    try:
        frame = pandas.read_parquet(path)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise PruningError(f"{path} cannot be read as parquet: {error}") from None
    if "text" not in frame.columns:
        raise PruningError(f'{path} has no "text" column; it has {", ".join(map(str, frame.columns))}.')
    return [value for value in frame["text"].tolist() if isinstance(value, str)]


def _split(documents: list[str], data: str) -> tuple[list[str], list[str]]:
    """First half of the documents to calibrate, second half to evaluate: neighbours stay together."""
    documents = [text for text in documents if text.strip()]
    if not documents:
        raise PruningError(f"{data} holds no text. Give a file with text in it.")
    if len(documents) == 1:
        middle = documents[0].rfind(" ", 0, len(documents[0]) // 2 + 1)
        return [documents[0][:middle]], [documents[0][middle:]]
    total, half, cut = sum(map(len, documents)), 0, 0
    while half < total / 2 and cut < len(documents) - 1:
        half += len(documents[cut])
        cut += 1
    return documents[:cut], documents[cut:]


def _from_hub(data: str) -> tuple[list[str], list[str]]:
    import datasets

    name, _, configuration = data.partition(":")
    name, configuration = HUB_NAMES.get(name, (name, configuration))
    try:
        splits = datasets.load_dataset(name, configuration or None)
    except Exception as error:  # the library raises its own, requests' and fsspec's errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PruningError(
            f"The dataset {name} could not be loaded ({reason}). Check the name and the connection, "
            "or give a text, JSONL or parquet file."
        ) from None
    texts = {key: _column(split, name) for key, split in splits.items()}
    if "train" in texts and "test" in texts:
        return texts["train"], texts["test"]
    return _split(next(iter(texts.values())), data)


def _column(split: Any, name: str) -> list[str]:
    if "text" not in split.column_names:
        raise PruningError(
            f'The dataset {name} has no "text" column; it has {", ".join(split.column_names)}.'
        )
    # 20,000 rows are far more than the windows need, and keep a huge dataset from being tokenized whole.
    rows: Iterable[Any] = split.select(range(min(len(split), 20_000)))["text"]
    return [text for text in rows if isinstance(text, str) and text.strip()]


def _windows(
    tokenizer: Any, documents: Sequence[str], length: int, tokens: int, data: str, split: str
) -> torch.Tensor:
    encoded = tokenizer(list(documents), add_special_tokens=False)["input_ids"]
    between = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    stream = [token for ids in encoded for token in [*ids, *between]]
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
