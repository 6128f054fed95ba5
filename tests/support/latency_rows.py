"""Made-up times of the made-up model, for page tests."""

from pruning.planning.cost.latency_table import processor
from pruning.workspace.store import Store
from tests.support.synthetic import FINGERPRINT

WHY = "2:4 kernels need an NVIDIA GPU of the Ampere generation or newer."


def put_latency(store: Store) -> dict:
    """As if the model had been timed: half of the neurons save 2 ms of 300 in each of 30 layers."""
    shares = {"neurons": [0.0, 0.25, 0.5], "heads": [0.0, 1 / 3], "kv_groups": [0.0, 1 / 3], "layers": [0, 1]}
    prefill = {"neurons": [0.0, 1.0, 2.0], "heads": [0.0, 0.6], "kv_groups": [0.0, 1.0], "layers": [0.0, 9.0]}
    decode = {kind: [0.1 * value for value in own] for kind, own in prefill.items()}
    value = {
        "dense": {"prefill": 300.0, "decode": 40.0},
        "shares": shares,
        "saved": {"prefill": prefill, "decode": decode},
        "spread": {"prefill": 0.02, "decode": 0.03},
        "layers": 30,
        "tokens": 256,
        "machine": "A made-up machine, 2 cores",
        "device": "cpu",
        "threads": 2,
        "measured": "2026-05-01T10:20:30+00:00",
        "sparse": [
            {"format": "csr", "level": 0.5, "prefill": 0.21, "decode": 0.4},
            {"format": "csr", "level": 0.95, "prefill": 0.97, "decode": 1.9},
            {"format": "2:4", "level": 0.5, "why_not": WHY},
        ],
    }
    key = {
        "fingerprint": FINGERPRINT,
        "dtype": "float32",
        "device": "cpu",
        "threads": 2,
        "machine": processor(),
    }
    store.put("latency", key, value)
    return value
