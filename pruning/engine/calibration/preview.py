"""What a text looks like to the model, before anything is worked out on it."""

from collections.abc import Sequence
from typing import Any

from pruning.data_files.documents import Documents, read_source
from pruning.data_files.source import sources_of
from pruning.engine.calibration.chat import has_template, rendered
from pruning.engine.calibration.data import Windows, windows_of
from pruning.progress import Progress, silent

SAMPLES, SHOWN = 3, 800


def preview(tokenizer: Any, data: str, progress: Progress = silent) -> tuple[dict[str, Any], Windows]:
    """What is read of each source, what was left out and why, and samples as the model will read them.

    Parameters
    ----------
    tokenizer
        The model's tokenizer.
    data
        The text's name; see `pruning.data_files.source`.
    progress
        Hears when the text was read.

    Returns
    -------
    `sources`, a row each; `samples`, each with its source and at most SHOWN characters; the tokens of both
    parts' windows; and the windows.

    Raises
    ------
    PruningError
        The text cannot be read or is too short for one window.
    """
    texts = [read_source(source) for source in sources_of(data)]
    windows = windows_of(tokenizer, texts, data)
    progress(1, 2, "Counting its tokens")
    written = [
        (rendered(tokenizer, text.calibration), rendered(tokenizer, text.evaluation)) for text in texts
    ]
    return {
        "sources": [_source(tokenizer, *pair) for pair in zip(texts, written, strict=True)],
        "samples": _samples([(text.source.name, own) for text, (own, _) in zip(texts, written, strict=True)]),
        "chat_template": has_template(tokenizer),
        "calibration_tokens": windows.calibration.numel(),
        "evaluation_tokens": windows.evaluation.numel(),
    }, windows


def _source(tokenizer: Any, text: Documents, written: tuple[list[str], list[str]]) -> dict[str, Any]:
    account = text.account
    documents = [*text.calibration, *text.evaluation]
    tokens = [sum(map(len, tokenizer(part, add_special_tokens=False)["input_ids"])) for part in written]
    return {
        "name": text.source.name,
        "share": text.source.share,
        "rows": account.rows,
        "duplicates": account.duplicates,
        "near_empty": account.near_empty,
        "unread": account.unread,
        "refused": len(documents) - sum(map(len, written)),
        "cut": account.cut,
        "fields": account.fields,
        "conversations": sum(bool(document.turns) for document in documents),
        "calibration_documents": len(written[0]),
        "evaluation_documents": len(written[1]),
        "calibration_tokens": tokens[0],
        "evaluation_tokens": tokens[1],
    }


def _samples(texts: Sequence[tuple[str, Sequence[str]]]) -> list[dict[str, Any]]:
    """The first, the middle and the last text of a source, or of several those that come first."""
    samples = []
    for index, (name, documents) in enumerate(texts):
        many = SAMPLES // len(texts) + (index < SAMPLES % len(texts))
        places = [round(step * (len(documents) - 1) / max(1, many - 1)) for step in range(many)]
        for place in dict.fromkeys(places):
            text = documents[place]
            samples.append({"source": name, "text": text[:SHOWN], "cut": len(text) > SHOWN})
    return samples
