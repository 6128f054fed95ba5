"""The workspace's SQLite database: opening it, its tables, and its errors in words a user can act on."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pruning.errors import PruningError

FORMAT = 1
WAIT_SECONDS = 30.0

TABLES = (
    """CREATE TABLE IF NOT EXISTS results (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, hash TEXT NOT NULL,
        key TEXT NOT NULL, value TEXT NOT NULL, created REAL NOT NULL, UNIQUE (kind, hash))""",
    """CREATE TABLE IF NOT EXISTS runners (
        id TEXT PRIMARY KEY, pid INTEGER NOT NULL, started REAL NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL, device TEXT NOT NULL,
        runner TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',
        done REAL NOT NULL DEFAULT 0, total REAL NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL, started REAL, finished REAL, seconds_left REAL, result TEXT, error TEXT)""",
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, runner, device)",
)


def prepare(path: Path) -> sqlite3.Connection:
    """Make the tables where they are missing and return an open connection.

    Hold on to the connection: while one is open, no other connection is the last to close, which would
    copy the write-ahead log back and lock everybody else out for that moment.
    """
    with explained(path):
        anchor = _connect(path, check_same_thread=False)
        try:
            version = anchor.execute("PRAGMA user_version").fetchone()[0]
            if version > FORMAT:
                raise PruningError(
                    f"The workspace {path.parent} was written by a newer Prunescope (format {version}, "
                    f"this one knows {FORMAT}). Update Prunescope, or set PRUNESCOPE_HOME to another folder."
                )
            if version < FORMAT:
                _create(anchor)
        except BaseException:
            anchor.close()
            raise
        return anchor


@contextmanager
def opened(path: Path, write: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection for one call; with `write` a transaction, committed when the block ends without error."""
    with explained(path), closing(_connect(path)) as connection:
        if write:
            # Taking the write lock at once lets the busy timeout do the waiting; a read that becomes a
            # write half-way fails instead of waiting. Closing without COMMIT rolls back.
            connection.execute("BEGIN IMMEDIATE")
        yield connection
        if write:
            connection.execute("COMMIT")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what can go wrong with the file into PruningError; errors of the program pass unchanged."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError):
        raise
    except sqlite3.DatabaseError as error:
        raise PruningError(_sentence(path, error)) from error


def _connect(path: Path, check_same_thread: bool = True) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=check_same_thread
    )
    connection.row_factory = sqlite3.Row
    # With a write-ahead log NORMAL survives a killed process and never corrupts; only a power cut can
    # lose the last commits, and waiting for the disk on every point of a sweep is not worth that.
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _create(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        # Several processes may make the workspace at once, and SQLite does not wait by itself while
        # another connection changes the journal mode.
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            if (
                _code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                or time.monotonic() > deadline
            ):
                raise
            time.sleep(0.05)
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute("COMMIT")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _sentence(path: Path, error: sqlite3.Error) -> str:
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return f"The disk of the workspace {path.parent} is full. Free some space and try again."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return (
            f"The workspace {path.parent} cannot be written ({error}). Make it writable, or set "
            "PRUNESCOPE_HOME to a folder that is."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"The database {path} stayed locked by another program. Close that program and try again."
    if code == sqlite3.SQLITE_IOERR:
        return f"The disk of the workspace {path.parent} does not work as it should ({error}). Check it."
    return (
        f"The database {path} cannot be read ({error}). Move it away to start with an empty one, or set "
        "PRUNESCOPE_HOME to another folder."
    )
