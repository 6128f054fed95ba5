"""The Recover page's form: requests, refusals, and the time that training takes."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruning.cli.reference.command_line import command_line
from pruning.engine.criteria import CRITERIA
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.schedules import SCHEDULES
from pruning.planning.recipe.training import LOSSES, Training
from pruning.ui.data import recoveries
from pruning.ui.data.recoveries import Recovered
from pruning.ui.recover import form
from pruning.ui.text import recovery as recover_words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.recover.conftest import PLAN, label


def train(app: AppTest, asked: list[dict]) -> dict[str, Any]:
    """Press the button; what was asked for, whose command can be written."""
    app.button(key="recover_start").click().run()
    assert not app.exception
    assert asked[-1]["task"] == "recover"
    assert "prunescope recover demo recipe.yaml" in command_line(asked[-1])
    return dict(asked[-1]["arguments"])


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
    arguments = train(page, asked)
    assert arguments == {"settings": [PLAN], "criterion": "fisher", "data": "demo", "recovery": {}}
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
    arguments = train(app, asked)
    assert (arguments["structure"], arguments["pattern"], arguments["criterion"]) == ("n:m", "2:4", "wanda")


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

    assert "Criterion while training" not in boxes()
    page.button_group(key="recover_schedule").set_value("linear").run()
    page.selectbox(key="recover_criterion_fisher").set_value("movement").run()
    assert not page.exception
    assert train(page, asked)["criterion"] == "movement"
    page.number_input(key="recover_lora").set_value(4).run()
    assert "Criterion while training" not in boxes()


def test_low_rank_updates_without_their_package_are_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "find_spec", lambda name: None)
    page.number_input(key="recover_lora").set_value(8).run()
    assert any("pip install" in error.value for error in page.error)
    assert page.button(key="recover_start").disabled


@pytest.mark.parametrize("name", CRITERIA)
def test_only_what_changes_weights_or_whole_structures_goes_at_once(name: str) -> None:
    said = recover_words.why_at_once(name, MaskOptions())
    assert (said is not None) == CRITERIA[name].updates
    assert recover_words.why_at_once("fisher", MaskOptions(structure="neurons"))
    assert recover_words.why_at_once("fisher", MaskOptions(structure="n:m", pattern="2:4"))


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
    def recovery(seconds: float | None, **settings: Any) -> Recovered:
        return Recovered("x", "name", {}, {"recovery": settings, "seconds_before": seconds}, 0.0)

    recovered = [
        recovery(None),
        recovery(5.0, refit=False),
        recovery(9.0, written=0),
        recovery(700.0, steps=50),
        recovery(800.0),
    ]
    assert recoveries.seconds_before(recovered, Training()) == 700.0
    assert recoveries.seconds_before(recovered, Training(schedule="cubic")) == 5.0
    assert recoveries.seconds_before(recovered, Training(loss="task")) is None


def test_what_was_trained_is_not_offered_again(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_recovery(store, [PLAN], {"steps": 100})
    app = open_page("recover", model="demo", plan=PLAN)
    assert label(app, "recover_start") == "Train it"
    app.number_input(key="recover_steps").set_value(100).run()
    assert label(app, "recover_start") == "Trained already, see below"
    assert app.button(key="recover_start").disabled
