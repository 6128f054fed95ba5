"""llama.cpp in a child process: a file that ends it ends nothing else."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from pruning.engine.llamacpp.library import library_file
from pruning.errors import PruningError

INSTALL = "pip install 'prunescope[llamacpp]'"


def check_installed() -> None:
    """Raise PruningError, saying what to install, where llama.cpp is not there."""
    if library_file() is None:
        raise PruningError(
            f"llama.cpp is not installed here, and a GGUF file counts only once it has loaded it. "
            f"Install it: {INSTALL}."
        )


class LlamaCpp:
    """The child process. Every request raises PruningError where llama.cpp refuses, or ends."""

    def __init__(self) -> None:
        check_installed()
        root = str(Path(__file__).parents[3])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pruning.engine.llamacpp.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Where it gives up it would start a debugger to say where it stood.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "GGML_NO_BACKTRACE": "1"},
        )

    def ask(self, what: str, payload: bytes = b"", **request: Any) -> tuple[dict[str, Any], bytes]:
        """One request and its answer: plain data, and the bytes of numbers."""
        reading, writing = _pipes(self._process)
        message = {"do": what, "bytes": len(payload), **request}
        try:
            writing.write(json.dumps(message).encode() + b"\n" + payload)
            writing.flush()
            line = reading.readline()
            answer = json.loads(line) if line else None
            numbers = reading.read(answer.pop("bytes")) if answer else b""
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise PruningError(f"llama.cpp ended while it was asked to {what}: {self._last_words()}")
        if "error" in answer:
            raise PruningError(f"llama.cpp refuses: {answer['error']}.")
        return answer, numbers

    def _last_words(self) -> str:
        self._process.wait(timeout=10)
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), f"code {self._process.returncode}")

    def quantize(self, rows: np.ndarray, kind: int) -> np.ndarray:
        """float32 [rows, columns] in blocks of a ggml type: uint8 [rows, bytes of a row]."""
        values = np.ascontiguousarray(rows, np.float32)
        _, numbers = self.ask("quantize", values.tobytes(), kind=kind, columns=values.shape[1])
        return np.frombuffer(numbers, np.uint8).reshape(len(values), -1)

    def end(self) -> None:
        """End the process."""
        for pipe in _pipes(self._process):
            pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdout is None or process.stdin is None:
        raise RuntimeError("the process was started without pipes")
    return process.stdout, process.stdin


@contextmanager
def llama_cpp() -> Iterator[LlamaCpp]:
    """llama.cpp while the block runs. Raises PruningError where it is not installed."""
    engine = LlamaCpp()
    try:
        yield engine
    finally:
        engine.end()


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file that llama.cpp has open; `exact`: it keeps keys and values in float32."""

    engine: LlamaCpp
    number: int
    vocabulary: int
    exact: bool = False

    def tokens(self, text: str, special: bool = True) -> list[int]:
        """The token ids of a text, with those added around it where `special`."""
        answer, _ = self.engine.ask("tokens", text.encode(), file=self.number, special=special)
        return list(answer["ids"])

    def log_probabilities(self, ids: Sequence[int], first: int = 0) -> np.ndarray:
        """[len(ids) - first, vocabulary] in nats: of what follows each token from position `first` on."""
        _, numbers = self.engine.ask("scores", file=self.number, ids=list(ids), first=first)
        return np.frombuffer(numbers, np.float32).reshape(-1, self.vocabulary)

    def of_next(self, ids: Sequence[int]) -> np.ndarray:
        """[len(ids) - 1] in nats: how likely each token was after those before it."""
        _, numbers = self.engine.ask("next", file=self.number, ids=list(ids))
        return np.frombuffer(numbers, np.float32)


@contextmanager
def opened(
    engine: LlamaCpp, path: Path, context: int = 512, threads: int = 0, exact: bool = False
) -> Iterator[GgufFile]:
    """A file open in llama.cpp, for texts of up to `context` tokens; `threads` 0: its own choice.

    `exact`: keys and values are to be kept in float32, not in float16 as by default; a version of llama.cpp
    that is not known to take that does as always. Raises PruningError where llama.cpp does not load it.
    """
    answer, _ = engine.ask("open", path=str(path), context=context, threads=threads, exact=exact)
    file = GgufFile(engine, answer["file"], answer["vocabulary"], answer["exact"])
    try:
        yield file
    finally:
        with suppress(PruningError):  # what ended the process has been said already
            engine.ask("close", file=file.number)


def race(files: Sequence[GgufFile], prompt: Sequence[int], more: int) -> dict[str, np.ndarray]:
    """Seconds of one round in turn: `prefill` [files] to read the prompt, `decode` [files, more] a token."""
    numbers = [file.number for file in files]
    answer, _ = files[0].engine.ask("race", files=numbers, prompt=list(prompt), more=more)
    return {"prefill": np.array(answer["prefill"]), "decode": np.array(answer["decode"]).T}
