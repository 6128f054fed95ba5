"""Bad texts: files and tables whose rows, endings, packing or names are wrong."""

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.inputs.mutate import Bad, Basis, as_json, mutated, spoilt

_ROW: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "How far is it?"},
        {"role": "assistant", "content": "Two miles."},
    ],
    "text": "The river had risen over the path.",
    "id": 7,
}
_ENDINGS = (".txt", ".md", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".txt.gz", ".csv.gz")
_NAMES = (
    "nowhere.txt",
    "../../../etc/shadow",
    "/dev/zero",
    "/proc/self/mem",
    "a:0.5,b",
    "a:nan",
    "a:0",
    "a,a",
    ",",
    "#text",
    "demo#text",
    "x.csv#",
    "~nobody/x.txt",
    "\x00",
    "a" * 5000,
    "demo:inf",
    "demo:1e-320,/nowhere.txt:1",
    "owner/name:configuration:more",
    "/" * 3000,
)


def data(random: Random, folder: Path, basis: Basis) -> Bad:
    """A text that cannot be read, or is none."""
    way = random.randrange(5)
    if way == 0:
        name = random.choice(_NAMES)
        return Bad(f"text named {name[:40]!r}", [["text", str(basis.model), "--data", name]])
    path = folder / f"text{random.choice(_ENDINGS)}"
    if way == 1:
        about, write = spoilt(random, basis.text.read_bytes())
        write(path, b"")
    elif way == 2:
        about, content = _rows(random)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    elif way == 3:
        about, content = _table(random)
        path.write_bytes(content)
    else:
        about, content = _packed(random)
        path = path.with_name("text.jsonl.gz")
        path.write_bytes(content)
    named = str(path) + random.choice(["", "", "#text", "#messages", "#nothing"])
    return Bad(f"{path.name}: {about}", [["text", str(basis.model), "--data", named]])


def _rows(random: Random) -> tuple[str, bytes]:
    """Rows of which most are wrong."""
    about, lines = "", []
    for number in range(60):
        about, row = mutated(random, {**_ROW, "text": f"{number} {_ROW['text']}"})
        lines.append(as_json(row))
    whole = random.choice([b"\n".join(lines), b"[" + b",".join(lines) + b"]", b"\r".join(lines)])
    return f"rows such as {about}", whole


def _table(random: Random) -> tuple[str, bytes]:
    """A table that is none."""
    odd = random.choice(
        [
            b'text\n"never closed\n' * 50,
            b"text,text,text\n1,2,3\n",
            b"a,b\n1,2,3,4\n5\n",
            b"," * 50_000 + b"\n" + b"," * 50_000,
            b"text\n" + b"\x00\x00\n" * 500,
            b"\n\n\n",
            "text\n½\n\u2028\n".encode() * 200,
            b"text\n" + b"the same words again and again\n" * 2000,
            b"\xef\xbb\xbf\xef\xbb\xbftext\n" + b"word " * 5000,
        ]
    )
    return f"a table {odd[:24]!r}", odd


def _packed(random: Random) -> tuple[str, bytes]:
    """A packed file that is far larger than it looks, is packed twice, or breaks off."""
    right = gzip.compress(
        b"\n".join(json.dumps({"text": f"{n} {_ROW['text']}"}).encode() for n in range(3000))
    )
    return random.choice(
        [
            ("200 MB in 200 kB", gzip.compress(bytes(200_000_000), 1)),
            ("200 MB of one line", gzip.compress(b"a" * 200_000_000, 1)),
            ("packed twice", gzip.compress(right)),
            ("cut", right[: random.randrange(1, len(right))]),
            ("more behind it", right + b"noise" * 100),
            ("its sum is wrong", right[:-8] + bytes(8)),
        ]
    )
