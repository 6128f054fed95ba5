"""The Recover page without a browser: requests, refusals, courses, results, ladders and tickets."""

import io
import time
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pruning.cli.command_line import command_line
from pruning.engine.criteria import CRITERIA
from pruning.jobs import runner
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.schedules import SCHEDULES
from pruning.planning.recipe.training import LOSSES, Training
from pruning.ui.data import recoveries
from pruning.ui.data.recoveries import Recovered
from pruning.ui.recover import charts as recover_chart
from pruning.ui.recover import form as recover_form
from pruning.ui.recover import result as recover_result
from pruning.ui.text import recovery as recover_words
from pruning.workspace.store import WAITING, Store
from tests.support import synthetic
from tests.ui.conftest import Open
from tests.ui.test_pages import text_of

PLAN = "all=0.5"


@pytest.fixture
def page(open_page: Open, store: Store) -> AppTest:
    synthetic.put_model(store)
    return open_page("recover", model="demo", plan=PLAN)


def train(app: AppTest, asked: list[dict]) -> dict[str, Any]:
    """Press the button; what was asked for, whose command can be written."""
    app.button(key="recover_start").click().run()
    assert not app.exception
    assert asked[-1]["task"] == "recover"
    assert "prunescope recover demo recipe.yaml" in command_line(asked[-1])
    return dict(asked[-1]["arguments"])


def over(store: Store) -> None:
    """All that was asked for is done, so that more can be."""
    for job in store.jobs(WAITING):
        store.update_job(job.id, state="done")


def label(app: AppTest, key: str) -> str:
    return app.button(key=key).label


# ---- the form ---------------------------------------------------------------------------------------


def test_there_are_words_for_everything_to_choose() -> None:
    assert (
        tuple(recover_words.LOSS) == tuple(recover_words.LOSS_HELP) == tuple(recover_words.LEARNS) == LOSSES
    )
    assert tuple(recover_words.SCHEDULE) == tuple(SCHEDULES)


def test_the_page_is_empty_without_a_model_and_without_a_plan(open_page: Open, store: Store) -> None:
    assert "No model yet" in text_of(open_page("recover"))
    synthetic.put_model(store)
    app = open_page("recover", model="demo")
    assert "Nothing is pruned yet" in text_of(app)
    assert app.button(key="ladder_start").disabled is False


def test_the_plan_of_explore_is_trained_with_good_defaults(page: AppTest, asked: list[dict]) -> None:
    found = train(page, asked)
    assert found == {"settings": [PLAN], "criterion": "fisher", "data": "demo", "recovery": {}}
    assert "not known yet" in text_of(page)


def test_any_measured_result_can_be_trained(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    synthetic.put_methods(store)
    app = open_page("recover", model="demo")
    box = app.selectbox(key="recover_source")
    assert len(box.options) == 7, "all that was measured, without what is trained already"
    chosen = next(name for name in box.options if name.startswith("2:4"))
    box.select(chosen).run()
    assert "all or nothing" in text_of(app)
    found = train(app, asked)
    assert (found["structure"], found["pattern"], found["criterion"]) == ("n:m", "2:4", "wanda")


def test_settings_reach_the_request(page: AppTest, asked: list[dict]) -> None:
    page.button_group(key="recover_loss").set_value("both").run()
    page.number_input(key="recover_steps").set_value(40).run()
    page.button_group(key="recover_schedule").set_value("cubic").run()
    page.number_input(key="recover_learning_rate").set_value(3e-5).run()
    page.number_input(key="recover_accumulate").set_value(2).run()
    page.number_input(key="recover_hidden").set_value(0.5).run()
    page.number_input(key="recover_patience").set_value(3).run()
    assert not page.exception
    training = Training.of(train(page, asked)["recovery"])
    assert training == Training(
        steps=40,
        loss="both",
        schedule="cubic",
        learning_rate=3e-5,
        accumulate=2,
        hidden=0.5,
        patience=3,
        prune_every=4,
        evaluate_every=20,
    )


def test_the_unpruned_model_writes_text_unless_told_not_to(page: AppTest, asked: list[dict]) -> None:
    def offered() -> bool:
        return any(one.key == "recover_written" for one in page.toggle)

    page.button_group(key="recover_loss").set_value("task").run()
    assert not offered()
    page.button_group(key="recover_loss").set_value("distill").run()
    page.toggle(key="recover_written").set_value(False).run()
    assert not page.exception
    assert train(page, asked)["recovery"] == {"written": 0}
    assert "--written 0" in command_line(asked[-1])


def test_weights_are_fitted_first_unless_told_not_to(page: AppTest, asked: list[dict]) -> None:
    page.button_group(key="recover_schedule").set_value("cubic").run()
    assert not any(one.key == "recover_refit" for one in page.toggle), "only where all goes at once"
    page.button_group(key="recover_schedule").set_value("one_shot").run()
    page.toggle(key="recover_refit").set_value(False).run()
    assert not page.exception
    assert train(page, asked)["recovery"] == {"refit": False}
    assert "--no-refit" in command_line(asked[-1])


def test_movement_is_offered_only_with_a_schedule(page: AppTest, asked: list[dict]) -> None:
    def boxes() -> list[str]:
        return [box.label for box in page.selectbox]

    assert "Weights are chosen by" not in boxes()
    page.button_group(key="recover_schedule").set_value("linear").run()
    page.selectbox(key="recover_criterion_fisher").set_value("movement").run()
    assert not page.exception
    assert train(page, asked)["criterion"] == "movement"
    page.number_input(key="recover_lora").set_value(4).run()
    assert "Weights are chosen by" not in boxes()


def test_low_rank_updates_without_their_package_are_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover_form, "find_spec", lambda name: None)
    page.number_input(key="recover_lora").set_value(8).run()
    assert any("pip install" in error.value for error in page.error)
    assert page.button(key="recover_start").disabled


@pytest.mark.parametrize("name", CRITERIA)
def test_only_what_changes_weights_or_whole_structures_goes_at_once(name: str) -> None:
    said = recover_words.why_at_once(name, MaskOptions())
    assert (said is not None) == CRITERIA[name].updates
    assert recover_words.why_at_once("fisher", MaskOptions(structure="neurons"))
    assert recover_words.why_at_once("fisher", MaskOptions(structure="n:m", pattern="2:4"))


def test_the_picture_of_a_schedule_ends_at_the_plan() -> None:
    plan, sizes = {(0, "up"): 0.5, (1, "up"): 0.9}, {(0, "up"): 300, (1, "up"): 100}
    for schedule in SCHEDULES:
        shares = recover_chart.gone_by_step(
            Training(steps=10, warmup=0, schedule=schedule, prune_every=2), plan, sizes
        )
        assert len(shares) == 11
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(0.6)
        assert (shares[0] == 0) == (schedule != "one_shot")
        assert shares[5] == pytest.approx(0.6), "half of the steps take all of it"


# ---- time -------------------------------------------------------------------------------------------


def test_the_time_it_takes_comes_from_earlier_trainings(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_recovery(store, ["all=0.4"])
    app = open_page("recover", model="demo", plan=PLAN)
    assert "about 5 min: 200 steps at 1.5 s each" in text_of(app)
    assert "before the first step took 11 min the last time" in text_of(app)
    app.toggle(key="recover_refit").set_value(False).run()
    assert "measuring, come on top" in text_of(app), "without the fit it takes another time"
    app.toggle(key="recover_refit").set_value(True).run()
    app.number_input(key="recover_batch").set_value(8).run()
    assert "about 10 min: 200 steps at 3.0 s each" in text_of(app)
    app.button_group(key="recover_loss").set_value("task").run()
    assert "of another kind: roughly" in text_of(app)


def test_the_time_before_the_first_step_is_of_a_like_preparation() -> None:
    def one(seconds: float | None, **settings: Any) -> Recovered:
        return Recovered("x", "name", {}, {"recovery": settings, "seconds_before": seconds}, 0.0)

    found = [one(None), one(5.0, refit=False), one(9.0, written=0), one(700.0, steps=50), one(800.0)]
    assert recoveries.seconds_before(found, Training()) == 700.0
    assert recoveries.seconds_before(found, Training(schedule="cubic")) == 5.0
    assert recoveries.seconds_before(found, Training(loss="task")) is None


# ---- the course -------------------------------------------------------------------------------------


def test_a_killed_training_says_where_it_goes_on(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    synthetic.put_recovery(store, [PLAN], {"steps": 200}, stopped_at=47)
    app = open_page("recover", model="demo", plan=PLAN)
    said = text_of(app)
    assert (
        "Stopped at step 47 of 200. The best weights, of step 40, are kept. It goes on from step 40" in said
    )
    assert label(app, "recover_start") == "Go on from step 40", "the same is asked for in the form"
    [button] = [b for b in app.button if b.key.startswith("go_on")]
    assert button.label == "Go on from step 40"
    assert "about 4 min: 160 steps" in said
    button.click().run()
    assert not app.exception
    assert Training.of(asked[-1]["arguments"]["recovery"]) == Training()
    assert asked[-1]["arguments"]["settings"] == [PLAN]


def test_a_running_training_shows_its_curves(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    value = synthetic.put_recovery(store, [PLAN], {"steps": 100}, stopped_at=47)
    [row] = store.find("recovery_course")
    request = {"task": "recover", "model": {"reference": "demo"}, "arguments": {}}
    job = store.add_job(request, "nobody")
    store.next_job("nobody")
    store.update_job(job, done=47, total=100)
    store.put("recovery_course", row["key"], {**value, "saved_step": 40, "told": time.time() + 1})
    app = open_page("recover", model="demo", plan=PLAN)
    assert "Training now: 50 % of weights, Fisher; 100 steps, distilled" in text_of(app)
    assert "KL 0.288 nats per token at step 40 (0.8 before training)" in text_of(app)
    assert not [b for b in app.button if b.key.startswith("go_on")]
    assert app.button(key="recover_start").disabled


def test_what_the_command_line_may_be_training_is_marked(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    value = synthetic.put_recovery(store, [PLAN], {"steps": 100}, stopped_at=47)
    assert "heard of" not in text_of(open_page("recover", model="demo"))
    [row] = store.find("recovery_course")
    store.put("recovery_course", row["key"], {**value, "saved_step": 40, "told": time.time() - 5})
    assert "If the command line is training it now" in text_of(open_page("recover", model="demo"))


def test_what_stopped_before_it_saved_starts_again() -> None:
    value = {"steps": 3, "best_step": None}
    assert "would start again" in recover_words.standing(value, 10, 0)
    assert recover_words.standing({"steps": 5, "best_step": 4}, 10, 5).endswith("It goes on from there.")


def test_a_stopped_training_can_be_thrown_away(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_recovery(store, [PLAN], {"steps": 100}, stopped_at=47)
    [row] = store.find("recovery_course")
    halfway = store.file("recovery", row["key"], ".resume.pt")
    halfway.write_bytes(b"half")
    app = open_page("recover", model="demo", plan=PLAN)
    [button] = [b for b in app.button if b.key.startswith("throw")]
    button.click().run()
    assert not app.exception
    assert not halfway.exists()
    assert store.find("recovery_course") == store.find("recovery") == []
    assert "Stopped at" not in text_of(app)


def test_of_a_row_and_a_course_the_one_that_says_more_is_shown(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    value = synthetic.put_recovery(store, [PLAN], {"steps": 100}, stopped_at=47)
    [row] = store.find("recovery_course")
    store.put("recovery", row["key"], {**value, "finished": False})
    assert "It goes on from step 40" in text_of(open_page("recover", model="demo", plan=PLAN))
    synthetic.put_recovery(store, [PLAN], {"steps": 100})
    assert "Stopped at" not in text_of(open_page("recover", model="demo", plan=PLAN))


# ---- the result -------------------------------------------------------------------------------------


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
    over(store)
    recovered.run().button(key="recovered_measure").click().run()
    assert asked[-1]["task"] == "measure"
    assert asked[-1]["arguments"]["recovery"] == {"steps": 60}


def test_another_recovery_can_be_looked_at(recovered: AppTest, asked: list[dict]) -> None:
    box = recovered.selectbox(key=recover_result.CHOSEN)
    box.select(next(name for name in box.options if "neurons" in name)).run()
    next(t for t in recovered.toggle if t.label == "Full-size, with zeros").set_value(True).run()
    recovered.button(key="recovered_export").click().run()
    assert not recovered.exception
    assert asked[-1]["arguments"]["masked"] is True
    assert asked[-1]["arguments"]["recipe"]["structure"] == "neurons"


def test_what_was_trained_is_not_offered_again(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_recovery(store, [PLAN], {"steps": 100})
    app = open_page("recover", model="demo", plan=PLAN)
    assert label(app, "recover_start") == "Train it"
    app.number_input(key="recover_steps").set_value(100).run()
    assert label(app, "recover_start") == "Trained already, see below"
    assert app.button(key="recover_start").disabled


def test_all_recoveries_go_into_a_table_to_take_away(recovered: AppTest, store: Store) -> None:
    shown = next(f.value for f in recovered.dataframe)
    assert len(shown) == 2
    rows = store.find("recovery")
    one = Recovered("x", "name", rows[0]["key"], rows[0]["value"], rows[0]["created"])
    stopped = replace(one, value={**one.value, "finished": False, "recovered": None, "won_back": None})
    text = recoveries.frame([one, stopped]).to_csv(index=False)
    again = pd.read_csv(io.StringIO(text))
    assert list(again["won_back_percent"].fillna(-1)) == [75, -1]
    assert list(again["state"]) == ["finished", "at step 60 of 60"]


def test_the_fit_before_the_first_step_is_told(open_page: Open, store: Store) -> None:
    figures = {"perplexity": 50.0, "agreement": 0.6, "accuracy": 0.3}
    looks = [{"step": 0, "kl": 0.8, **figures}, {"step": 0, "kl": 0.4, **figures}]
    assert recover_words.fit({"looks": looks}) is None
    assert "undone" in str(recover_words.fit({"refitted": False, "looks": looks[:1]}))
    [drawn] = recover_chart.looks(looks, 100, best=0).data
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


# ---- ladders and tickets ----------------------------------------------------------------------------


def test_a_ladder_is_asked_for(page: AppTest, asked: list[dict], store: Store) -> None:
    page.text_input(key="ladder_levels").set_value("0.2,0.4").run()
    page.button(key="ladder_start").click().run()
    assert asked[-1]["arguments"] == {
        "levels": [0.2, 0.4],
        "criterion": "fisher",
        "data": "demo",
        "max_kl": 0.3,
    }
    over(store)
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


def test_a_ticket_is_asked_for(page: AppTest, asked: list[dict], store: Store) -> None:
    page.number_input(key="ticket_steps").set_value(20).run()
    page.button(key="ticket_start").click().run()
    assert not page.exception
    found = asked[-1]["arguments"]
    assert (found["settings"], found["rounds"], found["rewind"]) == (["all=0.8"], 3, 0)
    assert found["recovery"] == {"steps": 20, "warmup": 5}
    over(store)
    page.button_group(key="ticket_rewind").set_value("Early in training").run()
    page.selectbox(key="ticket_of").set_value("The plan of Explore").run()
    page.button(key="ticket_start").click().run()
    assert (asked[-1]["arguments"]["settings"], asked[-1]["arguments"]["rewind"]) == ([PLAN], 2)
    assert "prunescope lottery demo" in command_line(asked[-1])


def test_a_ticket_of_no_plan_is_refused(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    app = open_page("recover", model="demo")
    app.selectbox(key="ticket_of").set_value("The plan of Explore").run()
    assert any("Nothing is set on Explore" in error.value for error in app.error)
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
    told = [{"draw": {"name": name, **quality}} for name in ("dense", "round 1")]
    monkeypatch.setattr(runner(), "partials", lambda job: told)
    request = {"task": "lottery", "model": {"reference": "demo"}, "arguments": {}}
    store.add_job(request, "nobody")
    app = open_page("recover", model="demo")
    table = next(t.value for t in app.table if t.value.index.name == "Network")
    assert list(table.index) == ["Unpruned, trained as long", "Round 1"]


def test_ladder_levels_must_be_levels(page: AppTest) -> None:
    page.text_input(key="ladder_levels").set_value("0").run()
    assert any("above 0" in error.value for error in page.error)
