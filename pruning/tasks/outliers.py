"""The task that counts outliers in each layer: what OWL, a rival of the solver, goes by."""

from typing import Any

from pruning.engine.models.load import Loaded
from pruning.progress import Progress
from pruning.tasks.context.context import same_text, windows_of
from pruning.tasks.optimize import outliers_of
from pruning.workspace.store import Store


def outliers(loaded: Loaded, store: Store, progress: Progress, data: str = "demo") -> dict[str, Any]:
    """The share of outliers of each layer on the calibration text, kept for this model and text.

    `shares` are in the order of `layers`. See `pruning.engine.sensitivity.outliers`.
    """
    key = {**same_text(loaded, data), "data_fingerprint": windows_of(loaded, data).fingerprint}
    found = store.get("outliers", key)
    if found is None:
        shares = outliers_of(loaded, store, progress, data)
        found = {"layers": list(shares), "shares": list(shares.values()), **key}
        store.put("outliers", key, found)
    return found
