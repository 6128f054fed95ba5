"""The Recover page's tab on progressive pruning."""

from streamlit.testing.v1 import AppTest

from pruning.cli.reference.command_line import command_line
from pruning.ui.text import recovery as recover_words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.recover.conftest import end_jobs


def test_a_ladder_is_asked_for(page: AppTest, asked: list[dict], store: Store) -> None:
    page.text_input(key="ladder_levels").set_value("0.2,0.4").run()
    page.button(key="ladder_start").click().run()
    assert asked[-1]["arguments"] == {
        "levels": [0.2, 0.4],
        "criterion": "fisher",
        "data": "demo",
        "max_kl": 0.3,
    }
    end_jobs(store)
    page.selectbox(key="ladder_metric").set_value("Perplexity").run()
    page.toggle(key="ladder_recover").set_value(True).run()
    page.number_input(key="ladder_steps").set_value(20).run()
    page.button(key="ladder_start").click().run()
    assert not page.exception
    assert asked[-1]["arguments"]["max_perplexity"] == 30.0
    assert asked[-1]["arguments"]["recovery"] == {"steps": 20, "warmup": 5}
    assert "--max-perplexity 30.0 --recover" in command_line(asked[-1])
    page.text_input(key="ladder_levels").set_value("nothing").run()
    assert page.error
    assert page.button(key="ladder_start").disabled


def test_a_ladder_says_where_it_stopped_and_why(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_ladder(store, None)
    said = text_of(open_page("recover", model="demo"))
    assert "**30 %** within the budget of KL 0.3 so far; the ladder is not at its end" in said
    synthetic.put_ladder(store)
    app = open_page("recover", model="demo")
    assert "**50 %** is the most that stays within the budget of KL 0.3. It stopped at 60 %" in text_of(app)
    table = next(t.value for t in app.table if t.value.index.name == "Gone")
    assert list(table["Trained"]) == ["no", "no", "yes, 50 % won back", "yes, 50 % won back"]


def test_ends_of_a_ladder_in_words() -> None:
    row = {"level": 0.1, "kl": 0.5, "perplexity": 50.0, "recovered": False}
    value = {"rows": [row], "best": None, "ended": "budget", "budget": {"kl": None, "perplexity": 40.0}}
    assert recover_words.ladder_end(value).startswith(
        "Not even 10 % stays within the budget of perplexity 40"
    )
    assert "last level" in recover_words.ladder_end({**value, "best": row, "ended": "levels"})


def test_ladder_levels_must_be_levels(page: AppTest) -> None:
    page.text_input(key="ladder_levels").set_value("0").run()
    assert any("above 0" in error.value for error in page.error)
