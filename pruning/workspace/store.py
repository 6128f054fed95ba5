"""Results and jobs in the workspace: one SQLite database and a folder of files, shared by many processes."""

import json
import os
import re
import sqlite3
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import psutil

from pruning.errors import PruningError
from pruning.workspace import database
from pruning.workspace.keys import canonical, digest, plain_name

INTERRUPTED = "interrupted: the dashboard was stopped"
WAITING = ("queued", "running")
# Of a job's request: nobody asked for it.
BACKGROUND = "background"

_JOB_FIELDS = ("state", "done", "total", "note", "started", "finished", "seconds_left", "result", "error")


@dataclass(frozen=True)
class Job:
    """One request and how far it is. Times are seconds since the epoch; `done` of `total` steps."""

    id: int
    request: dict[str, Any]
    runner: str
    state: str
    done: float
    total: float
    note: str
    created: float
    started: float | None
    finished: float | None
    seconds_left: float | None
    result: dict[str, Any] | None
    error: str | None


def workspace() -> Path:
    """The folder named by PRUNESCOPE_HOME, or the user's data folder."""
    named = os.environ.get("PRUNESCOPE_HOME")
    return Path(named).expanduser().resolve() if named else Path(platformdirs.user_data_dir("prunescope"))


class Store:
    """The workspace. Safe to share between threads, and to open from several processes.

    Every call commits before it returns, so what is finished survives a killed process. All methods
    raise PruningError when the disk is full, read-only or the database is damaged.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or workspace()).absolute()
        _make_folder(self.root)
        self._path = self.root / "prunescope.db"
        self._anchor = database.prepare(self._path)
        weakref.finalize(self, self._anchor.close)

    # Results

    def put(self, kind: str, key: dict[str, Any], value: dict[str, Any]) -> int:
        """Keep `value` under (kind, key), in place of what was there, and return the row's id."""
        with database.opened(self._path, write=True) as connection:
            row = connection.execute(
                "INSERT INTO results (kind, hash, key, value, created) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (kind, hash) DO UPDATE SET value = excluded.value, created = excluded.created "
                "RETURNING id",
                (kind, digest(key), canonical(key), json.dumps(value), time.time()),
            ).fetchone()
        return int(row["id"])

    def get(self, kind: str, key: dict[str, Any]) -> dict[str, Any] | None:
        """What is kept under (kind, key), or None."""
        with database.opened(self._path) as connection:
            row = connection.execute(
                "SELECT value FROM results WHERE kind = ? AND hash = ?", (kind, digest(key))
            ).fetchone()
        return json.loads(row["value"]) if row else None

    def find(self, kind: str, **where: Any) -> list[dict[str, Any]]:
        """Rows whose key has all the fields: {"id", "kind", "key", "value", "created"}, newest first."""
        query = "SELECT id, kind, key, value, created FROM results WHERE kind = ?"
        clauses, values = _where(where)
        with database.opened(self._path) as connection:
            rows = connection.execute(
                query + clauses + " ORDER BY created DESC, id DESC", [kind, *values]
            ).fetchall()
        return [
            dict(row) | {"key": json.loads(row["key"]), "value": json.loads(row["value"])} for row in rows
        ]

    def latest(self, field: str, **where: Any) -> Any:
        """A field of the newest row, of whatever kind, that has it; its key must have all of `where`.

        Looked for in the value, then in the key; None where no such row has it.
        """
        path = f'$."{field}"'
        query = (
            "SELECT coalesce(json_extract(value, ?), json_extract(key, ?)) AS found FROM results "
            "WHERE found IS NOT NULL"
        )
        clauses, values = _where(where)
        with database.opened(self._path) as connection:
            row = connection.execute(
                query + clauses + " ORDER BY created DESC, id DESC LIMIT 1", [path, path, *values]
            ).fetchone()
        return row["found"] if row else None

    def remove(self, kind: str, key: dict[str, Any]) -> bool:
        """Forget what is kept under (kind, key); False if there is nothing."""
        with database.opened(self._path, write=True) as connection:
            deleted = connection.execute(
                "DELETE FROM results WHERE kind = ? AND hash = ?", (kind, digest(key))
            ).rowcount
        return deleted == 1

    # Files

    def file(self, kind: str, key: dict[str, Any], suffix: str) -> Path:
        """A stable path for a big result. Write beside it, then `os.replace`, so nobody sees half a file."""
        if not re.fullmatch(r"[a-z0-9_]+", kind) or not re.fullmatch(r"(\.[A-Za-z0-9_]+)+", suffix):
            raise PruningError(f"A file of kind {kind!r} with the ending {suffix!r} cannot be kept.")
        folder = self.root / "files" / kind
        _make_folder(folder)
        return folder / (digest(key) + suffix)

    def exports(self) -> Path:
        """The folder for written models."""
        folder = self.root / "exports"
        _make_folder(folder)
        return folder

    def child(self, folder: str, name: str) -> Path:
        """root/folder/name (the folder is made, the file is not).

        Raises PruningError unless both are plain names, so that what users type stays in the workspace.
        """
        parent = self.root / plain_name(folder)
        _make_folder(parent)
        path = parent / plain_name(name)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise PruningError(f"{name!r} leads out of the workspace. Choose another name.")
        return path

    # Jobs

    def add_runner(self, runner: str, pid: int, started: float) -> None:
        """Register a process that runs jobs; `started` is when it was, in seconds since the epoch."""
        with database.opened(self._path, write=True) as connection:
            connection.execute("INSERT INTO runners VALUES (?, ?, ?)", (runner, pid, started))

    def remove_runner(self, runner: str) -> None:
        """Forget a process that ran jobs."""
        with database.opened(self._path, write=True) as connection:
            connection.execute("DELETE FROM runners WHERE id = ?", (runner,))

    def fail_interrupted(self) -> int:
        """Mark what runners no longer alive left queued or running as failed; returns how many."""
        with database.opened(self._path, write=True) as connection:
            for row in connection.execute("SELECT id, pid, started FROM runners").fetchall():
                if not _alive(row["pid"], row["started"]):
                    connection.execute("DELETE FROM runners WHERE id = ?", (row["id"],))
            return connection.execute(
                "UPDATE jobs SET state = 'failed', error = ?, finished = ?, seconds_left = NULL "
                "WHERE state IN (?, ?) AND runner NOT IN (SELECT id FROM runners)",
                (INTERRUPTED, time.time(), *WAITING),
            ).rowcount

    def add_job(self, request: dict[str, Any], runner: str) -> int:
        """Queue a request for a runner, and return the job's id."""
        device = str((request.get("model") or {}).get("device") or "auto")
        with database.opened(self._path, write=True) as connection:
            row = connection.execute(
                "INSERT INTO jobs (request, device, runner, created) VALUES (?, ?, ?, ?) RETURNING id",
                (json.dumps(request), device, runner, time.time()),
            ).fetchone()
        return int(row["id"])

    def next_job(self, runner: str, device: str | None = None) -> Job | None:
        """The runner's oldest queued job (for one device), now marked as running."""
        with database.opened(self._path, write=True) as connection:
            row = connection.execute(
                "UPDATE jobs SET state = 'running', started = ? WHERE id = (SELECT id FROM jobs "
                "WHERE state = 'queued' AND runner = ? AND device = coalesce(?, device) ORDER BY id LIMIT 1) "
                "RETURNING *",
                (time.time(), runner, device),
            ).fetchone()
        return _job(row) if row else None

    def cancel_queued(self, job_id: int) -> bool:
        """Cancel the job if it has not begun; False if it has."""
        with database.opened(self._path, write=True) as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = 'cancelled', finished = ? WHERE id = ? AND state = 'queued'",
                (time.time(), job_id),
            ).rowcount
        return changed == 1

    def update_job(self, job_id: int, **fields: Any) -> None:
        """Write some of a job's fields: its state, progress, times, result or error."""
        unknown = set(fields) - set(_JOB_FIELDS)
        if unknown:
            raise TypeError(f"a job has no {', '.join(sorted(unknown))}")
        if fields.get("result") is not None:
            fields["result"] = json.dumps(fields["result"])
        changes = ", ".join(f"{name} = :{name}" for name in fields)
        with database.opened(self._path, write=True) as connection:
            connection.execute(f"UPDATE jobs SET {changes} WHERE id = :id", fields | {"id": job_id})

    def job(self, job_id: int) -> Job:
        """The job; PruningError where there is none."""
        with database.opened(self._path) as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise PruningError(f"There is no job {job_id} in the workspace {self.root}.")
        return _job(row)

    def jobs(self, states: Iterable[str] | None = None, limit: int = 50) -> list[Job]:
        """Jobs of every runner of this workspace, newest first."""
        query, values = "SELECT * FROM jobs", list(states or ())
        if states is not None:
            query += f" WHERE state IN ({', '.join('?' * len(values))})"
        with database.opened(self._path) as connection:
            rows = connection.execute(query + " ORDER BY id DESC LIMIT ?", (*values, limit)).fetchall()
        return [_job(row) for row in rows]

    def remove_job(self, job_id: int) -> bool:
        """Forget a job that has ended; False if there is none or it has not."""
        with database.opened(self._path, write=True) as connection:
            deleted = connection.execute(
                "DELETE FROM jobs WHERE id = ? AND state NOT IN (?, ?)", (job_id, *WAITING)
            ).rowcount
        return deleted == 1


def _where(fields: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """SQL for "the key has all these fields", and its values."""
    values: list[Any] = []
    for name, value in fields.items():
        values += [f'$."{name}"', canonical({"field": value})]
    return " AND json_extract(key, ?) IS json_extract(?, '$.field')" * len(fields), values


def _job(row: sqlite3.Row) -> Job:
    fields = dict(row)
    del fields["device"]
    fields["request"] = json.loads(fields["request"])
    fields["result"] = json.loads(fields["result"]) if fields["result"] else None
    return Job(**fields)


def _alive(pid: int, started: float) -> bool:
    """Whether the process is still the one that was registered, not a later one with its number."""
    try:
        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < 5)
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PruningError(
            f"The folder {folder} cannot be made ({error.strerror}). Make room or make it writable, or set "
            "PRUNESCOPE_HOME to another folder."
        ) from error
