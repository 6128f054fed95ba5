"""Looking at a text before anything is worked out on it."""

from typing import Any

from pruning.data_files.source import stamp_of
from pruning.engine.calibration.preview import preview
from pruning.tasks.context.session import Session
from pruning.workspace import results


def text(session: Session) -> dict[str, Any]:
    """What is read of the text, what is left out of it and why, and samples as the model will read them."""
    heard = session.stage("text", "Reading the text")
    stamp = stamp_of(session.data)
    seen, windows = preview(session.loaded.tokenizer, session.data, heard)
    results.put_text(session.store, session.subject_of(windows), stamp)
    value = {**seen, "data_fingerprint": windows.fingerprint}
    session.store.put("text_preview", session.key, value)
    return value
