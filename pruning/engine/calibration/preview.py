"""What a text looks like to the model, before anything is worked out on it."""

from collections.abc import Sequence
from typing import Any

from pruning.data_files.documents import Documents, read_source
from pruning.data_files.source import sources_of
from pruning.engine.calibration.chat import has_template
from pruning.engine.calibration.data import Windows, Written, windows_of, written
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
    documents = [read_source(source) for source in sources_of(data)]
    texts = [written(tokenizer, read) for read in documents]
    windows = windows_of(tokenizer, texts, data)
    progress(1, 2, "Counting its tokens")
    return {
        "sources": [_source(tokenizer, *pair) for pair in zip(documents, texts, strict=True)],
        "samples": _samples(texts),
        "chat_template": has_template(tokenizer),
        "calibration_tokens": windows.calibration.numel(),
        "evaluation_tokens": windows.evaluation.numel(),
    }, windows


def _source(tokenizer: Any, read: Documents, text: Written) -> dict[str, Any]:
    account, documents = read.account, [*read.calibration, *read.evaluation]
    parts = (text.calibration, text.evaluation)
    tokens = [sum(map(len, tokenizer(part, add_special_tokens=False)["input_ids"])) for part in parts]
    return {
        "name": text.source.name,
        "share": text.source.share,
        "rows": account.rows,
        "duplicates": account.duplicates,
        "near_empty": account.near_empty,
        "unread": account.unread,
        "refused": len(documents) - sum(map(len, parts)),
        "cut": account.cut,
        "fields": account.fields,
        "conversations": sum(bool(document.turns) for document in documents),
        "calibration_documents": len(text.calibration),
        "evaluation_documents": len(text.evaluation),
        "calibration_tokens": tokens[0],
        "evaluation_tokens": tokens[1],
    }


def _samples(texts: Sequence[Written]) -> list[dict[str, Any]]:
    """The first, the middle and the last text of a source, or of several those that come first."""
    samples = []
    for index, text in enumerate(texts):
        documents = text.calibration
        many = SAMPLES // len(texts) + (index < SAMPLES % len(texts))
        places = [round(step * (len(documents) - 1) / max(1, many - 1)) for step in range(many)]
        for place in dict.fromkeys(places):
            sample = documents[place]
            samples.append({"source": text.source.name, "text": sample[:SHOWN], "cut": len(sample) > SHOWN})
    return samples
