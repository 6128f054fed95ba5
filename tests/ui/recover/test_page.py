"""The Recover page: trainings under way and stopped ones."""

import time

from pruning.planning.recipe.training import Training
from pruning.ui.text import recovery as recover_words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.recover.conftest import PLAN, label


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
