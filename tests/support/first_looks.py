"""A first look at the made-up model, as if the task had taken it."""

from typing import Any

from pruning.benchmarks import synthetic as made_up
from pruning.ui.start.first_look import SMALLER
from pruning.workspace.store import Store


def look(prompt: str) -> dict[str, Any]:
    tokens = ["The", " sky", " is", " blue"]
    answer = {
        "prompt": prompt,
        "settings": ["neurons=0.25"],
        "criterion": "fisher",
        "max_new_tokens": 40,
        "dense": "The sky is blue",
        "pruned": "The sky is",
        "dense_tokens": tokens,
        "pruned_tokens": tokens[:3],
        "dense_ended": True,
        "pruned_ended": True,
        "first_difference": 3,
        "kl": [0.1, 0.2, 0.3, 0.4],
    }
    return {
        "kl": 0.4,
        "perplexity": 61.0,
        "dense_perplexity": 45.0,
        "agreement": 0.62,
        "accuracy": 0.3,
        "dense_accuracy": 0.34,
        "sparsity": 0.25,
        "bytes": 430_000_000,
        "file_bytes": 430_000_000,
        "dense_bytes": 538_000_000,
        "fitting_tokens": 2048,
        "tokens": 2040,
        "settings": ["neurons=0.25"],
        "criterion": "fisher",
        "data_fingerprint": made_up.DATA_FINGERPRINT,
        "smaller": SMALLER,
        "answer": answer,
    }


def put_look(store: Store, prompt: str = "Why?") -> None:
    key = {
        "fingerprint": made_up.FINGERPRINT,
        "data": "demo",
        "data_fingerprint": made_up.DATA_FINGERPRINT,
        "prompt": prompt,
    }
    store.put("first_look", key, look(prompt))
