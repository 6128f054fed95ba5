"""Made-up rows of the Impact page: nothing in them is measured. Tests only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from pruning.benchmarks.synthetic import DATA_FINGERPRINT, FINGERPRINT
from pruning.planning.recipe.guide_claims import TECHNIQUES
from pruning.workspace.store import Store


def put_impact(store: Store, names: Sequence[str] = (), not_smaller: str | None = None) -> dict[str, dict]:
    """As if rows of the Impact page had been measured; all but the lottery's unless they are named."""
    found = {}
    for place, one in enumerate(TECHNIQUES):
        if one.name not in names and (names or one.training):
            continue
        kl = (3.0 if one.claim else 0.6) * one.share * (1 + 0.05 * place)
        units = {"structure": one.structure, "compensate": one.compensate}
        gain = 1.2 if one.whole else 1.01
        found[one.name] = {
            "name": one.name,
            "title": one.title,
            "share": one.share,
            "claim": asdict(one.claim) if one.claim else None,
            "beside": one.beside,
            "kl": kl,
            "perplexity": float(33.8 * np.exp(kl)),
            "dense_perplexity": 33.8,
            "agreement": 0.6,
            "accuracy": 0.391 * float(np.exp(-kl)),
            "dense_accuracy": 0.391,
            "probe_accuracy": 0.5,
            "dense_probe_accuracy": 0.602,
            "sparsity": one.share,
            "dense_bytes": 538_060_032,
            "bytes": round(538_060_032 * (1 - 0.7 * one.share)),
            "form": "cut" if one.whole else "bitmask",
            "speed": {
                "prefill": gain,
                "prefill_low": gain - 0.04,
                "prefill_high": gain + 0.04,
                "decode": gain,
                "decode_low": gain - 0.04,
                "decode_high": gain + 0.04,
            },
            "settings": [f"{one.structure if one.whole else 'all'}={one.share:g}"],
            "criterion": one.criterion,
            "data": "demo",
            "options": units if one.whole else {},
            "threads": 2,
            "not_smaller": not_smaller,
        }
        key = {"fingerprint": FINGERPRINT, "data": "demo", "data_fingerprint": DATA_FINGERPRINT}
        store.put("impact", {**key, "device": "cpu", "name": one.name}, found[one.name])
    return found


def put_refused(store: Store, name: str, why: str) -> None:
    """As if a row had turned out not to be possible with the model."""
    one = next(one for one in TECHNIQUES if one.name == name)
    about = {"name": name, "title": one.title, "share": one.share, "beside": one.beside, "refused": why}
    key = {"fingerprint": FINGERPRINT, "data": "demo", "data_fingerprint": DATA_FINGERPRINT}
    store.put("impact", {**key, "device": "cpu", "name": name}, about)
