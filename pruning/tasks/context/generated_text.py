"""Windows that the dense model writes, kept part by part: what was written before a kill is written."""

import torch

from pruning.engine.calibration.generated_text import sample_windows
from pruning.engine.models.load import Loaded
from pruning.progress import Progress
from pruning.tasks.context.context import same_text, windows_of
from pruning.workspace.store import Store

PART = 64


def generated_windows(
    loaded: Loaded, store: Store, data: str, windows: torch.Tensor, count: int, progress: Progress
) -> torch.Tensor:
    """The first `count` windows [count, length] that the model writes, beginning like those of `data`."""
    about = {**same_text(loaded, data), "data_fingerprint": windows_of(loaded, data).fingerprint}
    found = [windows[:0].cpu()]
    for part in range(-(-count // PART)):
        # It comes before the training, whose progress starts at nothing.
        progress(0, count, f"Writing text to learn from: {PART * part} of {count} windows")
        key = {**about, "part": part}
        stored = store.get("written", key)
        if stored is None:
            stored = {"tokens": sample_windows(loaded.model, windows, PART, part).tolist()}
            store.put("written", key, stored)
        found.append(torch.tensor(stored["tokens"]))
    return torch.cat(found)[:count]
