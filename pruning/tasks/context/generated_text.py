"""Windows that the dense model writes, kept part by part: what was written before a kill is written."""

import torch

from pruning.engine.calibration.generated_text import sample_windows
from pruning.progress import silent
from pruning.tasks.context.session import Session

PART = 64


def generated_windows(session: Session, windows: torch.Tensor, count: int) -> torch.Tensor:
    """The first `count` windows [count, length] that the model writes, beginning like `windows`."""
    store, parts = session.store, [windows[:0].cpu()]
    heard = session.stage("self_written", "Writing text to learn from") if count else silent
    for part in range(-(-count // PART)):
        heard(PART * part, count, f"Writing text to learn from: {PART * part} of {count} windows")
        key = {**session.text_key, "part": part}
        stored = store.get("written", key)
        if stored is None:
            stored = {"tokens": sample_windows(session.model, windows, PART, part).tolist()}
            store.put("written", key, stored)
        parts.append(torch.tensor(stored["tokens"]))
    return torch.cat(parts)[:count]
