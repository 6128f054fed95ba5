"""What several tasks need before they start, kept with the model so that it is made once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, head_of, run
from pruning.engine.calibration import fisher as statistics
from pruning.engine.calibration import fisher_io as statistics_file
from pruning.engine.calibration import gradients
from pruning.engine.calibration.data import Windows, load_windows
from pruning.engine.calibration.fisher import Statistics, StatisticsIdentity
from pruning.engine.criteria import Criterion
from pruning.engine.evaluation.metrics import Quality, compare
from pruning.engine.masking.masks import CriterionInputs, criterion_inputs
from pruning.engine.models.load import Loaded
from pruning.planning.recipe.plan import UNIT_KINDS, Group, Plan, format_settings, parse_settings
from pruning.progress import Progress
from pruning.workspace.store import Store

# A refit has as many unknowns in each row as inputs stay; with few tokens it learns them by heart.
FITTING_TOKENS = 16384


@dataclass(frozen=True)
class Reference:
    """The dense model on one text: `hidden` [n, length, hidden] on the evaluation windows, its quality."""

    windows: Windows
    head: Head
    hidden: torch.Tensor
    quality: Quality


@dataclass
class _Kept:
    """The latest of each for one model; another text takes the place of the one before."""

    windows: Windows | None = None
    stamp: tuple[int, int] | None = None
    reference: Reference | None = None
    statistics: Statistics | None = None
    gradients: tuple[str, dict[Group, torch.Tensor]] | None = None


_KEPT: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()


def windows_of(loaded: Loaded, data: str) -> Windows:
    """The text `data` in the model's tokens."""
    kept = _KEPT.setdefault(loaded.model, _Kept())
    stamp = _stamp(data)
    if kept.windows is None or kept.windows.name != data or kept.stamp != stamp:
        kept.windows, kept.stamp = load_windows(loaded.tokenizer, data), stamp
    return kept.windows


def fitting_windows(loaded: Loaded, data: str) -> torch.Tensor:
    """More of the calibration text [n, length] than statistics need: what weights are fitted to."""
    return load_windows(loaded.tokenizer, data, calibration_tokens=FITTING_TOKENS).calibration


def _stamp(data: str) -> tuple[int, int] | None:
    """When a file was last written, and its size: it may change under the same name."""
    path = Path(data).expanduser()
    if not path.is_file():
        return None
    about = path.stat()
    return about.st_mtime_ns, about.st_size


def reference_of(loaded: Loaded, data: str, progress: Progress) -> Reference:
    """The dense model's hidden states and quality on the evaluation part of `data`."""
    windows = windows_of(loaded, data)
    kept = _KEPT[loaded.model]
    if kept.reference is None or kept.reference.windows.fingerprint != windows.fingerprint:
        progress(0, 1, "Running the dense model")
        head = head_of(loaded.model)
        hidden = run(loaded.model, windows.evaluation)
        kept.reference = Reference(windows, head, hidden, compare(head, hidden, hidden, windows.evaluation))
    return kept.reference


def statistics_of(loaded: Loaded, store: Store, data: str, progress: Progress) -> tuple[Statistics, bool]:
    """The Fisher statistics of `data`, and whether they had to be collected now.

    Looked for with the model, then in the workspace; what is collected is written there.
    """
    windows = windows_of(loaded, data)
    kept = _KEPT[loaded.model]
    if kept.statistics is not None and kept.statistics.identity.data_fingerprint == windows.fingerprint:
        return kept.statistics, False
    names = {"fingerprint": loaded.fingerprint, "data_fingerprint": windows.fingerprint}
    path = store.file("statistics", names, ".safetensors")
    if path.exists():
        kept.statistics = statistics_file.load(path, loaded.device)
        return kept.statistics, False
    model, groups = loaded.model, loaded.groups
    identity = StatisticsIdentity(loaded.fingerprint, windows.fingerprint)
    kept.statistics = statistics.collect(model, groups, windows.calibration, identity, progress)
    statistics_file.save(kept.statistics, path)
    return kept.statistics, True


def gradients_of(loaded: Loaded, store: Store, data: str, progress: Progress) -> dict[Group, torch.Tensor]:
    """Σ |∂L/∂w| of every group on the calibration part of `data`.

    Looked for with the model, then in the workspace; what is collected is written there.
    """
    windows = windows_of(loaded, data)
    kept = _KEPT[loaded.model]
    if kept.gradients is not None and kept.gradients[0] == windows.fingerprint:
        return kept.gradients[1]
    names = {"fingerprint": loaded.fingerprint, "data_fingerprint": windows.fingerprint}
    path = store.file("gradients", names, ".safetensors")
    if path.exists():
        found = gradients.load(path, loaded.device)
    else:
        found = gradients.collect(loaded.model, loaded.groups, windows.calibration, progress)
        gradients.save(found, path)
    kept.gradients = windows.fingerprint, found
    return found


def inputs_for(
    loaded: Loaded, store: Store, data: str, criterion: Criterion, progress: Progress
) -> CriterionInputs:
    """What the criterion asks for, by group; collected now where it is not there yet."""
    asks = {"inputs", "outputs"} & set(criterion.needs)
    return criterion_inputs(
        statistics_of(loaded, store, data, progress)[0] if asks else None,
        gradients_of(loaded, store, data, progress) if "gradients" in criterion.needs else None,
    )


def groups_of(loaded: Loaded, structure: str = "unstructured") -> list[Group]:
    """What plans have levels for: the model's groups, or where units go whole those of each layer."""
    if structure in UNIT_KINDS:
        return [(layer, structure) for layer in sorted({group.layer for group in loaded.groups})]
    return [(group.layer, group.kind) for group in loaded.groups]


def normal(loaded: Loaded, settings: list[str], structure: str = "unstructured") -> tuple[Plan, list[str]]:
    """The plan of `settings`, and its one shortest spelling. Raises PruningError for what cannot be read."""
    groups = groups_of(loaded, structure)
    plan = parse_settings(settings, groups)
    return plan, format_settings(plan, groups)


def same_text(loaded: Loaded, data: str) -> dict[str, Any]:
    """The part of a result's key that says which model and which text it is about."""
    return {"fingerprint": loaded.fingerprint, "data": data}
