"""The Methods page's section on leaving the model early."""

from typing import Any

from streamlit.testing.v1 import AppTest

from pruning.benchmarks.synthetic import DATA_FINGERPRINT
from pruning.ui.methods import early_exit
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import text_of
from tests.ui.methods.conftest import choose, end_jobs


def exits() -> dict[str, Any]:
    depths = [
        {"depth": d, "kl": 9.0 / d**2, "perplexity": 40.0, "agreement": d / 30, "accuracy": 0.3}
        for d in range(1, 31)
    ]
    sure = [
        {"threshold": t, "layers": 30 * t, "share": t, "kl": 1 - t + 0.01, "perplexity": 40.0, "agreement": t}
        for t in (0.5, 0.9, 0.99)
    ]
    return {"layers": 30, "depths": depths, "sure": sure, "settings": []}


def put(store: Store, data_fingerprint: str) -> None:
    """As if the dense model had been left early, on the text of this fingerprint."""
    key = {"fingerprint": synthetic.FINGERPRINT, "data": "demo", "settings": []}
    store.put("early_exit", key, {**exits(), "data_fingerprint": data_fingerprint})


def test_leaving_early_is_looked_at_dense_or_pruned(filled: AppTest, asked: list[dict], store: Store) -> None:
    filled.button(key="exit_start").click().run()
    assert (asked[-1]["task"], asked[-1]["arguments"]) == ("early_exit", {"data": "demo"})
    put(store, DATA_FINGERPRINT)
    end_jobs(filled)
    assert len(filled.get("plotly_chart")) == 3
    said = text_of(filled)
    assert "from layer 27 of 30 on" in said
    assert (
        "Leaving at 90.0 % sure keeps as many, with 27.0 layers on average, at KL 0.11 nats per token" in said
    )
    choose(filled, "2:4")
    filled.button_group(key="exit_of").set_value("The chosen result").run()
    assert len(filled.get("plotly_chart")) == 1, "nothing is known of leaving the pruned model"
    filled.button(key="exit_start").click().run()
    assert asked[-1]["arguments"]["pattern"] == "2:4"


def test_figures_of_an_older_text_of_the_same_name_are_not_shown(filled: AppTest, store: Store) -> None:
    put(store, "older")
    # The text as it is now was met last.
    synthetic.put_baseline(store)
    filled.run()
    assert len(filled.get("plotly_chart")) == 1, "only the chart of all methods"
    put(store, DATA_FINGERPRINT)
    filled.run()
    assert len(filled.get("plotly_chart")) == 3


def test_a_kl_of_nothing_is_not_drawn_on_a_logarithmic_axis() -> None:
    depths = exits()["depths"]
    depths[-1]["kl"] = 0.0
    assert list(early_exit.by_depth(depths).data[0].x) == list(range(1, 30))
    assert early_exit.by_depth(depths).layout.xaxis.range == (0, 31)


def test_a_verdict_where_even_all_layers_are_not_enough() -> None:
    value = exits()
    for row in value["depths"]:
        row["agreement"] = 0.6
    assert early_exit.verdict(value).startswith("Even all 30 layers of the pruned model keep fewer")


def test_a_verdict_where_only_the_last_layer_will_do() -> None:
    value = exits()
    for row in value["depths"][:-1]:
        row["agreement"] = 0.1
    value["sure"] = []
    assert early_exit.verdict(value) == "No layer but the last (30) keeps nine of ten next words the same."
