"""Explore: what the forecast has learnt from, the plans that teach it, whether costs add up, abilities."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.recipe.plan import format_settings
from pruning.ui.data import queries
from pruning.ui.explore import calibration as teaching_view
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open
from tests.ui.test_pages import text_of

EVERYTHING = "all=0.4"


def drawn(app: AppTest) -> str:
    """What the page draws as HTML."""
    return "\n".join(str(part.proto.body) for part in app.get("html"))


def put_trials(store: Store, count: int | None = None) -> list[str]:
    table = synthetic.put_map(store)
    plans = [format_settings(plan, list(table.groups)) for plan in calibration_plans(table)]
    for settings in plans[:count]:
        synthetic.put_measure(store, table, settings)
    return [",".join(settings) for settings in plans]


def test_it_asks_for_the_plans_that_are_not_measured_yet(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    synthetic.put_model(store)
    plans = put_trials(store, 2)
    app = open_page("explore", model="demo")
    said = text_of(app)
    assert "has learnt from 2 measured plans" in said
    assert f"{len(plans) - 2} measurements would calibrate it: about" in said
    assert any("prunescope calibrate demo" in code.value for code in app.code)
    app.button(key="teach").click().run()
    assert not app.exception
    assert [request["task"] for request in asked] == ["calibrate"]
    assert asked[0]["arguments"] == {"criterion": "fisher", "data": "demo", "structure": "unstructured"}
    assert app.button(key="teach").disabled, "one at a time"


def test_it_is_quiet_once_all_are_measured(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    plans = put_trials(store)
    app = open_page("explore", model="demo", plan="up=0.3")
    assert not [button for button in app.button if button.key == "teach"]
    assert "are all measured" in text_of(app)
    assert f"has learnt from {len(plans)} measured plans" in text_of(app)


def test_the_time_is_that_of_earlier_measurements(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    table = synthetic.put_map(store)
    # Six plans at four forward passes each, as the map timed them: 6 · 4 · 21 s / 6.4.
    assert "6 measurements would calibrate it: about 79 s" in text_of(open_page("explore", model="demo"))
    for task, took, result in (
        ("measure", 30.0, {}),
        ("calibrate", 40.0, {"measured": 2}),
        ("teach", 5.0, None),
    ):
        job = store.add_job({"task": task, "model": {"reference": "demo"}, "arguments": {}}, "nobody")
        now = time.time()
        store.update_job(job, state="done", started=now - took, finished=now, result=result)
    other = store.add_job({"task": "measure", "model": {"reference": "other"}, "arguments": {}}, "nobody")
    store.update_job(other, state="done", started=0.0, finished=9000.0)
    # Two of 20 s each, one of 30 s: six take 6 · 25 s.
    assert "about 2 min here" in text_of(open_page("explore", model="demo"))
    assert table.dense_forwards == 6.4


def test_a_new_measurement_of_a_running_job_draws_the_page_anew(
    open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic.put_model(store)
    plans = put_trials(store, 1)
    app = open_page("explore", model="demo")
    assert "one measured plan" in text_of(app)
    request = {"task": "teach", "model": {"reference": "demo"}, "arguments": {}}
    job = store.add_job(request, "nobody")
    store.update_job(job, state="running", started=time.time())
    app.run()
    again: list[bool] = []
    monkeypatch.setattr(teaching_view.st, "rerun", lambda: again.append(True))
    table = synthetic.put_map(store)
    model = queries.Info(store.find("inspect")[0]["value"], dict.fromkeys(table.groups, 1), {})
    monkeypatch.setattr(queries, "store", lambda: store)
    look = teaching_view.newly(model, table)
    look(store.job(job))
    assert again == []
    synthetic.put_measure(store, table, plans[1].split(","))
    look(store.job(job))
    assert again == [True]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (EVERYTHING, "within what was measured"),
        ("all=0.75", "above what was measured"),
        ("up@3=0.1", "below what was measured"),
    ],
)
def test_a_plan_beyond_what_was_measured_is_told(
    open_page: Open, store: Store, plan: str, words: str
) -> None:
    synthetic.put_all(store)
    synthetic.put_measure(store, synthetic.put_map(store), ["all=0.6"])
    said = text_of(open_page("explore", model="demo", plan=plan))
    assert words in said
    assert ("its band is wider" in said) == ("within" not in words)


def test_without_measurements_nothing_is_said_of_their_range(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store)
    assert "what was measured, plans" not in text_of(open_page("explore", model="demo", plan=EVERYTHING))


def test_the_meter_shows_the_forecast_and_what_was_measured(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    table = synthetic.put_map(store)
    app = open_page("explore", model="demo")
    assert "Does the damage add up?" not in text_of(app), "nothing is removed"
    app = open_page("explore", model="demo", plan=EVERYTHING)
    assert "Too early to tell" in text_of(app)
    assert ">Forecast<" in drawn(app)
    assert ">Measured<" not in drawn(app)
    synthetic.put_measure(store, table, [EVERYTHING], factor=4.0)
    app = open_page("explore", model="demo", plan=EVERYTHING)
    assert "together it is more than the sum of each alone" in text_of(app)
    assert ">Measured<" in drawn(app)


def test_abilities_are_forecast_and_measured_side_by_side(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    table = synthetic.put_map(store)
    synthetic.put_baseline(store)
    app = open_page("explore", model="demo", plan=EVERYTHING)
    said = drawn(app)
    assert "this plan, forecast and band" in said
    assert "this plan, measured" not in said
    assert said.count('class="band forecast"') == len(synthetic.PROBES) + 1, "and the meter's"
    assert ">62 %<" in said, "what the unpruned model gets right of the facts"
    assert "44 questions each, of which guessing gets 25 % right" in text_of(app)
    assert "as quickly as our prior says" in text_of(app)
    synthetic.put_measure(store, table, [EVERYTHING])
    app = open_page("explore", model="demo", plan=EVERYTHING)
    assert "this plan, measured" in drawn(app)
    assert ">55 %<" in drawn(app), "facts, measured"
    assert "our prior and one measured plan of this model say" in text_of(app)


def test_abilities_need_the_unpruned_models_answers(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store)
    app = open_page("explore", model="demo", plan=EVERYTHING)
    app.button(key="ask_questions").click().run()
    assert not app.exception
    assert [request["task"] for request in asked] == ["baseline"], "one press asks for them"
