"""The task that trains a pruned model."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pruning.engine.architecture.forward import run
from pruning.engine.calibration.data import load_windows
from pruning.engine.criteria import LEARNT, GroupInputs
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.metrics import compare
from pruning.engine.evaluation.size import cut_bytes, dense_bytes, sparse_bytes
from pruning.engine.masking.change import PruningSpec, WeightChange, applied_change
from pruning.engine.masking.masked_refit import refit_masked
from pruning.engine.masking.masks import CriterionInputs, criterion_inputs, masks
from pruning.engine.models.load import Loaded
from pruning.engine.recovery.checkpoints import load_change, load_state, save_change, save_state
from pruning.engine.recovery.student import Student
from pruning.engine.recovery.trainer import Recovery, TrainingHooks, TrainingLog, plain, split, train
from pruning.errors import Cancelled, PruningError
from pruning.planning.recipe.mask_options import effective, scoped
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.schedules import ONE_SHOT, plan_at
from pruning.planning.recipe.training import Training
from pruning.progress import Progress
from pruning.tasks.context.apply import change_of, share_removed, spec_of
from pruning.tasks.context.context import Reference, groups_of, inputs_for, reference_of
from pruning.tasks.context.generated_text import generated_windows
from pruning.tasks.context.recovered import recovery_key
from pruning.tasks.training_log import ReportedLog
from pruning.workspace.store import Store

TRAINING_TOKENS = 2**18
# More text to fit weights to gains little, and takes as much longer.
FITTED_TOKENS = 2**16
SAVE_SECONDS = 60.0
STATE = ".resume.pt"


def recover(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    settings: list[str],
    criterion: str = "fisher",
    data: str = "demo",
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Prune a copy as `settings` and `options` say, train it on `data` as `recovery` says (see
    pruning.planning.recipe.training), and compare dense, pruned and recovered on text it was not trained on.

    The best weights so far are kept in the workspace whenever they get better, and every few seconds how it
    is going; what was cancelled or killed goes on where it was when it is asked for again. `measure` and
    `export` take the recovered weights when their recipe names the same recovery.
    """
    spec = spec_of(loaded, settings, criterion, data, options)
    training = Training.of(recovery or {})
    _check(spec, training)
    reference = reference_of(loaded, data, progress)
    key = recovery_key(loaded, spec, training, reference)
    done = store.get("recovery", key)
    out = store.file("recovery", key, ".safetensors")
    if done is not None and done["finished"] and out.exists():
        return done
    change = None if criterion in LEARNT else change_of(loaded, store, spec, progress)
    pruned = None if change is None else _quality(loaded, reference, change)
    course, seconds, before = _trained(_Work(loaded, store, spec, training, key, change), progress, pruned)
    progress(training.steps, training.steps, "Measuring the recovered model")
    best, _ = load_change(out, loaded.device)
    recovered = _quality(loaded, reference, best)
    value = {
        **_about(spec, training, course, out),
        "finished": True,
        "dense": plain(reference.quality) | {"kl": 0.0, "agreement": 1.0},
        "pruned": pruned,
        "recovered": recovered,
        "won_back": None if not pruned else (pruned["kl"] - recovered["kl"]) / max(pruned["kl"], 1e-12),
        "seconds_a_step": seconds,
        "seconds_before": before,
        "tokens": reference.quality.tokens,
        "sparsity": share_removed(loaded, best),
        "bytes": (cut_bytes if best.units else sparse_bytes)(loaded.model, best.removed),
        "file_bytes": dense_bytes(loaded.model),
    }
    store.put("recovery", key, value)
    store.file("recovery", key, STATE).unlink(missing_ok=True)
    ReportedLog(store, key, training.steps).end()
    return value


def _trained(
    work: "_Work", progress: Progress, pruned: dict[str, float] | None
) -> tuple[TrainingLog, float | None, float | None]:
    """Train to the end; how it went, the seconds a step took, and those before the first.

    The student ends with this function: it takes as much memory as the model, and its optimizer twice that.
    """
    work.pruned = pruned
    try:
        work.train(progress)
    except Cancelled:
        work.pause()
        raise
    return work.recovery.log, work.seconds, work.before


class _Work:
    """One recovery with its files: what is kept, and when."""

    def __init__(
        self,
        loaded: Loaded,
        store: Store,
        spec: PruningSpec,
        training: Training,
        key: dict[str, Any],
        change: WeightChange | None,
    ) -> None:
        self.loaded, self.store, self.spec, self.training, self.key = loaded, store, spec, training, key
        self.out = store.file("recovery", key, ".safetensors")
        self.state_file = store.file("recovery", key, STATE)
        self.at_first = change if change is not None and training.schedule == ONE_SHOT else WeightChange({})
        student = Student(loaded.model, loaded.groups, self.at_first, training.lora)
        self.recovery = Recovery(student, loaded.model, training, moving=spec.criterion in LEARNT)
        state = load_state(self.state_file, loaded.device)
        if state is not None:
            self.recovery.resume(state)
        self.resumed_at = self.recovery.log.step
        self.pruned: dict[str, float] | None = None
        self.told = ReportedLog(store, key, self.resumed_at)
        self._made = self._saved = self._began = time.monotonic()

    @property
    def before(self) -> float | None:
        """Seconds until the first step, in which text was written and weights fitted; None in a run that
        began later."""
        return None if self.resumed_at else self._began - self._made

    @property
    def seconds(self) -> float | None:
        """Seconds a step took since this run began, looks included."""
        steps = self.recovery.log.step - self.resumed_at
        return (time.monotonic() - self._began) / steps if steps else None

    def train(self, progress: Progress) -> None:
        """Train to the end; `progress` hears of every step and every look."""
        loaded, training, course = self.loaded, self.training, self.recovery.log
        windows = load_windows(loaded.tokenizer, self.spec.data, calibration_tokens=TRAINING_TOKENS)
        known: CriterionInputs = criterion_inputs()
        if training.schedule != ONE_SHOT and self.spec.criterion not in LEARNT:
            known = inputs_for(
                loaded, self.store, self.spec.data, named_criterion(self.spec.criterion), progress
            )
        learnt, _ = split(windows.calibration)
        count = training.lacking(len(learnt))
        own = generated_windows(loaded, self.store, self.spec.data, learnt, count, progress)
        self._began = time.monotonic()

        def after_step(loss: float) -> None:
            if time.monotonic() - self._saved >= SAVE_SECONDS:
                self.save()
            if self.told.due():
                self.tell()
            told = {"step": course.step, "loss": loss, "learning_rate": training.rate_at(course.step - 1)}
            progress(course.step, training.steps, f"Training: loss {loss:.3f}", {"loss": told})

        def after_look(better: bool) -> None:
            if better:
                self.keep()
            self.tell()
            look = course.looks[-1]
            note = f"KL {look['kl']:.3f} on text kept back"
            progress(course.step, training.steps, note, {"look": look, "pruned": self.pruned})

        choose = partial(self._choose, known)
        refit = partial(self._refit, learnt, own, progress) if training.fits_first() else None
        hooks = TrainingHooks(choose, after_step, after_look, refit)
        train(self.recovery, windows.calibration, hooks, own)

    def _refit(self, learnt: torch.Tensor, own: torch.Tensor, progress: Progress) -> dict[Any, torch.Tensor]:
        """The weights that stay, fitted to the user's text and what was written beside it."""

        def told(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
            # It comes before the first step, so that the bar stays where it is.
            said = f"Fitting the weights that stay: layer {done:.0f} of {total:.0f}"
            progress(0, self.training.steps, said)

        most = max(1, FITTED_TOKENS // learnt.shape[1])
        text = torch.cat([learnt[:: max(1, len(learnt) // most)], own])[:most]
        loaded, removed = self.loaded, self.recovery.student.removed()
        weights = refit_masked(loaded.model, loaded.groups, removed, text, told)
        self._began = time.monotonic()
        return weights

    def keep(self) -> None:
        """Put the student's weights where measure and export find them."""
        student, best = self.recovery.student, self.recovery.log.best
        now = replace(self.at_first, removed=student.removed(), weights=student.weights())
        save_change(self.out, now, {"best": best})

    def save(self) -> None:
        """Write what it takes to go on from here."""
        save_state(self.state_file, self.recovery.state())
        self._saved, self.told.saved_step = time.monotonic(), self.recovery.log.step
        self.tell()

    def tell(self) -> None:
        """Say in the workspace how it is going."""
        about = _about(self.spec, self.training, self.recovery.log, self.out)
        self.told.tell({**about, "pruned": self.pruned, "seconds_a_step": self.seconds})

    def pause(self) -> None:
        """Keep everything for later, and say in the workspace how far it went."""
        self.save()
        if self.recovery.log.best is not None:
            about = _about(self.spec, self.training, self.recovery.log, self.out)
            self.store.put("recovery", self.key, {**about, "finished": False})

    def _choose(self, known: CriterionInputs, step: int) -> dict[Any, torch.Tensor]:
        """What is removed from `step` on, by what the student's weights now are; nothing comes back."""
        training, spec, student = self.training, self.spec, self.recovery.student
        chosen = named_criterion(spec.criterion)
        options = scoped(spec.options, chosen.scope)
        groups = groups_of(self.loaded)
        final = effective(parse_settings(spec.settings, groups), groups, options)
        plan = plan_at(training.schedule, step, training.pruned_by(), final)
        gone, weights = student.removed(), student.weights()
        moved = self.recovery.movement
        scores = {}
        for key in plan:
            seen = known(key) if moved is None else GroupInputs(movement=moved[key])
            scores[key] = chosen.score(weights[key], seen)
            if key in gone:
                scores[key] = scores[key].masked_fill(gone[key], -torch.inf if chosen.norm == 1 else 0.0)
        return masks(scores, plan, options, chosen.norm)


def _check(spec: PruningSpec, training: Training) -> None:
    """Raise PruningError for what cannot be trained together."""
    gradual = training.schedule != ONE_SHOT
    if spec.criterion in LEARNT and (not gradual or training.lora):
        raise PruningError(
            f"{spec.criterion} chooses weights by how training moves them. Choose a gradual schedule, "
            "such as cubic, and whole weights (lora 0)."
        )
    if gradual and named_criterion(spec.criterion).updates:
        raise PruningError(
            f"{spec.criterion} changes the weights that stay, as training does. Choose the schedule "
            "one_shot, or a criterion that only chooses, such as fisher."
        )
    if gradual and spec.options.structure not in ("unstructured", "n:m", "block"):
        raise PruningError(
            f"Whole {spec.options.structure} go at once. Choose the schedule one_shot, or single weights."
        )
    if gradual and spec.options.pattern is not None:
        raise PruningError(
            f"The pattern {spec.options.pattern} is all or nothing, so it cannot come gradually. Choose the "
            "schedule one_shot."
        )


def _about(spec: PruningSpec, training: Training, course: TrainingLog, out: Path) -> dict[str, Any]:
    return {
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "recovery": training.changed(),
        "steps": course.step,
        "best_step": None if course.best is None else course.best["step"],
        "stopped_early": course.stopped,
        "refitted": course.refitted,
        "losses": course.losses,
        "looks": course.looks,
        "out": str(out),
    }


def _quality(loaded: Loaded, reference: Reference, change: WeightChange) -> dict[str, float]:
    """How good the model is with the change, on the evaluation text."""
    with applied_change(loaded.model, loaded.groups, change):
        states = run(loaded.model, reference.windows.evaluation)
    return plain(compare(reference.head, reference.hidden, states, reference.windows.evaluation))
