"""The recover task: three figures, files that others use, cancelling, killing and going on."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.models.load import Loaded
from pruning.engine.recovery.checkpoints import load_change
from pruning.errors import Cancelled, PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.planning.recipe.training import Training
from pruning.tasks import TASKS, Session
from pruning.tasks import recover as recovering
from pruning.workspace.store import Store
from tests.support.texts import write_text

pytestmark = pytest.mark.usefixtures("dense_again")
PLAN: dict[str, Any] = {"settings": ["all=0.5"], "criterion": "magnitude"}
FEW = {"steps": 6, "batch": 2, "learning_rate": 5e-3, "warmup": 1, "evaluate_every": 2}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_text(tmp_path_factory.mktemp("text") / "text.txt", paragraphs=60)


def test_dense_pruned_and_recovered_stand_side_by_side(
    session: Session, loaded: Loaded, store: Store
) -> None:
    steps, looks = [], []

    def listen(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        steps.extend([partial["loss"]] if partial and "loss" in partial else [])
        looks.extend([partial["look"]] if partial and "look" in partial else [])

    longer = {**FEW, "steps": 30, "batch": 4, "evaluate_every": 10}
    found = TASKS["recover"](session.reporting(listen), **PLAN, recovery=longer)
    measured = TASKS["measure"](session, **PLAN)
    assert found["dense"]["perplexity"] == pytest.approx(measured["dense_perplexity"])
    assert found["pruned"]["kl"] == pytest.approx(measured["kl"])
    assert 0 < found["recovered"]["kl"] < found["pruned"]["kl"]
    assert found["won_back"] == pytest.approx(1 - found["recovered"]["kl"] / found["pruned"]["kl"])
    assert found["sparsity"] == pytest.approx(0.5)
    assert found["bytes"] == measured["bytes"]
    assert [row["step"] for row in steps] == list(range(1, 31))
    assert looks == found["looks"]
    assert [row["step"] for row in looks] == [0, 0, 10, 20, 30]
    assert found["refitted"] is True
    assert looks[1]["kl"] < 0.9 * looks[0]["kl"], "the weights that stay were fitted"
    assert store.find("recovery", fingerprint=loaded.fingerprint)[0]["value"] == found


def test_a_recovery_is_known_by_all_its_settings(session: Session, store: Store) -> None:
    """Also by those at their defaults: where a default changes, what was trained before is another one."""
    TASKS["recover"](session, **PLAN, recovery=FEW)
    known = store.find("recovery")[0]["key"]["recovery"]
    assert Training(**known) == Training(**FEW)
    assert set(known) == set(asdict(Training()))


def test_the_stored_result_is_not_trained_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {**PLAN, "recovery": FEW}
    found = TASKS["recover"](session, **asked)

    def forbidden(*_: Any) -> None:
        raise AssertionError("it was trained again")

    monkeypatch.setattr(recovering, "train", forbidden)
    assert TASKS["recover"](session, **asked) == found
    Path(found["out"]).unlink()
    with pytest.raises(AssertionError):
        TASKS["recover"](session, **asked)


@pytest.mark.parametrize("kind", [Cancelled, KeyboardInterrupt])
def test_what_was_stopped_goes_on_where_it_was(
    session: Session,
    loaded: Loaded,
    text: str,
    tmp_path: Path,
    kind: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cancelled is a kind word; KeyboardInterrupt stands for a kill, which nobody can answer."""
    monkeypatch.setattr(recovering, "SAVE_SECONDS", 0.0)
    asked = {**PLAN, "recovery": FEW}
    whole = TASKS["recover"](Session(loaded, Store(tmp_path / "one"), text), **asked)
    store, seen = Store(tmp_path / "two"), []
    session = Session(loaded, store, text)

    def stop(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        if partial and "loss" in partial:
            seen.append(partial["loss"]["step"])
            if partial["loss"]["step"] == 5:
                raise kind

    with pytest.raises(kind):
        TASKS["recover"](session.reporting(stop), **asked)
    # How far it was stands in the workspace, however it ended.
    [course] = [row["value"] for row in store.find("recovery_course")]
    assert (course["steps"], course["saved_step"], course["recovery"]) == (5, 5, FEW)
    assert [row["step"] for row in course["losses"]] == [1, 2, 3, 4, 5]
    assert course["looks"] == whole["looks"][:4]
    assert course["pruned"] == whole["pruned"]
    kept = [path.name for path in (store.root / "files" / "recovery").iterdir()]
    assert {Path(name).suffix for name in kept} == {".safetensors", ".pt"}
    if kind is Cancelled:
        row = store.find("recovery")[0]["value"]
        assert (row["finished"], row["steps"]) == (False, 5)
        assert row["best_step"] in (0, 2, 4)
        # What there is so far can be measured already.
        part = TASKS["measure"](session, **PLAN, recovery=FEW)
        assert (part["recovery"], part["best_step"]) == (FEW, row["best_step"])
    seen.clear()
    found = TASKS["recover"](
        session.reporting(
            lambda *a: seen.extend([a[3]["loss"]["step"]] if len(a) > 3 and "loss" in a[3] else [])
        ),
        **asked,
    )
    assert seen == [6]
    assert whole["seconds_before"] > 0
    assert found["seconds_before"] is None, "the run that ended it began later"
    same = ("recovered", "losses", "looks", "best_step", "sparsity")
    assert {name: found[name] for name in same} == {name: whole[name] for name in same}
    assert not list((store.root / "files" / "recovery").glob("*.pt"))
    assert store.find("recovery_course") == []


@pytest.mark.parametrize("kind", [Cancelled, KeyboardInterrupt])
def test_what_was_stopped_while_weights_were_fitted_fits_them_again(
    loaded: Loaded, text: str, tmp_path: Path, kind: type[BaseException]
) -> None:
    asked = {**PLAN, "recovery": FEW}
    whole = TASKS["recover"](Session(loaded, Store(tmp_path / "one"), text), **asked)
    store = Store(tmp_path / "two")
    session = Session(loaded, store, text)

    def stop(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        if "Fitting" in note:
            assert done == 0, "the bar would fall back when training starts"
            raise kind

    with pytest.raises(kind):
        TASKS["recover"](session.reporting(stop), **asked)
    [course] = [row["value"] for row in store.find("recovery_course")]
    assert (course["refitted"], course["steps"]) == (None, 0)
    found = TASKS["recover"](session, **asked)
    assert found["looks"] == whole["looks"]
    assert found["recovered"] == whole["recovered"]


def test_weights_are_fitted_only_where_all_goes_at_once_and_that_is_wanted(session: Session) -> None:
    for more in ({"refit": False}, {"schedule": "cubic", "prune_steps": 4, "prune_every": 2}):
        found = TASKS["recover"](session, **PLAN, recovery={**FEW, **more})
        assert found["refitted"] is None
        assert [row["step"] for row in found["looks"]] == [0, 2, 4, 6]


def test_training_outlives_a_workspace_that_takes_no_news(
    session: Session, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = store.put

    def full(kind: str, key: dict[str, Any], value: dict[str, Any]) -> int:
        if kind == "recovery_course":
            raise PruningError("The disk is full.")
        return put(kind, key, value)

    monkeypatch.setattr(store, "put", full)
    found = TASKS["recover"](session, **PLAN, recovery=FEW)
    assert found["finished"]


def test_a_recovered_recipe_is_measured_and_exported(
    session: Session, loaded: Loaded, store: Store, text: str, tmp_path: Path
) -> None:
    groups = session.plan_groups()
    recipe = Recipe.from_plan(
        parse_settings(PLAN["settings"], groups),
        groups,
        ModelEntry(reference=loaded.reference, fingerprint=loaded.fingerprint),
        DataEntry(name=text),
        PLAN["criterion"],
    ).with_details(recovery=FEW)
    out = tmp_path / "recovered"
    with pytest.raises(PruningError, match="has not been run in this workspace"):
        TASKS["export"](session, recipe=recipe.to_dict(), out=str(out))
    plain = TASKS["measure"](session, **PLAN)
    found = TASKS["recover"](session, **PLAN, recovery=FEW)
    measured = TASKS["measure"](session, **PLAN, recovery=FEW)
    assert measured["kl"] == pytest.approx(found["recovered"]["kl"])
    assert measured["kl"] < plain["kl"]
    written = TASKS["export"](session, recipe=recipe.to_dict(), out=str(out))
    assert written["kl"] == measured["kl"]
    change, _ = load_change(Path(found["out"]))
    again = AutoModelForCausalLM.from_pretrained(out)
    down = again.model.layers[1].mlp.down_proj.weight.detach()
    assert torch.equal(down, change.weights[1, "down"])
    assert (down == 0).float().mean() == pytest.approx(0.5, abs=0.01)
    assert Recipe.load(out / "recipe.yaml").recovery == FEW
    assert f"trained for {found['best_step']} steps" in (out / "README.md").read_text()
    # A measurement of fewer steps, made before a cancelled training went on, is not put on the card.
    row = store.find("measure_recovered")[0]
    store.put("measure_recovered", row["key"], {**row["value"], "best_step": 1, "kl": 99.0})
    again = TASKS["export"](session, recipe=recipe.to_dict(), out=str(tmp_path / "again"))
    assert again["kl"] == pytest.approx(measured["kl"])
    # What recovery reached says nothing about pruning: the forecast must not learn from it.
    assert [row["value"]["kl"] for row in store.find("measure")] == [plain["kl"]]


@pytest.mark.parametrize(("structure", "level"), [("neurons", 0.25), ("layers", 1)])
def test_a_recovered_smaller_model_is_exported_smaller(
    session: Session, loaded: Loaded, text: str, tmp_path: Path, structure: str, level: float
) -> None:
    gently = {**FEW, "steps": 20, "learning_rate": 5e-4, "evaluate_every": 10}
    settings = [f"{structure}={level}"] if structure == "neurons" else ["layers@1=1"]
    groups = session.plan_groups(structure)
    recipe = Recipe.from_plan(
        parse_settings(settings, groups),
        groups,
        ModelEntry(reference=loaded.reference, fingerprint=loaded.fingerprint),
        DataEntry(name=text),
        "fisher",
        MaskOptions(structure=structure),
    ).with_details(recovery=gently)
    asked: dict[str, Any] = {"settings": settings, "structure": structure, "recovery": gently}
    found = TASKS["recover"](session, **asked)
    assert found["recovered"]["kl"] < found["pruned"]["kl"]
    assert found["bytes"] == found["file_bytes"] < dense_bytes(loaded.model)
    assert TASKS["measure"](session, **asked)["kl"] == pytest.approx(found["recovered"]["kl"])
    written = TASKS["export"](session, recipe=recipe.to_dict(), out=str(tmp_path / "small"))
    assert written["verified"]
    small = AutoModelForCausalLM.from_pretrained(tmp_path / "small")
    assert len(small.model.layers) == (2 if structure == "layers" else 3)
    assert small.model.layers[0].mlp.down_proj.in_features == (64 if structure == "layers" else 48)


@pytest.mark.parametrize("name", ["magnitude", "fisher", "movement"])
def test_gradual_pruning_ends_at_the_plan(session: Session, name: str) -> None:
    gradual = {**FEW, "schedule": "cubic", "prune_steps": 4, "prune_every": 2, "loss": "both"}
    settings = ["all=0.4", "up@1=0.7"]
    found = TASKS["recover"](session, settings=settings, criterion=name, recovery=gradual)
    change, _ = load_change(Path(found["out"]))
    for (layer, kind), mask in change.removed.items():
        assert int(mask.sum()) == round((0.7 if (layer, kind) == (1, "up") else 0.4) * mask.numel())
        assert not change.weights[layer, kind][mask].any()
    assert found["best_step"] > 4
    assert (found["pruned"] is None) == (name == "movement")


def test_low_rank_recovery_ends_as_ordinary_weights(session: Session) -> None:
    pytest.importorskip("peft")
    low = {**FEW, "lora": 4, "steps": 10}
    found = TASKS["recover"](session, **PLAN, recovery=low)
    assert found["recovered"]["kl"] < found["pruned"]["kl"]
    change, _ = load_change(Path(found["out"]))
    assert change.weights.keys() == change.removed.keys()
    assert not any(change.weights[key][mask].any() for key, mask in change.removed.items())
    assert TASKS["measure"](session, **PLAN, recovery=low)["kl"] == pytest.approx(found["recovered"]["kl"])


def test_what_does_not_go_together_is_refused(session: Session) -> None:
    def recover(recovery: dict[str, Any], **more: Any) -> None:
        TASKS["recover"](session, **{**PLAN, "recovery": recovery, **more})

    with pytest.raises(PruningError, match="gradual schedule"):
        recover({}, criterion="movement")
    with pytest.raises(PruningError, match="as training does"):
        recover({"schedule": "linear"}, criterion="sparsegpt")
    with pytest.raises(PruningError, match="go at once"):
        recover({"schedule": "linear"}, settings=["neurons=0.5"], structure="neurons", criterion="fisher")
    with pytest.raises(PruningError, match="all or nothing"):
        recover({"schedule": "linear"}, structure="n:m", pattern="2:4")
    with pytest.raises(PruningError, match="no setting"):
        recover({"speed": 3})
    with pytest.raises(PruningError, match="schedule cubic"):
        TASKS["measure"](session, settings=["all=0.5"], criterion="movement")
