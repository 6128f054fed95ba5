"""Whatever task measured a plan, its figures are found by the plan; what was trained is kept apart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pruning.benchmarks import synthetic as made_up
from pruning.planning.recipe.plan import Plan, parse_settings, plan_id
from pruning.workspace import results
from pruning.workspace.plan_figures import READERS
from pruning.workspace.results import Measurement
from pruning.workspace.store import Store
from tests.support import synthetic

MAP = made_up.sensitivity_map(layers=2)
SAME = {"fingerprint": MAP.fingerprint, "data": MAP.data}
TEXT = {"data_fingerprint": MAP.data_fingerprint}
SETTINGS = ["all=0.5"]
HOW = {"criterion": "fisher", "settings": SETTINGS}
PLAIN = {"kl": 0.7, "perplexity": 60.0, "agreement": 0.6, "accuracy": 0.3}
TRAINED = {"kl": 0.2, "perplexity": 40.0, "agreement": 0.8, "accuracy": 0.35}
STEPS = {"steps": 60}
PLAN = parse_settings(SETTINGS, MAP.groups)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def put_measure(store: Store) -> None:
    store.put("measure", {**SAME, **HOW}, {**PLAIN, **HOW, **TEXT, "bytes": 9, "probe_accuracy": 0.5})


def put_measure_recovered(store: Store) -> None:
    value = {**TRAINED, **HOW, **TEXT, "bytes": 9, "recovery": STEPS}
    store.put("measure_recovered", {**SAME, **HOW, "recovery": STEPS}, value)


def put_export(store: Store) -> None:
    value = {**PLAIN, **HOW, **TEXT, "bytes": 5000, "sparse_bytes": 9, "recipe": {"recovery": None}}
    store.put("export", {"fingerprint": MAP.fingerprint, "out": "/there"}, {**value, "out": "/there"})


def put_recovery(store: Store) -> None:
    value = {**HOW, "recovery": STEPS, "finished": True, "bytes": 9, "dense": {"perplexity": 33.8}}
    key = {**SAME, **TEXT, **HOW, "recovery": STEPS}
    store.put("recovery", key, {**value, "pruned": PLAIN, "recovered": TRAINED})


def put_course(store: Store) -> None:
    value = {**HOW, "recovery": STEPS, "pruned": PLAIN, "steps": 12}
    store.put("recovery_course", {**SAME, **TEXT, **HOW, "recovery": STEPS}, value)


def put_ladder(store: Store) -> None:
    levels = [
        {**PLAIN, "settings": SETTINGS, "recovered": False},
        {**TRAINED, "settings": ["all=0.7"], "recovered": True},
    ]
    store.put("ladder", {**SAME, **TEXT, "criterion": "fisher", "recovery": STEPS}, {"rows": levels})


def put_impact(store: Store) -> None:
    key = {**SAME, **TEXT, "device": "cpu"}
    value = {**PLAIN, **HOW, "data": "demo", "options": {}, "bytes": 1}
    store.put("impact", {**key, "name": "quarter"}, value)
    store.put("impact", {**key, "name": "lottery"}, {**value, **TRAINED, "rounds": 2, "settings": ["up=0.9"]})
    store.put("impact", {**key, "name": "heads"}, {"refused": "It has none."})
    units = {"structure": "neurons"}
    store.put("impact", {**key, "name": "neurons"}, {**value, "options": units, "settings": ["neurons=0.5"]})


def put_quantize(store: Store) -> None:
    forms = [(False, None, 0.0), (False, "int8", 0.1), (True, None, 0.7), (True, "int8", 0.8)]
    rows = [{**PLAIN, "pruned": pruned, "method": name, "kl": kl, "bytes": 9} for pruned, name, kl in forms]
    value = {**HOW, **TEXT, "tokens": 4096, "rows": rows}
    store.put("quantize", {**SAME, **HOW, "methods": ["int8"]}, value)


def put_early_exit(store: Store) -> None:
    depths = [{**PLAIN, "depth": depth, "kl": kl} for depth, kl in ((1, 5.0), (2, 0.7))]
    value = {**HOW, **TEXT, "tokens": 4096, "layers": 2, "depths": depths, "sure": []}
    store.put("early_exit", {**SAME, **HOW, "thresholds": [0.5]}, value)


# By kind of row: what puts one, and whether it says how good the plan is without and after training.
ROWS: dict[str, tuple[Callable[[Store], None], bool, bool]] = {
    "measure": (put_measure, True, False),
    "measure_recovered": (put_measure_recovered, False, True),
    "export": (put_export, True, False),
    "recovery": (put_recovery, True, True),
    "recovery_course": (put_course, True, False),
    "ladder": (put_ladder, True, False),
    "impact": (put_impact, True, False),
    "quantize": (put_quantize, True, False),
    "early_exit": (put_early_exit, True, False),
}


def measured(store: Store, plan: Plan = PLAN) -> tuple[Measurement | None, Measurement | None]:
    """What is there of the plan without training, and after it."""
    rows = [row for row in results.measurements(store, MAP) if plan_id(row.plan) == plan_id(plan)]
    apart = [[row for row in rows if (row.recovery is not None) == trained] for trained in (False, True)]
    return apart[0][0] if apart[0] else None, apart[1][0] if apart[1] else None


def test_every_kind_that_holds_measurements_has_a_row() -> None:
    assert set(ROWS) == set(READERS)


@pytest.mark.parametrize("kind", ROWS)
def test_a_plan_is_measured_whichever_task_did_it(store: Store, kind: str) -> None:
    put, untrained, trained = ROWS[kind]
    put(store)
    plain, after = measured(store)
    assert (plain is not None, after is not None) == (untrained, trained)
    if plain is not None:
        assert plain.figures["kl"] == 0.7
        assert {"perplexity", "agreement", "accuracy", "bytes", "sparsity"} <= set(plain.figures)
        assert plain.figures["sparsity"] == pytest.approx(0.5)
        assert plain.figures["bytes"] not in (1, 5000), "no other form's, and no folder's"
        assert plain.figures["file_bytes"] == MAP.dense["bytes"], "the ordinary file holds the zeros"
    if after is not None:
        assert (after.figures["kl"], after.recovery) == (0.2, STEPS)
    assert len(results.measurements(store, MAP)) == untrained + trained


@pytest.mark.parametrize("kind", ROWS)
def test_the_forecast_is_fitted_to_plans_without_training(store: Store, kind: str) -> None:
    put, untrained, _ = ROWS[kind]
    put(store)
    assert [figures["kl"] for _, figures in results.measured_plans(store, MAP)] == [0.7] * untrained
    assert results.forecaster(store, MAP).fit.measured == untrained


@pytest.mark.parametrize("kind", ROWS)
def test_another_text_criterion_or_structure_is_another_plan(store: Store, kind: str) -> None:
    ROWS[kind][0](store)
    for row in store.find(kind):
        store.remove(kind, row["key"])
        for fields in ({"data_fingerprint": "older"}, {"criterion": "wanda"}, {"structure": "block"}):
            both = [
                {**part, **{n: v for n, v in fields.items() if n in part}}
                for part in (row["key"], row["value"])
            ]
            if "structure" in fields:
                both[1] = {
                    **both[1],
                    "structure": "block",
                    "block": "16x16",
                    "options": {**fields, "block": "16x16"},
                }
            store.put(kind, {**both[0], "other": str(fields)}, both[1])
    assert results.measurements(store, MAP) == []


def test_the_fullest_measurement_is_taken_and_named_once(store: Store) -> None:
    put_measure(store)
    for put, _, _ in ROWS.values():
        put(store)
    plain, after = measured(store)
    assert plain is not None
    assert plain.figures["probe_accuracy"] == 0.5
    assert after is not None
    assert len(results.measurements(store, MAP)) == 2


@pytest.mark.parametrize(
    "spelled",
    [
        [f"{kind}=0.5" for kind in ("down", "up", "gate", "attn_out", "qkv")],
        ["all=0.2", "all=0.5"],
        ["all=0.3", "qkv@0-1=0.5", "attn_out=0.5", "gate=0.5", "up=0.5", "down@1,0=0.5"],
        ["all=0.5000000001"],
    ],
)
def test_a_plan_is_the_same_however_it_is_spelled(store: Store, spelled: list[str]) -> None:
    put_measure(store)
    assert measured(store, parse_settings(spelled, MAP.groups))[0] is not None
    how = {**HOW, "settings": spelled}
    other = Store(store.root / "other")
    other.put("measure", {**SAME, **how}, {**PLAIN, **how, **TEXT})
    assert measured(other)[0] is not None
    assert measured(other, parse_settings(["all=0.5", "up=0.4"], MAP.groups)) == (None, None)


def test_answers_are_found_by_plan_and_text_at_every_length(store: Store) -> None:
    table = synthetic.sensitivity_map()
    for length in (40, 80):
        synthetic.put_answer(store, table, SETTINGS, max_new_tokens=length)
    synthetic.put_answer(store, table, ["up=0.1"])
    synthetic.put_answer(store, synthetic.sensitivity_map(criterion="wanda"), SETTINGS)
    key = store.find("answer", criterion="fisher", settings=["up=0.1"])[0]["key"]
    value: dict[str, Any] = store.get("answer", key) or {}
    store.put("answer", {**key, "data_fingerprint": "older"}, value)
    store.put(
        "answer",
        {**key, "structure": "n:m", "pattern": "2:4"},
        {**value, "structure": "n:m"} | {"pattern": "2:4"},
    )
    plan = parse_settings(SETTINGS, table.groups)
    lengths = [row.value["max_new_tokens"] for row in results.answers(store, table) if row.plan == plan]
    assert lengths == [80, 40]
    assert len(results.answers(store, table)) == 3
