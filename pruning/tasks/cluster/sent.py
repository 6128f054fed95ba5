"""What a worker on another machine is sent of a session, and the session that it makes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pruning import __version__
from pruning.engine.calibration.factors import Statistics
from pruning.engine.evaluation.behaviour import DenseAnswers
from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from pruning.model_files.checkpoint import read_folder
from pruning.planning.recipe.plan import Group
from pruning.tasks.context.session import Made, SentText, Session
from pruning.workspace.store import Store


@dataclass(frozen=True)
class SentModel:
    """Which model a worker loads from its own disk or hub, and the fingerprint it must find."""

    reference: str
    dtype: str
    trust_remote_code: bool
    allow_pickle: bool
    computed: str
    version: str = __version__


@dataclass(frozen=True)
class SentWork:
    """All that a worker needs for the pieces of one task; weights are not sent.

    `statistics`, `gradients` and `answers` are what the asking session has made of its text.
    """

    model: SentModel
    begin: Callable[..., Callable[[Any], Any]]
    common: Sequence[Any]
    data: str
    text: SentText
    statistics: Statistics | None
    gradients: dict[Group, torch.Tensor] | None
    answers: DenseAnswers | None


def sent_work(
    session: Session, begin: Callable[..., Callable[[Any], Any]], common: Sequence[Any]
) -> SentWork:
    """What workers are sent to do pieces of a task for this session."""
    loaded, windows, made = session.loaded, session.windows, session.made
    path = Path(loaded.reference).expanduser()
    model = SentModel(
        str(path.resolve()) if loaded.reference != "demo" and path.exists() else loaded.reference,
        loaded.dtype,
        loaded.model.is_remote_code(),
        loaded.path is not None and read_folder(Path(loaded.path)).pickled,
        loaded.computed,
    )
    statistics = made.statistics
    if statistics is not None and statistics.identity.data_fingerprint != windows.fingerprint:
        statistics = None
    sums = made.gradients[1] if made.gradients and made.gradients[0] == windows.fingerprint else None
    text = SentText(windows, session.fitting_windows)
    return SentWork(model, begin, common, session.data, text, statistics, sums, made.answers)


def loaded_for(model: SentModel, device: str) -> Loaded:
    """The model as this machine has it. Raises PruningError where it has none, or another."""
    if model.version != __version__:
        raise PruningError(
            f"it has Prunescope {__version__}, and the asking machine {model.version}. Install the same."
        )
    try:
        loaded = load(model.reference, model.dtype, device, model.trust_remote_code, model.allow_pickle)
    except PruningError as error:
        raise PruningError(f"it cannot load {model.reference}: {error}") from None
    if loaded.computed != model.computed:
        raise PruningError(
            f"its {model.reference} is another model: {loaded.computed}, where the asking machine has "
            f"{model.computed}. Copy the same files to every machine."
        )
    return loaded


def session_for(work: SentWork, loaded: Loaded, store: Store) -> Session:
    """The worker's own session, on the text that was sent; `store` is not the asking machine's workspace."""
    made = Made(sent=work.text, answers=work.answers)
    made.statistics = moved(work.statistics, loaded.device)
    if work.gradients is not None:
        made.gradients = work.text.windows.fingerprint, moved(work.gradients, loaded.device)
    return Session(loaded, store, work.data, made=made)


def moved(value: Any, device: str, known: dict[int, Any] | None = None) -> Any:
    """The same with all tensors in it on a device; what is shared stays shared."""
    known = {} if known is None else known
    if id(value) not in known:
        if isinstance(value, torch.Tensor):
            known[id(value)] = value.to(device)
        elif isinstance(value, dict):
            known[id(value)] = {key: moved(part, device, known) for key, part in value.items()}
        elif is_dataclass(value) and not isinstance(value, type):
            parts = {field.name: moved(getattr(value, field.name), device, known) for field in fields(value)}
            known[id(value)] = replace(value, **parts)
        else:
            return value
    return known[id(value)]
