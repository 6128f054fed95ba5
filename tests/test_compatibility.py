"""Workspaces, recipes and requests of older versions: `data/` was made before modules moved and were renamed.

The model is the tiny Llama, by the reference "tiny-llama"; the text is text.txt of 60 paragraphs.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pruning.engine.criteria import CRITERIA, LEARNT
from pruning.engine.models.load import Loaded, load
from pruning.jobs.supervisor import Runner
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.recipe import Recipe
from pruning.tasks import TASKS, Session
from pruning.tasks.context.apply import spec_of
from pruning.tasks.measure import stored_figures
from pruning.workspace import results
from pruning.workspace.results import Subject
from pruning.workspace.runs import runs
from pruning.workspace.store import Store
from tests.support.texts import write_text
from tests.support.tiny import tiny_folder

DATA = Path(__file__).parent / "data"
SUBJECT = Subject("56d0b5893e77a1d9", "text.txt", "7a81bdc8181051fe")
# KL in nats per token, measured by the version that wrote the recipe.
KLS = {
    "recipe.yaml": 0.049767748788615965,
    "recipe24.yaml": 0.22668691673658228,
    "recipe-corrected.yaml": 0.053847427239073146,
    "recipe-neurons.yaml": 0.022781429984585044,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the workspace, the recipes, the model and the text of then."""
    folder = tmp_path_factory.mktemp("then")
    shutil.copytree(DATA, folder, dirs_exist_ok=True)
    tiny_folder(folder / "tiny-llama")
    write_text(folder / "text.txt", paragraphs=60)
    return folder


@pytest.fixture(autouse=True)
def there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


@pytest.fixture
def old(home: Path, tmp_path: Path) -> Store:
    """The workspace of then, for a test of its own."""
    shutil.copytree(home / "workspace", tmp_path / "workspace")
    return Store(tmp_path / "workspace")


@pytest.fixture(scope="module")
def old_model(home: Path) -> Loaded:
    return load(str(home / "tiny-llama"))


def test_the_model_and_the_text_are_still_the_same(old_model: Loaded, tmp_path: Path) -> None:
    assert Session(old_model, Store(tmp_path), "text.txt").subject == SUBJECT


def test_the_runs_of_then_are_listed(old: Store) -> None:
    listed = runs(old)
    kinds = {run.kind for run in listed}
    assert kinds == {"map", "measure", "baseline", "recovery", "sweep", "capabilities", "early_exit"}
    assert {run.reference for run in listed} == {"tiny-llama"}
    [recovered] = [run for run in listed if run.kind == "recovery"]
    assert recovered.options["recovery"] == {"steps": 4}


def test_the_subject_is_known_without_a_reading(old: Store) -> None:
    assert old.find(results.TEXT) == []
    assert results.latest_subject(old, SUBJECT.fingerprint, "text.txt") == SUBJECT


def test_every_result_of_then_is_read(old: Store) -> None:
    row = results.best_map(old, SUBJECT, "fisher")
    assert row is not None
    assert len(row["value"]["levels"]) == 9
    smap = SensitivityMap.from_dict(row["value"])
    assert Subject.of_map(smap) == SUBJECT
    plans = {figures["kl"]: plan for plan, figures in results.measured_plans(old, smap)}
    assert plans[KLS["recipe.yaml"]][0, "down"] == 0.3
    assert results.best_map(old, SUBJECT, "wanda") is not None
    assert len(results.about(old, "sweep_point", SUBJECT, criterion="fisher")) == 15
    capability_map = results.capability_map(old, smap)
    assert capability_map is not None
    assert "facts" in capability_map.costs
    assert set(results.outlier_shares(old, smap) or {}) == {0, 1, 2}
    assert results.inspected(old, "tiny-llama")["fingerprint"] == SUBJECT.fingerprint
    [recovery] = results.about(old, "recovery", SUBJECT)
    assert recovery["value"]["finished"]
    assert {row["value"]["kl"] for row in results.measured_rows(old, SUBJECT)} == set(KLS.values())


@pytest.mark.parametrize("name", KLS)
def test_a_recipe_of_then_measures_what_it_did(old_model: Loaded, tmp_path: Path, name: str) -> None:
    recipe = Recipe.load(name, [*CRITERIA, *LEARNT])
    recipe.check_model(old_model.fingerprint)
    session = Session(old_model, Store(tmp_path), recipe.data.name)
    options = recipe.options().changed()
    now = TASKS["measure"](session, recipe.settings(), recipe.criterion, recipe.recovery, **options)
    assert now["kl"] == pytest.approx(KLS[name], rel=1e-4)


def test_what_was_recovered_then_is_found_and_measures_the_same(old_model: Loaded, old: Store) -> None:
    recipe = Recipe.load("recovered.yaml", [*CRITERIA, *LEARNT])
    [row] = results.about(old, "recovery", SUBJECT)
    session = Session(old_model, old, recipe.data.name)
    now = TASKS["measure"](session, recipe.settings(), recipe.criterion, recipe.recovery)
    assert now["kl"] == pytest.approx(row["value"]["recovered"]["kl"], rel=1e-4)
    again = TASKS["recover"](session, recipe.settings(), recipe.criterion, recipe.recovery)
    assert again == row["value"], "it was not trained again"


def test_a_plan_that_was_measured_then_is_not_measured_again(old_model: Loaded, old: Store) -> None:
    session = Session(old_model, old, "text.txt")
    for name, kl in KLS.items():
        recipe = Recipe.load(name)
        spec = spec_of(session, recipe.settings(), recipe.criterion, recipe.options().changed())
        figures = stored_figures(session, spec)
        assert figures is not None
        assert figures["kl"] == kl


@pytest.fixture
def runner(old: Store) -> Iterator[Runner]:
    running = Runner(old)
    yield running
    running.shutdown()


def test_a_request_of_then_is_understood(runner: Runner, home: Path) -> None:
    """The task is still called as it was in requests that lie in workspaces."""
    model = {"reference": "tiny-llama", "dtype": "float32", "device": "cpu"}
    request: dict[str, Any] = {
        "task": "teach",
        "model": model,
        "arguments": {"criterion": "fisher", "data": "text.txt"},
    }
    job, until = runner.submit(request), time.monotonic() + 300
    while runner.store.job(job).state in ("queued", "running") and time.monotonic() < until:
        time.sleep(0.1)
    ended = runner.store.job(job)
    assert ended.state == "done", ended.error
    assert ended.request == request
    assert ended.result is not None
    assert len(ended.result["plans"]) == len(ended.result["kls"]) > 1
