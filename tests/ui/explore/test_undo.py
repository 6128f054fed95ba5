"""One history of the plan for all pages: what one page changed another takes back."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, go


@pytest.fixture
def smap(store: Store) -> SensitivityMap:
    return synthetic.put_all(store)


def sent(app: AppTest, *events: dict[str, Any]) -> AppTest:
    """As if the mixer in the browser had sent these events, none of which is answered yet."""
    app.session_state["desk"] = {"events": list(events)}
    app.run()
    assert not app.exception
    return app


def levels_of(smap: SensitivityMap, kind: str, level: float) -> list[float]:
    return [level if other == kind else 0.0 for _, other in smap.groups]


def plan(app: AppTest) -> str | None:
    return app.query_params.get("plan")


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=f"optimize_{key}").click().run()
    assert not app.exception
    return app


def test_the_mixer_takes_back_what_optimize_applied(open_page: Open, smap: SensitivityMap) -> None:
    app = press(open_page("optimize", model="demo", plan="up=0.5"), "use")
    applied = plan(app)
    assert applied != "up=0.5"
    go(app, "explore")
    assert plan(sent(app, {"number": 1, "step": "undo"})) == "up=0.5"
    assert plan(sent(app, {"number": 2, "step": "redo"})) == applied


def test_optimize_takes_back_what_the_mixer_changed(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="up=0.5")
    sent(app, {"number": 1, "levels": levels_of(smap, "gate", 0.3), "locks": []})
    go(app, "optimize")
    assert plan(press(app, "undo")) == "up=0.5"
    assert app.button(key="optimize_undo").disabled
    assert plan(press(app, "redo")) == "gate=0.3"
    go(app, "explore")
    assert plan(sent(app, {"number": 2, "step": "undo"})) == "up=0.5", "the mixer goes on in the same history"


def test_events_in_quick_succession_are_done_in_order_and_once(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="up=0.5")
    first = {"number": 1, "levels": levels_of(smap, "gate", 0.3), "locks": []}
    step = {"number": 2, "step": "undo"}
    assert plan(sent(app, first, step)) == "up=0.5"
    last = {"number": 3, "levels": levels_of(smap, "down", 0.2), "locks": []}
    assert plan(sent(app, step, last)) == "down=0.2"
    assert plan(sent(app, {"number": 4, "step": "undo"})) == "up=0.5"
    assert plan(sent(app, {"number": 5, "step": "undo"})) == "up=0.5", "there is nothing before it"


def test_a_lock_alone_is_no_step(open_page: Open, smap: SensitivityMap) -> None:
    app = open_page("explore", model="demo", plan="up=0.5")
    sent(app, {"number": 1, "levels": levels_of(smap, "up", 0.5), "locks": ["gate"]})
    assert app.query_params["lock"] == "gate"
    go(app, "optimize")
    assert app.button(key="optimize_undo").disabled


def test_the_history_kept_over_a_reload_is_taken_unless_a_new_one_began(
    open_page: Open, smap: SensitivityMap
) -> None:
    kept = {"past": ["", "up=0.2,down@0-3,7=0.1"], "future": ["up=0.9"]}
    app = open_page("explore", model="demo", plan="up=0.5")
    sent(app, {"number": 1, **kept})
    assert plan(sent(app, {"number": 2, "step": "undo"})) == "up=0.2,down@0-3,7=0.1"
    sent(app, {"number": 3, "past": ["qkv=0.1"], "future": []})
    assert plan(sent(app, {"number": 4, "step": "undo"})) is None, "the empty plan"
    for number in (5, 6, 7):
        sent(app, {"number": number, "step": "redo"})
    assert plan(app) == "up=0.9"


def test_another_model_begins_a_new_history() -> None:
    def script() -> None:
        from pruning.ui.data import session

        session.set_settings(["up=0.2"])
        session.choose_model(model="another")
        session.undo()
        assert session.current().settings == ("up=0.2",), "it stays, to be read against the new model"

    app = AppTest.from_function(script).run()
    assert not app.exception


def test_the_history_has_an_end() -> None:
    def script() -> None:
        from pruning.ui.data import session

        for step in range(1, 2 * session.MAX_UNDO):
            session.set_settings([f"up={step / 1000}"])
        assert len(session.history().past) == session.MAX_UNDO
        assert session.history().past[-1] == (f"up={(2 * session.MAX_UNDO - 2) / 1000}",)

    app = AppTest.from_function(script).run()
    assert not app.exception
