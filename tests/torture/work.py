"""The work that is broken off: what writes results, files and models of a tiny model."""

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture.commands import here
from tests.torture.forked import Ended, forked
from tests.torture.inputs.mutate import Basis

# What is in a result that another run may say otherwise.
_CHANGES = (
    "seconds",
    "dense_forwards",
    "seconds_a_step",
    "seconds_before",
    "measured",
    "out",
    "prefill_ms",
    "decode_ms",
    "prefill_speedup",
    "decode_speedup",
    "resumed_at",
    "losses",
    "dense_prefill_ms",
    "dense_decode_ms",
)


@dataclass(frozen=True)
class Work:
    """One kind of work.

    Attributes
    ----------
    name
        As the command is called.
    rows
        The kind of results that it keeps one by one while it goes on; empty where it keeps none.
    exact
        Whether a run that was broken off and went on gives the very same figures.
    """

    name: str
    rows: str = ""
    exact: bool = True


EVERY = (
    Work("map", "map"),
    Work("sweep", "sweep_point"),
    Work("calibrate", "measure"),
    # Where it goes on it has the same steps, and not the same batches before them in its optimizer's memory.
    Work("recover", "", exact=False),
    Work("export"),
)


def words(work: Work, basis: Basis, out: Path) -> list[str]:
    """The command line of the work; `out` is where an export goes."""
    model, data = str(basis.model), ["--data", str(basis.text)]
    return {
        "map": ["map", model, *data],
        "sweep": ["sweep", model, *data, "--levels", "0.2:0.8:0.2", "--kinds", "up,down,qkv"],
        "calibrate": ["calibrate", model, *data],
        "recover": [
            "recover",
            model,
            str(basis.recipe),
            "--steps",
            "12",
            "--evaluate-every",
            "4",
            "--batch",
            "1",
        ],
        "export": ["export", model, str(basis.recipe), "--out", str(out)],
    }[work.name]


def done(work: Work, basis: Basis, home: Path, out: Path) -> dict[str, Any]:
    """Do the work in this process with `home` as its workspace; its result. AssertionError where it fails."""
    # Every step of a recovery is saved, so that it can go on from each.
    import pruning.tasks.recover

    os.environ["PRUNESCOPE_HOME"] = str(home)
    pruning.tasks.recover.SAVE_SECONDS = 0.0
    code, said = here(words(work, basis, out))
    print(said, flush=True)
    assert code == 0, f"{work.name} ended with {code}: {said.strip()[-300:]}"
    result: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return result


def finished(work: Work, basis: Basis, home: Path, out: Path) -> tuple[dict[str, Any], Ended]:
    """The work, done in a fork: its result, and how it ended."""
    answer = home.parent / f"{home.name}.{work.name}.json"

    def write() -> str:
        answer.write_text(json.dumps(done(work, basis, home, out)))
        return "done"

    ended = forked(write, home.parent / f"{home.name}.log")
    return (json.loads(answer.read_text()) if ended.lost is None else {}), ended


def same(work: Work, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two results say the same, as far as they have to."""
    if not work.exact:
        return one.get("steps") == other.get("steps") and one.get("dense") == other.get("dense")
    return _plain(one) == _plain(other)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if name not in _CHANGES}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return f"{value:.5g}" if isinstance(value, float) else value


def digest(folder: Path) -> str:
    """A hash of the weights of a model folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def timed(work: Work, basis: Basis, home: Path) -> tuple[dict[str, Any], float]:
    """The work, done once undisturbed: its result, and the seconds it takes by the wall."""
    begun = time.monotonic()
    result, ended = finished(work, basis, home, home.parent / f"{home.name}-{work.name}-out")
    if ended.lost:
        raise RuntimeError(f"{work.name} fails undisturbed: {ended.lost}")
    return result, time.monotonic() - begun
