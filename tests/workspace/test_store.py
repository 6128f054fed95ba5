"""The workspace: results, files and names, also with several processes and with broken files."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.workspace import database
from pruning.workspace.store import Store, workspace

KEY = {"fingerprint": "ab12", "criterion": "fisher", "levels": [0.1, 0.5], "layer": 3}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def test_what_is_put_is_got_by_another_store_of_the_same_folder(store: Store) -> None:
    store.put("map", KEY, {"points": [1.5, None]})
    assert Store(store.root).get("map", KEY) == {"points": [1.5, None]}
    assert store.get("sweep_point", KEY) is None
    assert store.get("map", KEY | {"layer": 4}) is None


def test_the_same_key_replaces_however_it_is_spelt(store: Store) -> None:
    first = store.put("map", KEY, {"n": 1})
    spelt = {"layer": 3.0, "levels": (0.1 + 1e-9, 0.5), "criterion": "fisher", "fingerprint": "ab12"}
    assert store.put("map", spelt, {"n": 2}) == first
    assert store.get("map", KEY) == {"n": 2}
    assert len(store.find("map")) == 1


def test_find_matches_every_field_newest_first(store: Store) -> None:
    for layer in (0, 1):
        for level in (0.1, 0.5, 1.0):
            key = {"fingerprint": "ab", "layer": layer, "level": level, "settings": ["up=0.5"], "out": None}
            store.put("sweep_point", key, {"kl": layer + level})
    store.put("sweep_point", {"fingerprint": 'other "ä"', "layer": 0}, {"kl": 9.0})
    assert [row["value"]["kl"] for row in store.find("sweep_point", fingerprint="ab", layer=1)] == [
        2.0,
        1.5,
        1.1,
    ]
    assert [row["key"]["layer"] for row in store.find("sweep_point", level=0.1 + 1e-9)] == [1, 0]
    assert len(store.find("sweep_point", settings=["up=0.5"], level=1.0)) == 2
    assert len(store.find("sweep_point", fingerprint='other "ä"')) == 1
    assert store.find("sweep_point", fingerprint="ab", layer=7) == []
    assert store.find("map", fingerprint="ab") == []
    row = store.find("sweep_point", fingerprint="ab", layer=0, level=0.1)[0]
    assert set(row) == {"id", "kind", "key", "value", "created"}


def test_files_have_stable_places_in_the_workspace(store: Store) -> None:
    path = store.file("map", KEY, ".safetensors")
    assert path == Store(store.root).file("map", dict(reversed(KEY.items())), ".safetensors")
    assert path.parent == store.root / "files" / "map"
    assert path.parent.is_dir()
    assert store.exports() == store.root / "exports"
    for kind, suffix in (("../map", ".json"), ("map", "/../x"), ("map", "json")):
        with pytest.raises(PruningError):
            store.file(kind, KEY, suffix)


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "..",
        ".",
        "",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "C:x",
        ".hidden",
        "x.",
        " x",
        "a\x00b",
        "a\nb",
        "NUL",
        "com1.txt",
        "x" * 151,
    ],
)
def test_names_that_are_no_file_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(PruningError, match="cannot be a file name"):
        store.child("exports", name)
    with pytest.raises(PruningError, match="cannot be a file name"):
        store.child(name, "x")


def test_ordinary_names_are_taken(store: Store) -> None:
    for name in ("demo-50", "My first plan (2)", "größe v1.2.json", "console"):
        assert store.child("exports", name) == store.root / "exports" / name


def test_a_link_out_of_the_workspace_is_refused(store: Store, tmp_path: Path) -> None:
    (store.exports() / "door").symlink_to(tmp_path)
    with pytest.raises(PruningError, match="leads out"):
        store.child("exports", "door")


def test_the_environment_names_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "there"))
    assert workspace() == tmp_path / "there" == Store().root
    monkeypatch.delenv("PRUNESCOPE_HOME")
    assert "prunescope" in str(workspace())


WRITER = """
import sys
from pathlib import Path
from pruning.workspace.store import Store
name, root, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()
for n in range(count):
    store = Store(root) if n % 10 == 0 else store
    store.put("sweep_point", {"writer": name, "n": n}, {"n": n})
    store.put("map", {"shared": n % 5}, {"by": name})
    store.update_job(store.add_job({"task": name}, "nobody"), state="done")
"""


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(n), str(tmp_path / "home"), "40"], stdin=subprocess.PIPE
        )
        for n in range(5)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait() for writer in writers] == [0] * 5
    store = Store(tmp_path / "home")
    assert len(store.find("sweep_point")) == 200
    assert len(store.find("map")) == 5
    assert len(store.jobs(["done"], limit=1000)) == 200


def test_many_threads_write_at_once(store: Store) -> None:
    def write(name: int) -> None:
        for n in range(20):
            store.put("sweep_point", {"writer": name, "n": n}, {"n": n})

    threads = [threading.Thread(target=write, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.find("sweep_point")) == 120


KILLED = """
import os, sys
from pathlib import Path
from pruning.workspace.store import Store
Store(Path(sys.argv[1])).put("map", {"n": 1}, {"kept": True})
os.kill(os.getpid(), 9)
"""


def test_what_was_put_survives_a_killed_process(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)]).returncode == -9
    assert Store(tmp_path).get("map", {"n": 1}) == {"kept": True}


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "prunescope.db").write_bytes(b"This is not a database. " * 400)
    with pytest.raises(PruningError, match=r"prunescope\.db cannot be read .*Move it away"):
        Store(tmp_path)


def test_a_database_with_torn_pages(store: Store) -> None:
    for n in range(200):
        store.put("map", {"n": n}, {"text": "x" * 200})
    store._anchor.close()
    path = store.root / "prunescope.db"
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(PruningError, match="cannot be read"):
        Store(store.root).find("map")


def test_a_database_of_a_newer_version(store: Store) -> None:
    with sqlite3.connect(store.root / "prunescope.db") as connection:
        connection.execute(f"PRAGMA user_version={database.FORMAT + 1}")
    with pytest.raises(PruningError, match="newer Prunescope"):
        Store(store.root)


def test_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = database._connect

    def cramped(path: Path, check_same_thread: bool = True) -> sqlite3.Connection:
        connection = connect(path, check_same_thread)
        connection.execute("PRAGMA max_page_count=20")
        return connection

    store.put("map", {"n": 0}, {"kept": True})
    monkeypatch.setattr(database, "_connect", cramped)
    with pytest.raises(PruningError, match=r"disk .* is full"):
        store.put("map", {"n": 1}, {"text": "x" * 1_000_000})
    monkeypatch.undo()
    assert [row["value"] for row in store.find("map")] == [{"kept": True}]


def test_a_workspace_that_cannot_be_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PruningError, match="cannot be made"):
        Store(tmp_path / "file" / "home")
    connect = database._connect

    def read_only(path: Path, check_same_thread: bool = True) -> sqlite3.Connection:
        connection = connect(path, check_same_thread)
        connection.execute("PRAGMA query_only=1")
        return connection

    monkeypatch.setattr(database, "_connect", read_only)
    with pytest.raises(PruningError, match="cannot be written"):
        store.put("map", {"n": 1}, {})


def test_a_database_that_stays_locked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.05)
    held = database.opened(store.root / "prunescope.db", write=True)
    with held, pytest.raises(PruningError, match="locked by another program"):
        store.put("map", {"n": 1}, {})
    store.put("map", {"n": 1}, {})
