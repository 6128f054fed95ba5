"""The child process: reads requests, a line of JSON each, and answers with a line and numbers after it."""

import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from pruning.engine.llamacpp.library import open_library
from pruning.engine.llamacpp.opened import Opened, quantize

Answer = tuple[dict[str, Any], bytes]


def main() -> None:
    """Answer until the input ends. What llama.cpp prints goes to stderr, never between the answers."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    files: dict[int, Opened] = {}
    library: ctypes.CDLL | None = None
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        payload = sys.stdin.buffer.read(request.pop("bytes", 0))
        try:
            library = library or open_library()
            answer, numbers = _DO[request.pop("do")](library, files, payload, **request)
        except OSError as error:
            answer, numbers = {"error": str(error)}, b""
        _send(output, answer, numbers)


def _send(output: BinaryIO, answer: dict[str, Any], numbers: bytes) -> None:
    output.write(json.dumps({**answer, "bytes": len(numbers)}).encode() + b"\n" + numbers)
    output.flush()


def _open(library: ctypes.CDLL, files: dict[int, Opened], _: bytes, path: str, **how: Any) -> Answer:
    number = max(files, default=-1) + 1
    files[number] = Opened(library, path, **how)
    return {"file": number, "vocabulary": files[number].width, "exact": files[number].exact}, b""


def _close(library: ctypes.CDLL, files: dict[int, Opened], _: bytes, file: int) -> Answer:
    files.pop(file).close()
    return {}, b""


def _tokens(
    library: ctypes.CDLL, files: dict[int, Opened], payload: bytes, file: int, special: bool
) -> Answer:
    return {"ids": files[file].tokens(payload.decode(), special)}, b""


def _scores(
    library: ctypes.CDLL, files: dict[int, Opened], _: bytes, file: int, ids: list[int], first: int
) -> Answer:
    return {}, files[file].log_probabilities(ids, first).tobytes()


def _next(library: ctypes.CDLL, files: dict[int, Opened], _: bytes, file: int, ids: list[int]) -> Answer:
    """Log-probabilities of the tokens that do follow [len(ids) - 1]."""
    rows = files[file].log_probabilities(ids)
    return {}, rows[np.arange(len(ids) - 1), ids[1:]].tobytes()


def _race(
    library: ctypes.CDLL, opened: dict[int, Opened], _: bytes, files: list[int], prompt: list[int], more: int
) -> Answer:
    """One round: every file reads the prompt, then all write `more` tokens in turn."""
    order = [opened[number] for number in files]
    prefill, decode = [], []
    for one in order:
        one.forget()
        prefill.append(one.read(prompt))
    for token in prompt[:more]:
        decode.append([one.read([token]) for one in order])
    return {"prefill": prefill, "decode": decode}, b""


def _quantize(library: ctypes.CDLL, _: dict[int, Opened], payload: bytes, kind: int, columns: int) -> Answer:
    return {}, quantize(library, np.frombuffer(payload, np.float32).reshape(-1, columns), kind)


_DO: dict[str, Callable[..., Answer]] = {
    "open": _open,
    "close": _close,
    "tokens": _tokens,
    "scores": _scores,
    "next": _next,
    "race": _race,
    "quantize": _quantize,
}

if __name__ == "__main__":
    main()
