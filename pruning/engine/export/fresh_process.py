"""Asking a process of its own, which knows nothing of Prunescope, what it makes of a written folder."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pruning.engine.export import loaded_alone
from pruning.errors import PruningError

Answer = tuple[dict[str, Any], torch.Tensor]


class FreshProcess:
    """A Python without this package and without what the user's environment adds to its path.

    It runs `script`, which answers a line of JSON for a line, as `loaded_alone` does.
    """

    def __init__(self, scratch: Path, script: str = loaded_alone.__file__) -> None:
        own = {
            "HF_HUB_OFFLINE": "1",
            "HF_MODULES_CACHE": str(scratch / "modules"),  # code of the folder is copied there
            "TOKENIZERS_PARALLELISM": "false",
            "CUDA_VISIBLE_DEVICES": "",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(scratch / "log").open("w"),
            env={**os.environ, **own},
            cwd=scratch,
            text=True,
        )

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """See `answer` of the script. Raises PruningError where there is none."""
        pipe: Any = self._process.stdin
        lines: Any = self._process.stdout
        try:
            pipe.write(json.dumps(request) + "\n")
            pipe.flush()
            line = lines.readline()
        except BrokenPipeError:
            line = ""
        said = json.loads(line) if line else {"error": f"the process ended ({self._process.wait()})"}
        if "error" in said:
            raise PruningError(
                f"The written model could not be loaded by a program of its own: {said['error']}. Nothing "
                "was kept. Please report this with the model's name."
            )
        answered: dict[str, Any] = said
        return answered

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def fresh_process(script: str = loaded_alone.__file__) -> Iterator[FreshProcess]:
    """A process that runs `script` and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="prunescope-") as scratch:
        process = FreshProcess(Path(scratch), script)
        try:
            yield process
        finally:
            process.end()


def load_alone(
    folder: Path, ids: torch.Tensor, dtype: str, text: str, code: bool, on_disk: Sequence[str] = ()
) -> Answer:
    """What a process of its own makes of a folder: its answer, and logits [n, length, vocabulary].

    Parameters
    ----------
    folder
        The written model.
    ids
        Token windows [n, length].
    dtype
        The number format it is loaded in; logits are worked out in float32.
    text
        What its tokenizer reads.
    code
        Whether the folder's own code is run.
    on_disk
        Modules whose weights it reads from the files whenever they run; it holds all others.

    Raises
    ------
    PruningError
        It cannot be loaded or run.
    """
    with tempfile.TemporaryDirectory(prefix="prunescope-") as scratch, fresh_process() as process:
        sample = Path(scratch) / "sample.safetensors"
        save_file({"ids": ids.cpu().contiguous()}, sample)
        request = {"folder": str(folder), "sample": str(sample), "dtype": dtype, "text": text}
        said = process.answer({**request, "trust_remote_code": code, "on_disk": list(on_disk)})
        return said, load_file(sample)["logits"]
