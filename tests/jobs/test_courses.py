"""Which stages a request goes through, by its arguments and by what is there already."""

from pathlib import Path
from typing import Any

import pytest

from pruning.jobs.asked import Held
from pruning.jobs.courses import course_of
from pruning.jobs.stages import Course, Stage
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.workspace import results
from pruning.workspace.store import Store

MODEL: dict[str, Any] = {"reference": "demo", "dtype": "float32", "device": "auto"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    facts = {
        "fingerprint": "f",
        "parameters": 100,
        "layers": 2,
        "groups": [{"kind": "up"}, {"kind": "down"}] * 2,
    }
    store.put("inspect", {"reference": "demo", "dtype": "float32"}, facts)
    results.put_text(store, results.Subject("f", "demo", "d"), None)
    return store


def request(task: str, **arguments: Any) -> dict[str, Any]:
    return {"task": task, "model": MODEL, "arguments": arguments}


def names(course: Course) -> list[str]:
    return [stage.name for stage in course.stages()]


def test_loading_is_a_part_of_every_job(store: Store) -> None:
    assert names(course_of(request("inspect"), store)) == ["start", "load"]
    assert names(course_of(request("map"), store))[:4] == ["start", "load", "text", "dense"]


def test_a_new_model_is_fetched_and_unpacked_first(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(reference: str, dtype: str = "bfloat16") -> list[str]:
        model = {"reference": reference, "dtype": dtype}
        return names(course_of({"task": "inspect", "model": model, "arguments": {}}, store))

    monkeypatch.setattr("pruning.jobs.courses.demo_folder", lambda: tmp_path / "demo")
    assert begin("demo") == ["start", "fetch", "convert", "load"]
    (tmp_path / "demo").mkdir()
    assert begin("demo") == ["start", "load"]
    assert begin("owner/model") == ["start", "fetch", "load"]
    assert begin(str(tmp_path / "model.gguf")) == ["start", "convert", "load"]
    assert begin(str(tmp_path)) == ["start", "load"]


@pytest.mark.parametrize(
    "strange",
    [
        {"task": "what a newer version asks for"},
        {"task": None, "model": None, "arguments": None},
        request("measure", structure="what is not there"),
        request("recover", recovery={"steps": "many"}),
        request("export", recipe="not a recipe"),
    ],
)
def test_what_is_not_understood_has_one_stage_without_a_name(store: Store, strange: dict[str, Any]) -> None:
    assert names(course_of(strange, store)) == ["start", "load", ""]


def test_what_the_workspace_has_is_only_read(store: Store) -> None:
    key = {"fingerprint": "f", "data_fingerprint": "d"}
    assert "statistics" in names(course_of(request("map"), store))
    store.file("statistics", key, ".safetensors").touch()
    assert "statistics" not in names(course_of(request("map"), store))
    assert "read_statistics" in names(course_of(request("map"), store))
    assert "statistics" in names(course_of(request("map", data="another"), store)), "another text"


def test_an_export_does_not_measure_what_is_measured(store: Store) -> None:
    entry, data = ModelEntry(reference="demo", fingerprint="f"), DataEntry(name="demo")
    groups = [(layer, kind) for layer in range(2) for kind in ("up", "down")]
    recipe = Recipe.from_plan(parse_settings(["up=0.3"], groups), groups, entry, data, "fisher")
    export = request("export", recipe=recipe.to_dict(), name="half")
    assert {"evaluate", "questions", "save", "verify"} <= set(names(course_of(export, store)))
    key = {"fingerprint": "f", "data": "demo", "criterion": "fisher", "settings": recipe.settings()}
    store.put("measure", key, {"data_fingerprint": "an older text"})
    assert "evaluate" in names(course_of(export, store))
    store.put("measure", key, {"data_fingerprint": "d"})
    assert not {"evaluate", "questions"} & set(names(course_of(export, store)))
    assert {"choose", "save", "verify"} <= set(names(course_of(export, store)))


def test_work_grows_with_what_is_asked_for(store: Store) -> None:
    def units(task: str, stage: str, **arguments: Any) -> float:
        return sum(s.units for s in course_of(request(task, **arguments), store).stages() if s.name == stage)

    assert units("map", "price") == 9
    assert units("map", "price", levels=[0.1, 0.2]) == 2
    assert units("sweep", "points", levels=[0.5], criterion="magnitude") == 4
    assert units("sweep", "points", levels=[0.3, 0.5], layers=[1], kinds=["up"], criterion="magnitude") == 2
    assert units("recover", "train", settings=["all=0.5"], recovery={"steps": 10, "batch": 3}) == 30
    few = {"prompts": ["a"], "plans": [["all=0.5"]], "max_new_tokens": 10}
    assert units("generate", "answer", **few) == 20
    assert units("generate", "answer", **{**few, "prompts": ["a", "b"]}) == 40


def test_rounds_are_left_out_and_added_at_the_end() -> None:
    course = Course((Stage("a"),), ((Stage("b"),), (Stage("c"),)), (Stage("d"),))
    assert names(course.with_rounds(1)) == ["a", "b", "d"]
    assert names(course.with_rounds(4)) == ["a", "b", "c", "c", "c", "d"]
    assert names(course.without(["b", "d"])) == ["a", "c"]


def test_what_a_process_has_in_memory_is_not_made_again() -> None:
    done, asked = {"event": "done"}, request("map", data="demo")
    held = Held().after(asked, done, {"start", "load", "dense"})
    assert held.ready(request("measure")) == {"start", "load", "text", "dense"}
    assert held.ready(request("measure", data="another")) == {"start", "load"}
    other = {**asked, "model": {**MODEL, "reference": "other"}}
    assert held.ready(other) == {"start"}
    assert held.after(other, {"event": "failed", "unexpected": False}, set()).ready(asked) == {"start"}
    assert held.after(asked, {"event": "failed", "unexpected": True}, set()).ready(asked) == {"start"}
    assert held.after(asked, {"event": "gone"}, set()).ready(asked) == set()
    assert held.after(asked, {"event": "cancelled"}, set()).ready(asked) == {"start", "load", "text", "dense"}
