"""Timing narrower models in llama.cpp: real files, side by side in rounds, as PyTorch is timed."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pruning.engine.evaluation.timing import DECODE_TOKENS, PROMPTS, ROUNDS, Race
from pruning.engine.export.gguf.write import GgufFormat
from pruning.engine.llamacpp.engine import GgufFile, llama_cpp, opened, race
from pruning.planning.cost.latency_table import MODES, PREFILL_TOKENS

_CONTEXT = 2 * PREFILL_TOKENS


@contextmanager
def racing_in_llama_cpp(
    model: nn.Module, tokenizer: Any, numbers: str, threads: int, rounds: int = ROUNDS
) -> Iterator[Callable[[nn.Module], Race]]:
    """Gives what races the model with a narrower one, both as files with the same numbers.

    Files are written one at a time and are gone in the end. What they predict is not looked at: widths alone
    decide how long it takes. Raises PruningError where llama.cpp is not installed or has no form for one.
    """
    form = GgufFormat(numbers)
    with tempfile.TemporaryDirectory() as scratch, llama_cpp() as engine:
        path, narrow = Path(scratch, "dense.gguf"), Path(scratch, "narrow.gguf")
        form.write_file(path, model, tokenizer, engine)
        with opened(engine, path, _CONTEXT, threads) as dense:

            def racing(smaller: nn.Module) -> Race:
                form.write_file(narrow, smaller, tokenizer, engine)
                with opened(engine, narrow, _CONTEXT, threads) as other:
                    return _race([dense, other], rounds)

            yield racing


def race_files(paths: Sequence[Path], threads: int, rounds: int = ROUNDS) -> Race:
    """Race GGUF files that are there in llama.cpp, others against the first.

    Raises PruningError where llama.cpp is not installed or does not load one.
    """
    with llama_cpp() as engine, ExitStack() as stack:
        files = [stack.enter_context(opened(engine, path, _CONTEXT, threads)) for path in paths]
        return _race(files, rounds)


def _race(files: list[GgufFile], rounds: int) -> Race:
    """Rounds in turn after one that warms up; who begins changes."""
    taken: dict[str, list[np.ndarray]] = {mode: [] for mode in MODES}
    for turn in range(PROMPTS * rounds + 1):
        order = slice(None, None, 1 if turn % 2 else -1)
        times = race(files[order], list(range(PREFILL_TOKENS)), DECODE_TOKENS // PROMPTS)
        if turn:
            taken["prefill"].append(times["prefill"][order, None])
            taken["decode"].append(times["decode"][order])
    return Race({mode: np.concatenate(parts, axis=1) for mode, parts in taken.items()})
