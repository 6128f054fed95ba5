"""The Recover page's tab on lottery tickets."""

import pytest
from streamlit.testing.v1 import AppTest

from pruning.cli.reference.command_line import command_line
from pruning.jobs import runner
from pruning.ui.text import recovery as recover_words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.recover.conftest import PLAN, end_jobs


def test_a_ticket_is_asked_for(page: AppTest, asked: list[dict], store: Store) -> None:
    page.number_input(key="ticket_steps").set_value(20).run()
    page.button(key="ticket_start").click().run()
    assert not page.exception
    arguments = asked[-1]["arguments"]
    assert (arguments["settings"], arguments["rounds"], arguments["rewind"]) == (["all=0.8"], 3, 0)
    assert arguments["recovery"] == {"steps": 20, "warmup": 5}
    end_jobs(store)
    page.button_group(key="ticket_rewind").set_value("Early in training").run()
    page.selectbox(key="ticket_of").set_value("Your plan").run()
    page.button(key="ticket_start").click().run()
    assert (asked[-1]["arguments"]["settings"], asked[-1]["arguments"]["rewind"]) == ([PLAN], 2)
    assert "prunescope lottery demo" in command_line(asked[-1])


def test_a_ticket_of_no_plan_is_refused(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    app = open_page("recover", model="demo")
    app.selectbox(key="ticket_of").set_value("Your plan").run()
    assert any("Your plan is empty yet" in error.value for error in app.error)
    assert app.button(key="ticket_start").disabled


@pytest.mark.parametrize(
    ("wins", "said"), [(True, "beats chance, but does not"), (False, "No winning ticket")]
)
def test_a_ticket_has_a_verdict_beside_chance(open_page: Open, store: Store, wins: bool, said: str) -> None:
    synthetic.put_model(store)
    synthetic.put_lottery(store, wins)
    app = open_page("recover", model="demo")
    assert said in text_of(app)
    table = next(t.value for t in app.table if t.value.index.name == "Network")
    assert list(table.index) == list(recover_words.DRAW.values())


def test_draws_appear_as_they_come(open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.put_model(store)
    quality = {"perplexity": 30.0, "accuracy": 0.4, "kl": 0.1}
    partials = [{"draw": {"name": name, **quality}} for name in ("dense", "round 1")]
    monkeypatch.setattr(runner(), "partials", lambda job: partials)
    request = {"task": "lottery", "model": {"reference": "demo"}, "arguments": {}}
    store.add_job(request, "nobody")
    app = open_page("recover", model="demo")
    table = next(t.value for t in app.table if t.value.index.name == "Network")
    assert list(table.index) == ["Unpruned, trained as long", "Round 1"]
