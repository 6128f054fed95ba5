"""A GGUF file opened by llama.cpp: its tokens, log-probabilities and times. For the child process alone."""

import ctypes
import time
from collections.abc import Sequence
from ctypes import POINTER, c_float, c_int8, c_int32

import numpy as np

from pruning.engine.llamacpp.library import LOG, Batch, Parameters, keep_all_digits

# The level of llama.cpp's log at which a line says why something failed.
_ERROR = 4


class Opened:
    """One file in memory. Raises OSError where llama.cpp does not take it.

    `exact`: it remembers keys and values in full, slower than it does for others; afterwards whether it does.
    """

    def __init__(
        self, library: ctypes.CDLL, path: str, context: int, threads: int, exact: bool = False
    ) -> None:
        self.library = library
        self.log: list[str] = []
        self._heard = LOG(self._hear)  # kept, as llama.cpp holds only its address
        library.llama_log_set(self._heard, None)
        self.model = library.llama_model_load_from_file(path.encode(), library.llama_model_default_params())
        if not self.model:
            raise OSError(self.reason())
        parameters: Parameters = library.llama_context_default_params()
        parameters.numbers[:] = (context, context, min(context, 512), 1)
        self.exact = exact and keep_all_digits(parameters)
        self.context = library.llama_init_from_model(self.model, parameters)
        if not self.context or library.llama_n_ctx(self.context) < context:
            raise OSError(self.reason())
        if threads:
            library.llama_set_n_threads(self.context, threads, threads)
        self.vocabulary = library.llama_model_get_vocab(self.model)
        self.width = library.llama_vocab_n_tokens(self.vocabulary)

    def _hear(self, level: int, text: bytes, _: object) -> None:
        if level == _ERROR:
            self.log.append(text.decode(errors="replace").strip())

    def reason(self) -> str:
        """What llama.cpp first complained of: what follows is that it gave up."""
        return next(filter(None, self.log), "it gave no reason").rstrip(".")

    def close(self) -> None:
        self.library.llama_free(self.context)
        self.library.llama_model_free(self.model)

    def tokens(self, text: str, special: bool) -> list[int]:
        """The token ids of a text; `special`: with those that the file says are added around it."""
        data = text.encode()
        room = len(data) + 16
        ids = (c_int32 * room)()
        count = self.library.llama_tokenize(self.vocabulary, data, len(data), ids, room, special, True)
        if count < 0:
            raise OSError("the text could not be split into tokens")
        return list(ids[:count])

    def log_probabilities(self, ids: Sequence[int], first: int = 0) -> np.ndarray:
        """[len(ids) - first, vocabulary] in nats, of what follows each token from the position `first` on."""
        self.log.clear()
        self.forget()
        self._read(ids, [position >= first for position in range(len(ids))])
        rows = np.empty((len(ids) - first, self.width), np.float32)
        for row in range(len(rows)):
            pointer = self.library.llama_get_logits_ith(self.context, first + row)
            if not pointer:
                raise OSError(self.reason())
            rows[row] = np.ctypeslib.as_array(pointer, (self.width,))
        rows -= rows.max(-1, keepdims=True)
        rows -= np.log(np.exp(rows, dtype=np.float64).sum(-1, keepdims=True)).astype(np.float32)
        return rows

    def forget(self) -> None:
        """Drop what was read before."""
        self.library.llama_memory_clear(self.library.llama_get_memory(self.context), True)

    def read(self, ids: Sequence[int]) -> float:
        """Seconds that it takes to read more tokens, up to the scores of what follows the last."""
        start = time.perf_counter()
        self._read(ids, [position == len(ids) - 1 for position in range(len(ids))])
        self.library.llama_get_logits_ith(self.context, -1)
        return time.perf_counter() - start

    def _read(self, ids: Sequence[int], scored: Sequence[bool]) -> None:
        count = len(ids)
        batch = Batch(count, (c_int32 * count)(*ids), None, None, None, None, (c_int8 * count)(*scored))
        if self.library.llama_decode(self.context, batch) != 0:
            raise OSError(self.reason())
        self.library.llama_synchronize(self.context)


def quantize(library: ctypes.CDLL, rows: np.ndarray, kind: int) -> bytes:
    """float32 [rows, columns] in the blocks of the ggml type `kind`, as llama.cpp's own tool makes them."""
    rows = np.ascontiguousarray(rows, np.float32)
    size = rows.shape[0] * library.ggml_row_size(kind, rows.shape[1])
    blocks = ctypes.create_string_buffer(size)
    source = rows.ctypes.data_as(POINTER(c_float))
    written = library.ggml_quantize_chunk(kind, source, blocks, 0, *rows.shape, None)
    if written != size:
        raise OSError(f"{written} bytes were written where {size} were expected")
    return blocks.raw
