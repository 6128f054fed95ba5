"""Layers stay on disk where they are asked to, or where memory does not hold the model."""

from pathlib import Path

import psutil
import pytest

from pruning.errors import PruningError
from pruning.model_files.checkpoint import read_folder
from pruning.model_files.streaming import is_streamed
from tests.support.tiny import tiny_folder


def test_auto_follows_the_memory_that_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = read_folder(tiny_folder(tmp_path / "model"))
    free = psutil.virtual_memory()
    weights = sum(path.stat().st_size for path in checkpoint.weights) // 4
    for available, dtype, expected in (
        (9 * weights, "float32", False),
        (7 * weights, "float32", True),
        (7 * weights, "bfloat16", False),
    ):
        monkeypatch.setattr(psutil, "virtual_memory", lambda n=available: free._replace(available=n))
        assert is_streamed(checkpoint, dtype) is expected
        assert is_streamed(checkpoint, dtype, "yes")
        assert not is_streamed(checkpoint, dtype, "no")
    with pytest.raises(PruningError, match="auto, yes, no"):
        is_streamed(checkpoint, "float32", "perhaps")
