"""Recovery training of a pruned model, as a value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pruning.errors import PruningError
from pruning.planning.recipe.schedules import ONE_SHOT, SCHEDULES
from pruning.wording import counted

LOSSES = ("distill", "task", "both")
DECAYS = ("cosine", "constant")
# Text seen up to four times teaches almost as much as new text (Muennighoff et al. 2023); here, twice.
SEEN = 2
# Long trainings would otherwise wait for hours before their first step.
MOST_WRITTEN = 1024
# The cosine ends at this share of the learning rate: at nothing the last steps teach next to nothing.
FLOOR = 0.1


@dataclass(frozen=True)
class Training:
    """What can be set about recovery.

    `loss`: "distill" follows the dense model's predictions, "task" the next token of the text, "both" their
    sum; `temperature` softens the predictions that are followed, and `hidden` is the weight of following the
    dense model's states between layers too (0: not). A step sees `accumulate` times `batch` windows. The
    learning rate rises over `warmup` steps, then falls as a cosine or stays. `clip`: the longest gradient
    (norm). `lora`: the rank of low-rank updates instead of whole weights (0: whole weights). Every
    `evaluate_every` steps quality is looked at, and after `patience` looks without a better one training
    stops (0: never). `refit` first fits the weights kept to the outputs of the dense groups, where all are
    pruned at once. `schedule` prunes weights over the first `prune_steps` steps (None: half of them), every
    `prune_every` steps, instead of all at once. `written`: how many windows of self-generated text are
    trained on beside the user's (None: see `lacking`).
    """

    steps: int = 200
    loss: str = "distill"
    learning_rate: float = 3e-4
    warmup: int = 10
    decay: str = "cosine"
    batch: int = 4
    accumulate: int = 1
    clip: float = 1.0
    temperature: float = 1.0
    hidden: float = 0.0
    lora: int = 0
    evaluate_every: int = 20
    patience: int = 0
    refit: bool = True
    schedule: str = ONE_SHOT
    prune_steps: int | None = None
    prune_every: int = 10
    written: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("loss", LOSSES), ("decay", DECAYS), ("schedule", tuple(SCHEDULES))):
            if getattr(self, name) not in choices:
                raise PruningError(
                    f'There is no {name} "{getattr(self, name)}". Use one of {", ".join(choices)}.'
                )
        if type(self.refit) is not bool:
            raise PruningError(f"The setting refit {self.refit!r} cannot be. Give true or false.")
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise PruningError(
                    f"{_spoken(name)} {value!r} cannot be. Give a whole number from {least} up."
                )
        for name, zero in _REAL.items():
            value = getattr(self, name)
            fits = (
                type(value) in (int, float) and math.isfinite(value) and (value > 0 or (zero and value == 0))
            )
            if not fits:
                raise PruningError(f"{_spoken(name)} {value!r} cannot be. Give a number above 0.")
        if self.schedule != ONE_SHOT and self.pruned_by() >= self.steps:
            raise PruningError(
                f"Pruning would take {counted(self.pruned_by(), 'step')} and training has {self.steps}. "
                "Give more steps, or prune steps a smaller number."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Training":
        """Training from plain values; PruningError for a name there is none of and a value that cannot be."""
        names = {field.name for field in fields(cls)}
        strange = sorted(set(values) - names)
        if strange:
            raise PruningError(f'Recovery has no setting "{strange[0]}". It has {", ".join(sorted(names))}.')
        return cls(**values)

    def changed(self) -> dict[str, Any]:
        """Only what differs from its default."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def lacking(self, windows: int) -> int:
        """How many windows the dense model has to write beside `windows` of text.

        Unless that was said: where only the dense model is followed as many as it takes for none to be seen
        more than `SEEN` times, since a student that sees little text often learns that text, not its teacher;
        but not more than `MOST_WRITTEN`.
        """
        if self.written is not None:
            return self.written
        if self.loss != "distill":
            return 0
        needed = math.ceil(self.steps * self.batch * self.accumulate / SEEN)
        return min(MOST_WRITTEN, max(0, needed - windows))

    def fits_first(self) -> bool:
        """Whether the weights kept are fitted before the first step."""
        return self.refit and self.schedule == ONE_SHOT

    def pruned_by(self) -> int:
        """The step from which on the whole plan is pruned; 0 in one shot."""
        if self.schedule == ONE_SHOT:
            return 0
        return max(1, self.steps // 2) if self.prune_steps is None else self.prune_steps

    def rate_at(self, step: int) -> float:
        """The learning rate of step `step` (0, 1, ...): a straight rise over the warm-up, then the decay.

        The cosine falls to `FLOOR` times the highest.
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.decay == "constant":
            return self.learning_rate
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        fallen = (1 + math.cos(math.pi * min(1.0, done))) / 2
        return self.learning_rate * (FLOOR + (1 - FLOOR) * fallen)


_WHOLE = {
    "steps": 1,
    "warmup": 0,
    "batch": 1,
    "accumulate": 1,
    "lora": 0,
    "evaluate_every": 1,
    "patience": 0,
    "prune_steps": 1,
    "prune_every": 1,
    "written": 0,
    "seed": 0,
}
# True: 0 is allowed, and turns it off.
_REAL = {"learning_rate": False, "clip": False, "temperature": False, "hidden": True}


def _spoken(name: str) -> str:
    return f"The setting {name.replace('_', ' ')}"
