"""The bench of exports on a tiny model: every form is written and opened again, what is smaller is raced."""

from pathlib import Path

import pytest

from pruning.benchmarks import exports
from pruning.benchmarks.exports import Case, bench_exports, exports_tables
from pruning.tasks import Session
from tests.support.result_keys import check_printed

CASES = (
    Case("half of the weights", ("all=0.5",)),
    Case("half of the neurons", ("neurons=0.5",), wanted=0.01),
)


def test_plans_are_written_opened_and_raced(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    monkeypatch.setattr(exports, "CASES", CASES)
    monkeypatch.setattr(exports, "ROUNDS", 1)
    found = bench_exports(session)
    check_printed("bench exports", found)
    zeros, cut = found["rows"]
    assert zeros["pytorch_decode"] is None, "zeros are not raced"
    assert zeros["reached"] is None
    assert cut["hf_bytes"] < zeros["hf_bytes"]
    assert cut["q8_0_bytes"] < cut["f16_bytes"] < cut["hf_bytes"]
    assert all(
        cut[f"{engine}_{mode}"] > 0 for engine in ("pytorch", "llamacpp") for mode in ("prefill", "decode")
    )
    assert found["reached_least"] == cut["reached"]
    assert found["speed_met"] is True
    assert not session.store.find("export"), "nor does the workspace say that there are such models"
    assert not list(Path(session.store.root).glob("**/*.gguf")), "only the figures are kept"
    text = "\n".join(exports_tables(found))
    assert "half of the neurons" in text
    assert "0.01×" in text
