"""What commands take with a model that memory need not hold: the peak of each, in a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pruning.benchmarks.streaming.made_up import write_made_up
from pruning.benchmarks.tables import Result
from pruning.errors import PruningError
from pruning.model_files.checkpoint import demo_folder, read_folder
from pruning.wording import seconds, size

TOKENS = 2048
# Of weights that are updated, which walks through the layers several times.
FITTED = 1024
RSS_BYTES = 1024 if sys.platform.startswith("linux") else 1


def bench_streaming(
    folder: str | None = None, tokens: int = TOKENS, say: Callable[[str], object] = print
) -> dict[str, Any]:
    """Run the commands one after the other on a made-up model of 3 billion weights, or on that in `folder`.

    The peak is the largest resident set of the process, or of one that it started, as the system counts it.
    Raises PruningError where a command fails.
    """
    with tempfile.TemporaryDirectory(
        prefix="prunescope-", dir=Path(folder).parent if folder else None
    ) as scratch:
        model = folder or str(write_made_up(Path(scratch) / "model", demo_folder()))
        rows: list[dict[str, Any]] = []
        for name, words in _commands(model, Path(scratch), tokens).items():
            say(f"{name} ...")
            rows.append({"command": name, **_run(name, words)})
        weights = sum(path.stat().st_size for path in read_folder(Path(model)).weights)
        return {"tokens": tokens, "bytes": weights, "rows": rows, "peak": max(row["peak"] for row in rows)}


def streaming_tables(result: Result) -> list[str]:
    """The commands with their peaks and times."""
    rows = ["| command | peak memory | on the wall | of the processor |", "| --- | --- | --- | --- |"]
    for row in result["rows"]:
        cells = size(row["peak"]), seconds(row["seconds"]), seconds(row["processor_seconds"])
        rows.append(f"| {row['command']} | {' | '.join(cells)} |")
    about = f"The model's files have {size(result['bytes'])}; {result['tokens']:,} tokens of text are read."
    return ["\n".join(rows), about]


def _commands(model: str, scratch: Path, tokens: int) -> dict[str, list[str]]:
    recipe = str(scratch / "half.yaml")
    streamed, fitted = ["--stream", "yes"], ["--tokens", str(min(tokens, FITTED))]
    half = ["--criterion", "corrected", "--set", "all=0.5", "--name", "half", "--out", recipe]
    return {
        "inspect": ["inspect", model, *streamed],
        "estimate": ["estimate", model, "--tokens", str(tokens)],
        "map": ["map", model, *streamed, "--tokens", str(tokens)],
        "recipe --criterion corrected": ["recipe", model, *half, *streamed, *fitted],
        "export": ["export", model, recipe, "--out", str(scratch / "pruned"), *streamed, *fitted],
    }


def _run(name: str, words: Sequence[str]) -> dict[str, float]:
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pruning", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise PruningError(
            f"prunescope {name} failed: {said.strip().splitlines()[-1] if said.strip() else status}"
        )
    return {
        "peak": usage.ru_maxrss * RSS_BYTES,
        "seconds": time.monotonic() - start,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
    }
