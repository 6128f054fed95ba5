"""What every kind of bad input is made from: values nobody expects, and files that are none."""

import copy
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

Words = list[str]
Writer = Callable[[Path, bytes], None]
DEEP = 50_000


@dataclass(frozen=True)
class Basis:
    """What is right, and is made wrong: a tiny model as folder and GGUF file, and what was made of it.

    Attributes
    ----------
    model, gguf
        The folder, and the file.
    recipe, map
        A recipe for the model, and its map.
    text
        A text that is long enough.
    home
        The workspace that all this was made in.
    """

    model: Path
    gguf: Path
    recipe: Path
    map: Path
    text: Path
    home: Path


@dataclass(frozen=True)
class Bad:
    """One bad input: what is wrong with it, and the commands that have to refuse or bear it.

    Each command writes to the path after `--out`, if at all.
    """

    about: str
    commands: list[Words]


def strange_values() -> list[Any]:
    """Values of every type that are no use almost anywhere."""
    deep: Any = "bottom"
    for _ in range(100):
        deep = [deep]
    return [
        None,
        True,
        -1,
        0,
        10**12,
        10**30,
        -(10**18),
        1e308,
        float("nan"),
        float("inf"),
        0.5,
        "",
        "x" * 20_000,
        "../../../etc/passwd",
        "/dev/null",
        "\ud800",
        "a\x00b",
        "\u202e\u2066🦀",
        [],
        {},
        [None],
        {"": None},
        {"a": {"a": {"a": []}}},
        deep,
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value inside a value of JSON, its own left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def mutated(random: Random, value: Any) -> tuple[str, Any]:
    """What was done, and a copy of a JSON value in which one part is gone or something strange."""
    changed = copy.deepcopy(value)
    *way, last = random.choice(list(places(value)))
    inside = changed
    for key in way:
        inside = inside[key]
    named = ".".join(map(str, (*way, last)))[:60]
    if random.random() < 0.2:
        del inside[last]
        return f"without {named}", changed
    strange = random.choice(strange_values())
    inside[last] = strange
    return f"{named} is {ascii(strange)[:40]}", changed


def spoilt(random: Random, right: bytes) -> tuple[str, Writer]:
    """What will be wrong, and how to write it in the place of a file that held `right`."""
    cut, at = random.randrange(len(right)), random.randrange(len(right))
    noise = random.randbytes(64)
    ways: list[tuple[str, Writer]] = [
        ("an empty file", _content(b"")),
        (f"cut at {cut}", _content(right[:cut])),
        (f"noise at {at}", _content(right[:at] + noise + right[at + 64 :])),
        ("noise alone", _content(random.randbytes(4000))),
        ("zeros", _content(bytes(100_000))),
        ("UTF-16", _content(b"\xff\xfe" + right.decode("latin-1").encode("utf-16-le"))),
        ("nested lists", _content(b"[" * DEEP + b"]" * DEEP)),
        ("nested mappings", _content(b'{"a":' * DEEP + b"1" + b"}" * DEEP)),
        ("a number of 20,000 digits", _content(b"9" * 20_000)),
        ("a list", _content(b"[1, 2]")),
        ("null", _content(b"null")),
        ("a line of 3 MB", _content(b"a" * 3_000_000)),
        ("a folder", lambda path, _: path.mkdir()),
        ("a pipe nobody writes to", lambda path, _: os.mkfifo(path)),
        ("a device without end", lambda path, _: path.symlink_to("/dev/zero")),
        ("a link to itself", lambda path, _: path.symlink_to(path.name)),
    ]
    return random.choice(ways)


def _content(content: bytes) -> Writer:
    return lambda path, _: _write(path, content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def replaced(path: Path, writer: Writer) -> None:
    """Put something else in the place of a file."""
    right = path.read_bytes() if path.is_file() else b""
    path.unlink(missing_ok=True)
    writer(path, right)


def as_json(value: Any) -> bytes:
    """JSON as Python writes it, NaN and lone surrogates included."""
    return json.dumps(value).encode()


def linked(basis: Basis, folder: Path) -> Path:
    """The tiny model's folder again, its files linked, so that one of them can be another."""
    model = folder / "model"
    model.mkdir()
    for path in basis.model.iterdir():
        os.link(path, model / path.name)
    return model
