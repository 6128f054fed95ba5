"""Every task goes through the stages that are expected of it, and its bar through no great leap."""

from pathlib import Path
from typing import Any

import pytest

from pruning.jobs.asked import FACTORS, GRADIENTS, UPDATES
from pruning.jobs.clock import MOST, JobClock
from pruning.jobs.courses import course_of
from pruning.jobs.stages import PASSES
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.progress import Place, StageProgress
from pruning.tasks import TASKS, Session
from pruning.workspace.task_registry import ROWS

HALF = {"settings": ["all=0.5"], "criterion": "magnitude"}
FEW = {"steps": 8, "batch": 2, "warmup": 1, "evaluate_every": 4}
ANSWER = {"prompts": ["The river"], "plans": [["all=0.3"], ["up=0.5"]], "max_new_tokens": 4}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("text", {}),
    ("baseline", {}),
    ("latency", {}),
    ("outliers", {}),
    ("map", {}),
    ("map", {"criterion": "snip", "levels": [0.5]}),
    ("sweep", {"levels": [0.3, 0.6], "kinds": ["up", "down"]}),
    ("sweep", {"levels": [0.5], "kinds": ["up"], "criterion": "sparsegpt"}),
    ("capabilities", {"levels": [0.5]}),
    ("measure", HALF),
    ("measure", {"settings": ["all=0.5"], "criterion": "sparsegpt"}),
    ("measure", {"settings": ["neurons=0.25"], "structure": "neurons"}),
    ("measure", {"settings": ["layers@1=1"], "structure": "layers"}),
    ("calibrate", {"criterion": "magnitude"}),
    ("calibrate", {"structure": "neurons"}),
    ("best", {"sparsity": 0.3}),
    ("best", {"sparsity": 0.3, "structure": "neurons"}),
    ("best", {"sparsity": 0.34, "structure": "layers"}),
    ("solve", {"targets": ["sparsity=0.3"]}),
    ("solve", {"targets": ["speedup=1.01"], "structure": "neurons"}),
    ("recipe", {"best": 0.3}),
    ("first_look", {"smaller": 0.05, "max_new_tokens": 4}),
    ("generate", {**ANSWER, "criterion": "magnitude"}),
    ("generate", ANSWER),
    ("recover", {**HALF, "recovery": FEW}),
    ("recover", {**HALF, "recovery": {**FEW, "refit": False, "written": 2}}),
    ("progressive", {"levels": [0.3, 0.6], "criterion": "magnitude", "max_kl": 0.01, "recovery": FEW}),
    ("lottery", {"settings": ["all=0.5"], "rounds": 2, "recovery": FEW}),
    ("early_exit", HALF),
    ("quantize", HALF),
    ("quantize", {}),
    ("quantize", {"settings": ["neurons=0.25"], "structure": "neurons"}),
    ("impact", {"only": ["magnitude_50", "channels_25", "best_50"]}),
    ("impact", {"only": ["lottery_80"], "lottery_steps": 2}),
]


def names(request: tuple[str, dict[str, Any]]) -> str:
    return "-".join([request[0], *(str(value) for value in request[1].values() if isinstance(value, str))])


def followed(session: Session, task: str, arguments: dict[str, Any]) -> tuple[list[float], set[str]]:
    """The bar at every report, by the work that is expected alone, and the stages that nobody expected."""
    model = {"reference": session.loaded.reference, "dtype": "float32", "device": "auto"}
    request = {"task": task, "model": model, "arguments": {**arguments, "data": session.data}}
    course = course_of(request, session.store).without({"start", "load"})
    clock, bars = JobClock(course, lambda _: None, 0.0), [0.0]
    expected, strange = {stage.name for stage in course.stages()}, set()

    def hear(place: Place, share: float | None, note: str, partial: dict[str, Any] | None) -> None:
        clock.report(place, share, 0.0)
        bars.append(clock.look(0.0)[0])
        strange.update({place.stage} - expected - {""})

    TASKS[task](session.reporting(StageProgress(hear)), **arguments)
    return bars, strange


@pytest.mark.usefixtures("time_by_weights")
@pytest.mark.parametrize("request_", REQUESTS, ids=names)
def test_a_task_keeps_to_its_stages(
    session: Session, request_: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, arguments = request_
    monkeypatch.setattr("pruning.tasks.variants.quantized", lambda model, *_: model)
    TASKS["inspect"](session)
    check(*followed(session, task, arguments))


def test_an_export_keeps_to_its_stages(session: Session, tmp_path: Path) -> None:
    for structure, setting in (("unstructured", "all=0.5"), ("neurons", "neurons=0.25")):
        about = ModelEntry(reference="tiny", fingerprint=session.loaded.fingerprint)
        groups = session.plan_groups(structure)
        plan = session.plan([setting])
        data, masks = DataEntry(name=session.data), MaskOptions(structure=structure)
        recipe = Recipe.from_plan(plan, groups, about, data, "fisher", masks)
        arguments = {"recipe": recipe.to_dict(), "out": str(tmp_path / structure)}
        check(*followed(session, "export", arguments))


def test_a_comparison_keeps_to_its_stages(session: Session) -> None:
    check(*followed(session, "diff", {"other": session.loaded.reference}))


def check(bars: list[float], strange: set[str]) -> None:
    assert strange == set()
    assert bars == sorted(bars)
    assert bars[-1] <= MOST
    leaps = [after - before for before, after in zip(bars, [*bars[1:], 1.0], strict=True)]
    assert max(leaps) <= 0.6


def test_every_task_is_followed_here() -> None:
    """`inspect` and `import` have nothing to do once the model is loaded."""
    tasks = {row.name for row in ROWS}
    assert {name for name, _ in REQUESTS} | {"export", "diff", "inspect", "import"} == tasks


def test_every_stage_has_its_work(session: Session) -> None:
    for task, arguments in REQUESTS:
        request = {"task": task, "model": {"reference": session.loaded.reference}, "arguments": arguments}
        assert {stage.name for stage in course_of(request, session.store).stages()} <= PASSES.keys()


def test_what_criteria_need_is_known_without_torch() -> None:
    from pruning.engine.criteria import CRITERIA

    assert {name for name, c in CRITERIA.items() if {"inputs", "outputs"} & set(c.needs)} == FACTORS
    assert {name for name, c in CRITERIA.items() if "gradients" in c.needs} == GRADIENTS
    assert {name for name, c in CRITERIA.items() if c.updates} == UPDATES
