"""The task that trains a pruned model."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pruning.engine.architecture.forward import run
from pruning.engine.calibration.data import load_windows
from pruning.engine.criteria import LEARNT, CriterionInputs, GroupInputs
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.metrics import compare
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masked_refit import refit_masked
from pruning.engine.masking.masks import criterion_inputs, masks
from pruning.engine.recovery.checkpoints import load_change, load_state, save_change, save_state
from pruning.engine.recovery.student import Student
from pruning.engine.recovery.trainer import Recovery, TrainingHooks, TrainingLog, plain, split, train
from pruning.errors import Cancelled, PruningError
from pruning.planning.recipe.mask_options import effective, scoped
from pruning.planning.recipe.schedules import ONE_SHOT, plan_at
from pruning.planning.recipe.spec import PruningSpec
from pruning.planning.recipe.training import Training
from pruning.progress import Progress
from pruning.tasks.context.apply import change_of, share_removed, spec_of
from pruning.tasks.context.generated_text import generated_windows
from pruning.tasks.context.recovered import recovery_key
from pruning.tasks.context.session import Reference, Session
from pruning.tasks.context.units import sizes
from pruning.tasks.training_log import ReportedLog

TRAINING_TOKENS = 2**18
# More text to fit weights to gains little, and takes as much longer.
FITTED_TOKENS = 2**16
SAVE_SECONDS = 60.0
STATE = ".resume.pt"


def recover(
    session: Session,
    settings: Sequence[str],
    criterion: str = "fisher",
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Prune a copy, train it, and compare dense, pruned and recovered on text it was not trained on.

    The best weights so far are kept in the workspace whenever they get better, and every few seconds how it
    is going; what was cancelled or killed goes on where it was when it is asked for again. `measure` and
    `export` take the recovered weights when their recipe names the same recovery.

    Parameters
    ----------
    session
        The model, and the text it is trained and measured on.
    settings, criterion, options
        What is pruned, as in `measure`.
    recovery
        How it is trained; see `pruning.planning.recipe.training`.
    """
    session.check_whole("Training")
    spec = spec_of(session, settings, criterion, options)
    training = Training.of(recovery or {})
    _check(spec, training)
    reference, key = session.reference, recovery_key(session, spec, training)
    stored = session.store.get("recovery", key)
    out = session.store.file("recovery", key, ".safetensors")
    if stored is not None and stored["finished"] and out.exists():
        return stored
    change = None if criterion in LEARNT else change_of(session, spec)
    pruned = None
    if change is not None:
        session.stage("evaluate", "Running the pruned model")
        pruned = _quality(session, reference, change)
    session.stage("prepare", "Preparing the training")
    log, seconds, before = _trained(_Work(session, spec, training, key, change), pruned)
    session.stage("recovered", "Measuring the recovered model")
    best, _ = load_change(out, session.loaded.device)
    recovered = _quality(session, reference, best)
    value = {
        **_about(spec, training, log, out),
        "finished": True,
        "dense": plain(reference.quality) | {"kl": 0.0, "agreement": 1.0},
        "pruned": pruned,
        "recovered": recovered,
        "won_back": None if not pruned else (pruned["kl"] - recovered["kl"]) / max(pruned["kl"], 1e-12),
        "seconds_a_step": seconds,
        "seconds_before": before,
        "tokens": reference.quality.tokens,
        "sparsity": share_removed(session, best),
        **sizes(session, spec, best),
    }
    session.store.put("recovery", key, value)
    session.store.file("recovery", key, STATE).unlink(missing_ok=True)
    ReportedLog(session.store, key, training.steps).end()
    return value


def _trained(
    work: "_Work", pruned: dict[str, float] | None
) -> tuple[TrainingLog, float | None, float | None]:
    """Train to the end; how it went, the seconds a step took, and those before the first.

    The student ends with this function: it takes as much memory as the model, and its optimizer twice that.
    """
    work.pruned = pruned
    try:
        work.train()
    except Cancelled:
        work.pause()
        raise
    return work.recovery.log, work.seconds, work.before


class _Work:
    """One recovery with its files: what is kept, and when."""

    def __init__(
        self,
        session: Session,
        spec: PruningSpec,
        training: Training,
        key: dict[str, Any],
        change: WeightChange | None,
    ) -> None:
        self.session, self.spec, self.training, self.key = session, spec, training, key
        self.out = session.store.file("recovery", key, ".safetensors")
        self.state_file = session.store.file("recovery", key, STATE)
        self.at_first = change if change is not None and training.schedule == ONE_SHOT else WeightChange({})
        student = Student(session.model, session.groups, self.at_first, training.lora)
        self.recovery = Recovery(student, session.model, training, moving=spec.criterion in LEARNT)
        state = load_state(self.state_file, session.loaded.device)
        if state is not None:
            self.recovery.resume(state)
        self.resumed_at = self.recovery.log.step
        self.pruned: dict[str, float] | None = None
        self.log = ReportedLog(session.store, key, self.resumed_at)
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

    def train(self) -> None:
        """Train to the end; the session's progress hears of every step and every evaluation."""
        session, training, log = self.session, self.training, self.recovery.log
        tokenizer = session.loaded.tokenizer
        windows = load_windows(tokenizer, self.spec.data, calibration_tokens=TRAINING_TOKENS)
        inputs: CriterionInputs = criterion_inputs()
        if training.schedule != ONE_SHOT and self.spec.criterion not in LEARNT:
            inputs = session.inputs_for(named_criterion(self.spec.criterion))
        text, _ = split(windows.calibration)
        generated = generated_windows(session, text, training.lacking(len(text)))
        self._began = time.monotonic()
        begun: list[Progress] = []

        def progress(note: str, partial: dict[str, Any]) -> None:
            # The dense model is looked at before anything is trained, and the weights that stay are fitted.
            if not begun and log.step > self.resumed_at:
                begun.append(session.stage("train", note, log.step / training.steps))
            heard = begun[0] if begun else session.progress
            heard(log.step, training.steps, note, partial)

        def after_step(loss: float) -> None:
            if time.monotonic() - self._saved >= SAVE_SECONDS:
                self.save()
            if self.log.due():
                self.tell()
            row = {"step": log.step, "loss": loss, "learning_rate": training.rate_at(log.step - 1)}
            progress(f"Training: loss {loss:.3f}", {"loss": row})

        def after_look(better: bool) -> None:
            if better:
                self.keep()
            self.tell()
            look = log.looks[-1]
            progress(f"KL {look['kl']:.3f} on text kept back", {"look": look, "pruned": self.pruned})

        choose = partial(self._choose, inputs)
        refit = partial(self._refit, text, generated) if training.fits_first() else None
        hooks = TrainingHooks(choose, after_step, after_look, refit)
        train(self.recovery, windows.calibration, hooks, generated)

    def _refit(self, text: torch.Tensor, generated: torch.Tensor) -> dict[Any, torch.Tensor]:
        """The weights that are kept, fitted to the user's text and what was generated beside it."""
        session = self.session
        heard = session.stage("fit", "Fitting the weights that stay")

        def report(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
            heard(done, total, f"Fitting the weights that stay: layer {done:.0f} of {total:.0f}")

        most = max(1, FITTED_TOKENS // text.shape[1])
        windows = torch.cat([text[:: max(1, len(text) // most)], generated])[:most]
        pruned = self.recovery.student.removed()
        weights = refit_masked(session.model, session.groups, pruned, windows, report)
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
        self._saved, self.log.saved_step = time.monotonic(), self.recovery.log.step
        self.tell()

    def tell(self) -> None:
        """Say in the workspace how it is going."""
        about = _about(self.spec, self.training, self.recovery.log, self.out)
        self.log.tell({**about, "pruned": self.pruned, "seconds_a_step": self.seconds})

    def pause(self) -> None:
        """Keep everything for later, and say in the workspace how far it went."""
        self.save()
        if self.recovery.log.best is not None:
            about = _about(self.spec, self.training, self.recovery.log, self.out)
            self.session.store.put("recovery", self.key, {**about, "finished": False})

    def _choose(self, inputs: CriterionInputs, step: int) -> dict[Any, torch.Tensor]:
        """What is pruned from `step` on, by what the student's weights now are; nothing comes back."""
        training, spec, student = self.training, self.spec, self.recovery.student
        method = named_criterion(spec.criterion)
        options = scoped(spec.options, method.scope)
        final = effective(self.session.plan(spec.settings), self.session.plan_groups(), options)
        plan = plan_at(training.schedule, step, training.pruned_by(), final)
        pruned, weights = student.removed(), student.weights()
        moved = self.recovery.movement
        scores = {}
        for key in plan:
            scored_by = inputs(key) if moved is None else GroupInputs(movement=moved[key])
            scores[key] = method.score(weights[key], scored_by)
            if key in pruned:
                scores[key] = scores[key].masked_fill(pruned[key], -torch.inf if method.norm == 1 else 0.0)
        return masks(scores, plan, options, method.norm)


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


def _about(spec: PruningSpec, training: Training, log: TrainingLog, out: Path) -> dict[str, Any]:
    return {
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "recovery": training.changed(),
        "steps": log.step,
        "best_step": None if log.best is None else log.best["step"],
        "stopped_early": log.stopped,
        "refitted": log.refitted,
        "losses": log.losses,
        "looks": log.looks,
        "out": str(out),
    }


def _quality(session: Session, reference: Reference, change: WeightChange) -> dict[str, float]:
    """How good the model is with the change, on the evaluation text."""
    with applied_change(session.model, session.groups, change):
        states = run(session.model, reference.windows.evaluation)
    return plain(compare(reference.head, reference.hidden, states, reference.windows.evaluation))
