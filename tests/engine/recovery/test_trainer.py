"""Recovery: masks hold at every step in every family, quality comes back, and it goes on where it was."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.architecture.groups import find_groups, group_weight
from pruning.engine.architecture.units import Removal
from pruning.engine.criteria import criterion
from pruning.engine.evaluation.metrics import compare
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masked_refit import refit_masked
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.models.load import fingerprint
from pruning.engine.recovery import losses
from pruning.engine.recovery.checkpoints import (
    load_change,
    load_state,
    packed,
    save_change,
    save_state,
    unpacked,
)
from pruning.engine.recovery.student import Student
from pruning.engine.recovery.trainer import Recovery, TrainingHooks, batch, split, train
from pruning.errors import PruningError
from pruning.planning.recipe.training import Training
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

FEW = Training(steps=3, batch=2, warmup=1, learning_rate=1e-2, evaluate_every=2)


def windows(count: int = 12, length: int = 24) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (count, length), generator=torch.Generator().manual_seed(5))


def half(model: Any) -> WeightChange:
    groups = find_groups(model)
    plan = {(group.layer, group.kind): 0.5 for group in groups}
    return WeightChange(plan_masks(model, groups, criterion("magnitude"), plan, criterion_inputs()))


def recovery_of(model: Any, training: Training = FEW, change: WeightChange | None = None) -> Recovery:
    change = half(model) if change is None else change
    return Recovery(Student(model, find_groups(model), change, training.lora), model, training)


@pytest.mark.parametrize("lora", [0, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_removed_stays_zero_at_every_step(family: str, lora: int) -> None:
    if lora:
        pytest.importorskip("peft")
    model = tiny_model(family)
    name, change = fingerprint(model), half(model)
    recovery = recovery_of(model, Training(**{**FEW.changed(), "lora": lora}), change)
    before = recovery.student.weights()
    seen = []

    def check(_: float) -> None:
        for key, weight in recovery.student.weights().items():
            assert not weight[change.removed[key]].any()
        if not lora:
            in_model = {
                (g.layer, g.kind): group_weight(recovery.student.model, g) for g in recovery.student.groups
            }
            assert not any(bool(in_model[key][mask].any()) for key, mask in change.removed.items())
        seen.append(1)

    train(recovery, windows(), TrainingHooks(after_step=check))
    assert len(seen) == 3
    after = recovery.student.weights()
    # gpt_neox-like families train too: each group moved, and the dense model did not.
    assert all(not torch.equal(before[key], after[key]) for key in before)
    assert fingerprint(model) == name


@pytest.mark.parametrize("loss", ["distill", "task", "both"])
def test_distilling_wins_back_what_pruning_lost(loss: str) -> None:
    model = tiny_model()
    text = windows(96, 32)
    training = Training(steps=40, loss=loss, batch=16, warmup=2, learning_rate=5e-3, evaluate_every=10)
    recovery = recovery_of(model, training)
    train(recovery, text, TrainingHooks())
    losses = [row["loss"] for row in recovery.log.losses]
    assert losses[-1] < (0.7 if loss == "distill" else 0.98) * losses[0]
    first, best = recovery.log.looks[0], recovery.log.best
    assert best is not None
    if loss == "distill":
        assert best["kl"] < 0.8 * first["kl"]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("settings", [{}, {"loss": "both", "temperature": 2.0}, {"hidden": 0.5}])
def test_the_chunked_gradient_is_the_plain_one(
    family: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "CHUNK", 7)
    model, training, ids = tiny_model(family), Training(**settings), windows(2, 9)
    student = Student(model, find_groups(model), half(model))
    head = head_of(student.model)
    said = losses.backward(student.model, model, head, ids, training, 1.0)
    given = {name: one.grad.clone() for name, one in student.trained.items()}
    for one in student.trained.values():
        one.grad = None
    out = student.model(input_ids=ids, output_hidden_states=True)
    with torch.no_grad():
        dense = model(input_ids=ids, output_hidden_states=True)
    heat = training.temperature
    p = torch.log_softmax(dense.logits[:, :-1] / heat, -1)
    q = torch.log_softmax(out.logits[:, :-1] / heat, -1)
    loss = heat**2 * (p.exp() * (p - q)).sum(-1).mean()
    if training.loss == "both":
        loss = loss + torch.nn.functional.cross_entropy(
            out.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
        )
    if training.hidden:
        pairs = list(zip(out.hidden_states[1:-1], dense.hidden_states[1:-1], strict=True))
        loss = loss + 0.5 * sum((s - t).square().mean() / t.square().mean() for s, t in pairs) / len(pairs)
    loss.backward()
    assert said == pytest.approx(float(loss.detach()), rel=1e-4)
    for name, one in student.trained.items():
        torch.testing.assert_close(given[name], one.grad, rtol=1e-3, atol=1e-5)


def test_accumulation_is_a_larger_batch() -> None:
    model = tiny_model()
    steps = {}
    for name, sizes in (("whole", {"batch": 8}), ("parts", {"batch": 2, "accumulate": 4})):
        recovery = recovery_of(model, Training(steps=1, warmup=0, **sizes))
        recovery.advance(windows(8))
        steps[name] = recovery.student.weights()
    for key, weight in steps["whole"].items():
        torch.testing.assert_close(weight, steps["parts"][key], rtol=1e-3, atol=2e-5)


def test_a_recovery_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    model = tiny_model()
    training = Training(
        steps=6,
        batch=2,
        learning_rate=1e-2,
        evaluate_every=2,
        schedule="linear",
        prune_steps=4,
        prune_every=1,
    )

    def started() -> Recovery:
        return Recovery(Student(model, find_groups(model), WeightChange({})), model, training, moving=True)

    def choose(recovery: Recovery) -> Any:
        def masks(step: int) -> dict:
            return {key: w.abs() < 0.02 * step for key, w in recovery.student.weights().items()}

        return masks

    whole = started()
    train(whole, windows(), TrainingHooks(choose(whole)))
    first = started()

    def stop(_: float) -> None:
        if first.log.step == 3:
            save_state(tmp_path / "state.pt", first.state())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(first, windows(), TrainingHooks(choose(first), stop))
    second = started()
    second.resume(load_state(tmp_path / "state.pt") or {})
    assert second.log.step == 3
    train(second, windows(), TrainingHooks(choose(second)))
    assert second.log == whole.log
    for key, weight in whole.student.weights().items():
        assert torch.equal(weight, second.student.weights()[key])
    assert whole.movement is not None
    assert all(torch.equal(one, second.movement[key]) for key, one in whole.movement.items())


def test_gradual_pruning_takes_what_is_chosen_and_counts_no_early_best() -> None:
    model = tiny_model()
    training = Training(steps=6, batch=2, evaluate_every=1, schedule="cubic", prune_steps=4, prune_every=2)
    recovery = Recovery(Student(model, find_groups(model), WeightChange({})), model, training)
    asked = []

    def choose(step: int) -> dict:
        asked.append(step)
        return {key: torch.ones_like(w, dtype=torch.bool) for key, w in recovery.student.weights().items()}

    train(recovery, windows(), TrainingHooks(choose))
    assert asked == [2, 4]
    assert recovery.log.best is not None
    assert recovery.log.best["step"] > 4
    assert not any(bool(one.any()) for one in recovery.student.weights().values())


def test_training_stops_when_looks_no_longer_get_better() -> None:
    model = tiny_model()
    wild = Training(
        steps=50,
        batch=2,
        warmup=0,
        learning_rate=3.0,
        decay="constant",
        clip=100.0,
        evaluate_every=1,
        patience=3,
    )
    recovery = recovery_of(model, wild)
    better = []
    train(recovery, windows(), TrainingHooks(after_evaluation=better.append))
    assert recovery.log.stopped
    assert recovery.log.step < 50
    assert better[-3:] == [False] * 3
    assert recovery.log.best is not None
    assert recovery.log.best["kl"] == min(look["kl"] for look in recovery.log.looks)


def test_weights_to_begin_with_are_taken_where_they_are_better() -> None:
    model = tiny_model()
    change, better = half(model), list[bool]()
    offered = refit_masked(model, find_groups(model), change.removed, windows(48))
    recovery = recovery_of(model, Training(steps=1, warmup=0, learning_rate=1e-7), change)
    train(recovery, windows(48), TrainingHooks(after_evaluation=better.append, refit=lambda: offered))
    log, after = recovery.log, recovery.student.weights()
    assert log.refitted is True
    assert [look["step"] for look in log.looks] == [0, 0, 1]
    assert better[:2] == [True, True]
    assert all(torch.allclose(after[key], offered[key], atol=1e-5) for key in offered)


def test_weights_to_begin_with_that_are_worse_leave_nothing_behind() -> None:
    model, better = tiny_model(), list[bool]()
    groups = find_groups(model)
    recovery = recovery_of(model, Training(steps=1, warmup=0, learning_rate=1e-7, patience=1))
    before = recovery.student.weights()
    offered = {(g.layer, g.kind): 50 * group_weight(model, g) for g in groups}
    train(recovery, windows(48), TrainingHooks(after_evaluation=better.append, refit=lambda: offered))
    log, after = recovery.log, recovery.student.weights()
    assert log.refitted is False
    assert log.step == 1, "the look at what was undone did not end the training"
    assert [look["step"] for look in log.looks] == [0, 1]
    assert len(better) == 2
    assert all(torch.allclose(after[key], before[key], atol=1e-5) for key in before)


def test_movement_is_how_far_weights_leave_zero() -> None:
    model = tiny_model()
    groups = find_groups(model)
    training = Training(steps=2, batch=4, loss="task")
    recovery = Recovery(Student(model, groups, WeightChange({})), model, training, moving=True)
    text, expected = windows(), {}
    for step in range(2):
        copy = tiny_model()
        with applied_change(copy, groups, WeightChange({}, recovery.student.weights())):
            for group in groups:
                for part in group.parts:
                    copy.get_submodule(part.module).weight.requires_grad_(True)
            ids = batch(text, training, step)
            logits = copy(input_ids=ids).logits[:, :-1]
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
            for group in groups:
                pulls = [
                    -(m.weight * m.weight.grad).detach()
                    for m in (copy.get_submodule(part.module) for part in group.parts)
                ]
                key = (group.layer, group.kind)
                expected[key] = expected.get(key, 0) + torch.cat(pulls)
        recovery.advance(text)
    assert recovery.movement is not None
    for key, one in recovery.movement.items():
        torch.testing.assert_close(one, expected[key], rtol=1e-3, atol=1e-6)


def test_windows_kept_back_are_not_learnt_from() -> None:
    learnt, kept = split(windows(17))
    assert (len(learnt), len(kept)) == (15, 2)
    rows = {tuple(row.tolist()) for row in kept}
    seen = [tuple(row.tolist()) for index in range(10) for row in batch(learnt, Training(batch=3), index)]
    assert not rows & set(seen)
    # Ten batches of three are two rounds through fifteen windows.
    assert all(seen.count(row) == 2 for row in set(seen))


def test_a_change_survives_its_file(tmp_path: Path) -> None:
    model = tiny_model("phi3")
    units = Removal(neurons={0: (1, 5)}, heads={2: (0,)}, layers=(1,))
    change = WeightChange(half(model).removed, recovery_of(model).student.weights(), ("one", "two"), units)
    save_change(tmp_path / "one.safetensors", change, {"step": 7})
    again, about = load_change(tmp_path / "one.safetensors")
    assert about == {"step": 7}
    assert (again.biases, again.units) == (("one", "two"), units)
    assert again.removed.keys() == change.removed.keys()
    assert all(torch.equal(mask, again.removed[key]) for key, mask in change.removed.items())
    assert all(torch.equal(weight, again.weights[key]) for key, weight in change.weights.items())
    assert [path.name for path in tmp_path.iterdir()] == ["one.safetensors"]
    mask = torch.rand(5, 7) < 0.5
    assert torch.equal(unpacked(packed(mask), [5, 7]), mask)
    (tmp_path / "one.safetensors").write_bytes(b"half")
    with pytest.raises(PruningError, match="run the recovery again"):
        load_change(tmp_path / "one.safetensors")
    assert load_state(tmp_path / "one.safetensors") is None


def test_the_students_weights_on_the_model_are_the_student() -> None:
    for family in ("llama", "gpt2", "phi3"):
        model = tiny_model(family)
        recovery = recovery_of(model)
        train(recovery, windows(), TrainingHooks())
        groups, text = find_groups(model), windows(2)
        of_student = run(recovery.student.model, text)
        with applied_change(
            model, groups, WeightChange(recovery.student.removed(), recovery.student.weights())
        ):
            of_model = run(model, text)
        assert compare(head_of(model), of_student, of_model, text).kl < 1e-6
        torch.testing.assert_close(of_student, of_model)


def test_without_peft_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(PruningError, match=r"prunescope\[lora\]"):
        recovery_of(tiny_model(), Training(lora=4))
