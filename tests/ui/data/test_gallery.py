"""What pages read of the gallery goes into the same drawing functions as a user's own results."""

from typing import Any

import pytest

from pruning.planning.cost.latency_table import MODES
from pruning.planning.recipe.guide_claims import TECHNIQUES, verdict
from pruning.ui.data import gallery, recoveries
from pruning.ui.data import results as method_results
from pruning.ui.impact import chart as impact_chart
from pruning.ui.methods import chart as method_chart
from pruning.ui.recover import charts as recover_charts
from pruning.ui.shared import token_html
from pruning.ui.speed import charts as speed_charts
from pruning.ui.text import impact as impact_words
from pruning.ui.text import recovery as recover_words
from pruning.ui.text import speed as speed_words
from pruning.workspace import gallery as stored
from pruning.workspace.store import Store
from tests.support import synthetic


@pytest.fixture
def elsewhere(store: Store) -> Store:
    """A workspace in which nothing was measured, with the made-up model."""
    synthetic.put_model(store)
    return store


def test_it_says_in_a_sentence_whose_figures_they_are() -> None:
    made = stored.read()["made"]
    said = gallery.where()
    assert said == f"{made['day']}, commit {made['commit']}, {made['machine']}"


def test_a_version_is_named_where_there_was_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    value: Any = {**stored.read(), "made": {"day": "2026-11-30", "commit": "version 1.0", "machine": "a CPU"}}
    monkeypatch.setattr(gallery, "_gallery", lambda: value)
    assert gallery.where() == "2026-11-30, version 1.0, a CPU"


def test_the_table_beside_the_guide_is_drawn() -> None:
    rows = gallery.impact()
    assert list(rows) == [technique.name for technique in TECHNIQUES if not technique.training]
    for family in impact_words.families():
        pairs = [(technique, rows[technique.name]) for technique in family if technique.name in rows]
        assert len(impact_words.table(pairs)) or not pairs
    assert all(verdict(row, list(rows.values())).text == row["verdict"]["text"] for row in rows.values())
    for metric in ("KL", "Perplexity"):
        assert impact_chart.costs(list(rows.values()), metric).data
    assert impact_words.csv(list(rows.values()), {n: verdict(r, [*rows.values()]) for n, r in rows.items()})


def test_plans_are_drawn_and_listed_as_ones_own() -> None:
    plans = gallery.plans()
    assert len({plan.id for plan in plans}) == len(plans) == 3
    assert [plan.best for plan in plans] == [False, False, False]
    assert [plan.structure for plan in plans] == ["n:m", "neurons", "heads"]
    assert method_chart.figure(plans, plans[0].id).data
    frame = method_results.frame(plans)
    assert len(frame) == 3
    assert all(method_results.file_bytes(plan) > 0 for plan in plans)
    assert {"settings", "criterion"} <= set(plans[0].arguments())


def test_the_recovery_is_drawn_as_ones_own() -> None:
    recovery = gallery.recovery()
    assert recovery.finished
    assert recovery.name.startswith("50 % of weights, ")
    assert recover_words.verdict(recovery.value)
    value, steps = recovery.value, recovery.training.steps
    assert recover_charts.three_models(value).data
    assert recover_charts.losses(value["losses"], steps).data
    assert recover_charts.evaluations(value["looks"], steps, value["best_step"]).data
    assert len(recoveries.frame([recovery])) == 1


def test_answers_are_those_of_every_plan_to_every_prompt() -> None:
    answers = gallery.answers()
    assert answers.titles == tuple(plan.name for plan in gallery.plans())
    assert len(answers.asked) >= 2
    for by_plan in answers.asked.values():
        assert [len(rows) for rows in by_plan] == [1] * len(answers.titles)
        assert token_html.answer(by_plan[0][0], answers.titles[0])
        assert token_html.summary(by_plan[0][0])


def test_times_are_drawn_as_ones_own() -> None:
    timings = gallery.timings()
    assert timings.table.machine in gallery.where()
    assert 0 <= timings.busy <= 1
    for mode in MODES:
        assert speed_charts.speedups(timings.table, mode).data
    assert len(speed_words.sparse_table(timings.sparse))


def test_ones_own_results_are_not_mixed_with_it(elsewhere: Store) -> None:
    """Reading it puts nothing into the workspace, and what pages ask of the workspace has nothing of it."""
    gallery.plans(), gallery.impact(), gallery.recovery(), gallery.answers(), gallery.timings()
    for kind in ("measure", "impact", "recovery", "answer", "latency", "baseline"):
        assert not elsewhere.find(kind)


def test_what_a_page_alters_is_its_own() -> None:
    gallery.impact()["magnitude_50"]["kl"] = -1.0
    gallery.plans()[0].figures["kl"] = -1.0
    assert gallery.impact()["magnitude_50"]["kl"] > 0
    assert gallery.plans()[0].figures["kl"] > 0
