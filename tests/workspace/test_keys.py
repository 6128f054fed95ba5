"""Keys have one spelling: equal keys are found by the same digest, different ones by another."""

from pathlib import Path

import numpy as np
import pytest

from pruning.workspace.keys import canonical, digest


def test_keys_that_differ_in_the_sixth_digit_are_different() -> None:
    assert canonical({"level": 0.1}) != canonical({"level": 0.100001})
    with pytest.raises(ValueError, match="finite"):
        canonical({"level": float("nan")})
    with pytest.raises(TypeError, match="Path"):
        canonical({"level": Path("x")})


def test_equal_keys_have_one_digest() -> None:
    key = {"level": 1.0, "layers": (0, 1), "name": "é"}
    spelt = {"name": "é", "layers": [np.int64(0), np.float32(1)], "level": np.float64(1 + 1e-9)}
    assert canonical(spelt) == canonical(key)
    assert digest(spelt) == digest(key)
    assert digest(key) != digest(key | {"level": 0.999})


def test_stored_results_are_found_again_by_the_digest_they_were_stored_under() -> None:
    assert (
        digest({"fingerprint": "ab12", "levels": [0.1, 0.5], "layer": 3})
        == "68c1d7a9f4db6a3f231237618d96e78e"
    )
