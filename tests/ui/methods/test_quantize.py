"""The Methods page's section on 8-bit weights."""

import pytest
from streamlit.testing.v1 import AppTest

from pruning.benchmarks.synthetic import DATA_FINGERPRINT
from pruning.ui.methods import quantize
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import text_of
from tests.ui.methods.conftest import choose

NEURONS = {"settings": ["neurons=0.2"], "criterion": "fisher", "structure": "neurons", "data": "demo"}
STEPS = ((False, None, 538e6), (False, "int8", 219e6), (True, None, 460e6), (True, "int8", 180e6))


def put(store: Store, data_fingerprint: str) -> None:
    """As if the neurons' plan had been quantized, measured on the text of this fingerprint."""
    figures = {"kl": 0.1, "perplexity": 40.0, "agreement": 0.9}
    rows = [
        {"pruned": pruned, "method": method, "file_bytes": size, "bytes": size, **figures}
        for pruned, method, size in STEPS
    ]
    key = {"fingerprint": synthetic.FINGERPRINT, **NEURONS, "methods": ["int8"]}
    store.put("quantize", key, {"rows": rows, "data_fingerprint": data_fingerprint})


def test_without_torchao_the_section_says_how_to_get_it(
    filled: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None)
    filled.run()
    assert filled.button(key="quantize_start").disabled
    assert any("torchao, which is not installed" in one.value for one in filled.info)


def test_the_chosen_result_is_quantized(
    filled: AppTest, asked: list[dict], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: object())
    choose(filled, "20 % of neurons")
    filled.button(key="quantize_start").click().run()
    assert not filled.exception
    assert (asked[-1]["task"], asked[-1]["arguments"]) == ("quantize", NEURONS)
    put(store, DATA_FINGERPRINT)
    filled.run()
    table = filled.table[0].value
    assert list(table.index) == ["Unpruned", "Unpruned, 8-bit weights", "Pruned", "Pruned, 8-bit weights"]
    assert "33 % of the unpruned size" in text_of(filled)
    choose(filled, "2:4")
    assert not filled.table, "it is about another result"


def test_figures_of_an_older_text_of_the_same_name_are_not_shown(filled: AppTest, store: Store) -> None:
    put(store, "older")
    # The text as it is now was met last.
    synthetic.put_baseline(store)
    filled.run()
    choose(filled, "20 % of neurons")
    assert not filled.table
    put(store, DATA_FINGERPRINT)
    filled.run()
    assert "33 % of the unpruned size" in text_of(filled)
