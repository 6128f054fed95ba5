"""What is expected of stages by those that were timed on this machine."""

from pathlib import Path
from typing import Any

import pytest

from pruning.jobs.history import KEPT, History
from pruning.jobs.stages import PASSES, Course, Stage
from pruning.workspace.store import Store

DEMO: dict[str, Any] = {"reference": "demo", "dtype": "float32", "device": "auto"}
OTHER = {**DEMO, "reference": "other"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def inspected(store: Store, model: dict[str, Any], parameters: int) -> None:
    store.put("inspect", {"reference": model["reference"], "dtype": "float32"}, {"parameters": parameters})


def test_nothing_is_expected_where_nothing_was_timed(store: Store) -> None:
    assert History(store, DEMO).seconds(Stage("dense")) is None
    assert History(store, DEMO).total(Course((Stage("dense"),))) is None


def test_the_middle_of_the_last_times_counts(store: Store) -> None:
    for seconds in (999.0, 999.0, 1.0, 2.0, 3.0, 4.0, 50.0):
        History(store, DEMO).keep({"price": (9 * seconds, 9.0)})
    assert KEPT == 5
    assert History(store, DEMO).seconds(Stage("price", 4)) == pytest.approx(4 * 3.0)


def test_what_was_never_timed_is_judged_by_forward_passes(store: Store) -> None:
    History(store, DEMO).keep({"dense": (2 * PASSES["dense"], 1.0), "start": (100.0, 1.0)})
    history = History(store, DEMO)
    assert history.seconds(Stage("fetch")) is None, "the network is no matter of forward passes"
    assert history.seconds(Stage("statistics")) == pytest.approx(2 * PASSES["statistics"])
    course = Course((Stage("dense"),), ((Stage("evaluate"),),) * 3)
    assert history.total(course) == pytest.approx(2 * (PASSES["dense"] + 3 * PASSES["evaluate"]))


def test_another_model_is_judged_by_its_parameters(store: Store) -> None:
    inspected(store, DEMO, 100)
    History(store, DEMO).keep({"dense": (2.0, 1.0), "start": (5.0, 1.0)})
    assert History(store, OTHER).seconds(Stage("dense")) is None, "its size is not known"
    inspected(store, OTHER, 300)
    assert History(store, OTHER).seconds(Stage("dense")) == pytest.approx(6.0)
    assert History(store, OTHER).seconds(Stage("start")) == pytest.approx(5.0)
    History(store, OTHER).keep({"dense": (8.0, 1.0)})
    assert History(store, OTHER).seconds(Stage("dense")) == pytest.approx(8.0), "its own times come first"


def test_another_device_and_another_machine_tell_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    History(store, DEMO).keep({"dense": (2.0, 1.0)})
    assert History(store, {**DEMO, "device": "cuda"}).seconds(Stage("dense")) is None
    monkeypatch.setattr("pruning.jobs.history.processor", lambda: "another")
    assert History(store, DEMO).seconds(Stage("dense")) is None
