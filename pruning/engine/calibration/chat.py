"""Documents as the model reads them: conversations go through its own chat template."""

from collections.abc import Sequence
from typing import Any

from pruning.data_files.fields import Document
from pruning.errors import PruningError


def rendered(tokenizer: Any, documents: Sequence[Document]) -> list[str]:
    """The texts of documents; conversations that the chat template refuses are left out.

    Parameters
    ----------
    tokenizer
        The model's tokenizer. Where it has no chat template a turn is written as "role: content".
    documents
        Texts and conversations.

    Raises
    ------
    PruningError
        The chat template refuses every one of them.
    """
    texts, reason = [], ""
    for document in documents:
        try:
            texts.append(_text(tokenizer, document))
        except Exception as error:  # a template raises whatever it likes
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if documents and not texts:
        raise PruningError(
            f"The model's chat template refuses every one of {len(documents):,} conversations: {reason}. "
            "Change the roles in the data, or name a column that is text."
        )
    return texts


def _text(tokenizer: Any, document: Document) -> str:
    if not document.turns:
        return document.text
    if not has_template(tokenizer):
        return "\n".join(f"{turn['role']}: {turn['content']}" for turn in document.turns)
    turns = [dict(turn) for turn in document.turns]
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


def has_template(tokenizer: Any) -> bool:
    """Whether the model says how a conversation is written."""
    return bool(getattr(tokenizer, "chat_template", None))
