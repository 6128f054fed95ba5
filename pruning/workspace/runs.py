"""What a workspace holds, as runs: everything that was made, with its note and its files."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pruning.errors import PruningError
from pruning.workspace.keys import canonical
from pruning.workspace.results import computed
from pruning.workspace.run_rows import ENDED_BADLY, Run, listed, models
from pruning.workspace.store import WAITING, Job, Store

__all__ = [
    "ENDED_BADLY",
    "Run",
    "Storage",
    "annotate",
    "delete",
    "files",
    "models",
    "runs",
    "size_of",
    "storage",
]


@dataclass(frozen=True)
class Storage:
    """Bytes of a workspace on disk."""

    database: int
    maps: int
    exports: int


def runs(store: Store) -> list[Run]:
    """Everything that was made in the workspace, and every job that failed or was cancelled, newest first."""
    notes = {_digest(row["key"]): row["value"]["text"] for row in store.find("note")}
    noted = [replace(run, note=notes.get(run.id, "")) for run in listed(store)]
    return sorted(noted, key=lambda run: run.made, reverse=True)


# ---- notes ------------------------------------------------------------------------------------------


def annotate(store: Store, run: Run, text: str) -> None:
    """Keep a note with a run; an empty one takes it away."""
    subject = _subject(run.kind, run.key)
    if text.strip():
        store.put("note", subject, {"text": text.strip()})
    else:
        store.remove("note", subject)


def _subject(kind: str, key: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "key": key}


def _digest(subject: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(subject).encode()).hexdigest()[:12]


# ---- taking away ------------------------------------------------------------------------------------


def files(store: Store, run: Run) -> list[Path]:
    """What goes from the disk when the run is deleted: nothing outside the workspace.

    Statistics and gradients go with the last map of their model and text; collecting them takes a pass.
    """
    if run.kind == "map":
        paths = [store.file("map", run.key, ".json")]
        same = {"fingerprint": run.key["fingerprint"], "data_fingerprint": run.value["data_fingerprint"]}
        of_model = store.find("map", fingerprint=run.key["fingerprint"])
        stamps = [row["value"]["data_fingerprint"] for row in of_model]
        if stamps.count(run.value["data_fingerprint"]) == 1:
            paths += [store.file(kind, same, ".safetensors") for kind in ("statistics", "gradients")]
        return [path for path in paths if path.exists()]
    if run.kind == "recovery":
        weights, halfway = (store.file("recovery", run.key, end) for end in (".safetensors", ".resume.pt"))
        return [path for path in (weights, halfway) if path.exists()]
    if run.kind == "export":
        folder = Path(run.value["out"])
        return [folder] if _within_exports(store, folder) and folder.is_dir() else []
    return []


def _within_exports(store: Store, folder: Path) -> bool:
    """Whether a written model stands in the workspace: a link that leads out of it does not."""
    home, there = store.exports().resolve(), folder.resolve()
    return folder.is_absolute() and not folder.is_symlink() and there != home and there.is_relative_to(home)


def delete(store: Store, run: Run) -> None:
    """Take a run, its note and its files out of the workspace.

    Raises PruningError while a job needs them, and when a file cannot be removed.
    """
    job = _user(store, run)
    if job is not None:
        raise PruningError(
            f"A job about {job.request['model']['reference']} is under way and may need this. "
            "Wait until it is done, or cancel it."
        )
    for path in files(store, run):
        _remove(path)
    if run.kind == "job":
        store.remove_job(run.key["job"])
    for kind, key in run.rows:
        store.remove(kind, key)
    annotate(store, run, "")


def _user(store: Store, run: Run) -> Job | None:
    """A job that is waiting or running and needs what the run would take with it."""
    uses: dict[str, Callable[[Job], bool]] = {
        "map": lambda job: _about(store, job, run),
        "sweep": lambda job: _about(store, job, run),
        "recovery": lambda job: _about(store, job, run),
        "export": lambda job: _reads(job, Path(run.value["out"])),
    }
    if run.kind not in uses:
        return None
    return next((job for job in store.jobs(WAITING) if uses[run.kind](job)), None)


def _about(store: Store, job: Job, run: Run) -> bool:
    """Whether a job may be about the run's model; one that nobody has looked at may be any."""
    reference = job.request["model"]["reference"]
    fingerprints = {computed(m) for m in models(store) if m["reference"] == reference}
    return not fingerprints or run.key["fingerprint"] in fingerprints


def _reads(job: Job, folder: Path) -> bool:
    """Whether a job's model is the written one in this folder."""
    return Path(job.request["model"]["reference"]).expanduser().absolute().is_relative_to(folder.absolute())


def _remove(path: Path) -> None:
    """Remove a file, or a folder: moved aside first, so that nobody finds half of it under its name."""
    try:
        if path.is_dir():
            aside = path.with_name(f".{path.name}.{os.getpid()}.deleted")
            os.replace(path, aside)
            shutil.rmtree(aside)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise PruningError(f"{path} could not be removed ({error.strerror}). Remove it by hand.") from error


# ---- the disk ---------------------------------------------------------------------------------------


def storage(store: Store) -> Storage:
    """What the workspace takes on disk."""
    return Storage(
        database=sum(_size(path) for path in store.root.glob("prunescope.db*")),
        maps=size_of(store.root / "files"),
        exports=size_of(store.exports()),
    )


def size_of(path: Path) -> int:
    """Bytes of a file, or of everything in a folder; links are not followed."""
    if not path.is_dir():
        return _size(path)
    return sum(_size(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # gone meanwhile
        return 0
