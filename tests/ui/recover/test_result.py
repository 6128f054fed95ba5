"""What recoveries ended with, and what can be done with one."""

import io
from dataclasses import replace

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.recipe.recipe import Recipe
from pruning.ui.data import recoveries
from pruning.ui.data.recoveries import Recovered
from pruning.ui.recover import charts as recover_charts
from pruning.ui.recover import result
from pruning.ui.text import recovery as recover_words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.recover.conftest import PLAN, end_jobs


@pytest.fixture
def recovered(open_page: Open, store: Store) -> AppTest:
    synthetic.put_model(store)
    synthetic.put_recovery(store, ["neurons=0.2"], structure="neurons")
    synthetic.put_recovery(store, [PLAN])
    return open_page("recover", model="demo", plan=PLAN)


def test_the_result_stands_beside_pruned_and_unpruned(recovered: AppTest) -> None:
    assert "75 % of the KL that pruning cost is won back" in text_of(recovered)
    table = next(t.value for t in recovered.table if t.value.index.name == "Model")
    assert list(table.index) == ["Unpruned", "Pruned", "Recovered"]
    assert list(table.iloc[:, 0]) == ["0", "0.8", "0.2"]
    assert list(table.iloc[:, 1]) == ["33.8", "72.0", "41.0"]


def test_the_recovered_model_is_written_and_measured(
    recovered: AppTest, asked: list[dict], store: Store
) -> None:
    recovered.button(key="recovered_export").click().run()
    assert not recovered.exception
    recipe = Recipe.from_dict(asked[-1]["arguments"]["recipe"])
    assert recipe.recovery == {"steps": 60}
    assert set(recipe.settings()) == {f"{kind}=0.5" for kind in ("qkv", "attn_out", "gate", "up", "down")}
    end_jobs(store)
    recovered.run().button(key="recovered_measure").click().run()
    assert asked[-1]["task"] == "measure"
    assert asked[-1]["arguments"]["recovery"] == {"steps": 60}


def test_another_recovery_can_be_looked_at(recovered: AppTest, asked: list[dict]) -> None:
    box = recovered.selectbox(key=result.CHOSEN)
    box.select(next(name for name in box.options if "neurons" in name)).run()
    next(t for t in recovered.toggle if t.label == "Full-size, with zeros").set_value(True).run()
    recovered.button(key="recovered_export").click().run()
    assert not recovered.exception
    assert asked[-1]["arguments"]["masked"] is True
    assert asked[-1]["arguments"]["recipe"]["sparsity"] == {"neurons": 0.2}


def test_all_recoveries_go_into_a_table_to_take_away(recovered: AppTest, store: Store) -> None:
    shown = next(f.value for f in recovered.dataframe)
    assert len(shown) == 2
    rows = store.find("recovery")
    recovery = Recovered("x", "name", rows[0]["key"], rows[0]["value"], rows[0]["created"])
    stopped = replace(
        recovery, value={**recovery.value, "finished": False, "recovered": None, "won_back": None}
    )
    text = recoveries.frame([recovery, stopped]).to_csv(index=False)
    again = pd.read_csv(io.StringIO(text))
    assert list(again["won_back_percent"].fillna(-1)) == [75, -1]
    assert list(again["state"]) == ["finished", "at step 60 of 60"]


def test_the_fit_before_the_first_step_is_told(open_page: Open, store: Store) -> None:
    figures = {"perplexity": 50.0, "agreement": 0.6, "accuracy": 0.3}
    looks = [{"step": 0, "kl": 0.8, **figures}, {"step": 0, "kl": 0.4, **figures}]
    assert recover_words.fit({"looks": looks}) is None
    assert "undone" in str(recover_words.fit({"refitted": False, "looks": looks[:1]}))
    [drawn] = recover_charts.evaluations(looks, 100, best=0).data
    assert list(drawn.marker.symbol) == ["circle", "star"], "the pruned model is not the best"
    synthetic.put_model(store)
    synthetic.put_recovery(store, [PLAN])
    row = store.find("recovery")[0]
    store.put("recovery", row["key"], {**row["value"], "refitted": True, "looks": looks})
    assert "took KL from 0.8 to 0.4 nats per token" in text_of(open_page("recover", model="demo", plan=PLAN))
    store.remove("recovery", row["key"])
    synthetic.put_recovery(store, [PLAN], stopped_at=40)
    row = store.find("recovery_course")[0]
    store.put("recovery_course", row["key"], {**row["value"], "refitted": True, "looks": looks})
    assert "took KL from 0.8 to 0.4 nats per token" in text_of(open_page("recover", model="demo", plan=PLAN))


def test_an_honest_word_where_training_made_it_worse() -> None:
    worse = {"kl": 1.0, "perplexity": 90.0}
    value = {"dense": {"perplexity": 30.0}, "pruned": {"kl": 0.5, "perplexity": 50.0}, "recovered": worse}
    assert "won nothing back" in recover_words.verdict({**value, "won_back": -1.0})
    assert "chose what goes" in recover_words.verdict({**value, "pruned": None, "won_back": None})
