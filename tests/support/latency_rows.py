"""Made-up times of the made-up model with those of sparse formats, for page tests."""

from typing import Any

from pruning.benchmarks import synthetic
from pruning.workspace.store import Store

WHY = "2:4 kernels need an NVIDIA GPU of the Ampere generation or newer."
SPARSE = (
    {"format": "csr", "level": 0.5, "prefill": 0.21, "decode": 0.4},
    {"format": "csr", "level": 0.95, "prefill": 0.97, "decode": 1.9},
    {"format": "2:4", "level": 0.5, "why_not": WHY},
)


def put_latency(store: Store) -> dict[str, Any]:
    """As if the model had been timed."""
    return synthetic.put_latency(store, sparse=SPARSE)
