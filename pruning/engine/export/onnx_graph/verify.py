"""Whether onnxruntime, given a written graph, computes what the model in memory does."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from pruning.engine.architecture.equivalence import relative_error, same_values
from pruning.engine.export import fresh_process
from pruning.engine.export.folder import Sample
from pruning.engine.export.onnx_graph import alone
from pruning.errors import PruningError


def check_runs(folder: Path, expected: torch.Tensor, sample: Sample) -> float:
    """Raise PruningError unless a process of its own gets the same logits, at once and with the cache.

    Parameters
    ----------
    folder
        The written graph.
    expected
        The logits [n, length, vocabulary] of the model in memory.
    sample
        What they are of.

    Returns
    -------
    The largest difference of any logit.
    """
    runs = _alone(folder, sample.ids)
    for what, given in runs.items():
        if not same_values(expected, given, sample.dense):
            error = relative_error(expected, given, sample.dense)
            raise PruningError(
                f"onnxruntime computes something else with the written graph ({what}: logits differ by "
                f"{error:.2g} of the dense model's spread); nothing was kept. Please report this with the "
                "model's name."
            )
    return max(float((expected.float() - given).abs().max()) for given in runs.values())


def _alone(folder: Path, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    with (
        tempfile.TemporaryDirectory(prefix="prunescope-") as scratch,
        fresh_process.fresh_process(alone.__file__) as process,
    ):
        sample = Path(scratch) / "sample.npz"
        np.savez(sample, ids=ids.cpu().numpy())
        threads = torch.get_num_threads()
        process.answer({"folder": str(folder), "sample": str(sample), "threads": threads})
        with np.load(sample) as found:
            return {what: torch.from_numpy(found[what]) for what in ("prefill", "decode")}
