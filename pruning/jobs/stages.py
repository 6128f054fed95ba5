"""The stages that jobs are made of: which ones a request goes through, and how much work each is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

# Work of a stage by name, in dense forward passes over the evaluation text for one unit: what is expected of
# it on a machine that never did it. Those of maps, measurements, exports and training were measured on demo,
# on one thread; afterwards the machine's own times count. A unit is the whole stage unless the plan of
# the task says otherwise: a level, a training step with one window, a token of an answer.
PASSES: Mapping[str, float] = MappingProxyType(
    {
        "": 1.0,
        "start": 0.3,
        "load": 0.1,
        "fetch": 3.0,
        "convert": 3.0,
        "text": 0.05,
        "dense": 1.3,
        "statistics": 2.1,
        "read_statistics": 0.3,
        "gradients": 3.0,
        "read_gradients": 0.3,
        "price": 0.35,
        "time_forward": 0.8,
        "price_units": 1.3,
        "choose": 0.05,
        "sparsegpt": 20.0,
        "corrected": 30.0,
        "refit": 8.0,
        "layerwise": 30.0,
        "drop_layers": 0.3,
        "diff": 5.0,
        "evaluate": 1.2,
        "questions": 1.1,
        "prompts": 0.6,
        "dense_answers": 1.8,
        "times": 0.3,
        "copy": 0.3,
        "race": 1.4,
        "kernels": 0.3,
        "points": 0.8,
        "points_updated": 10.0,
        "capability": 5.0,
        "outliers": 0.3,
        "exits": 20.0,
        "quantize": 2.0,
        "answer": 0.02,
        "self_written": 0.3,
        "prepare": 1.2,
        "fit": 20.0,
        "train": 0.25,
        "recovered": 1.2,
        "save": 0.1,
        "verify": 1.0,
    }
)
# How long these take depends on the network, or they are done once: nothing tells it beforehand.
UNKNOWN = frozenset({"fetch", "convert"})
# Of these the size of the model says little, so that they are no measure of how fast a forward pass is.
NO_MEASURE = frozenset({"", "start", "load", "fetch", "convert", "text"})


@dataclass(frozen=True)
class Stage:
    """One stage of a job: its name, and its work in the units of that name."""

    name: str
    units: float = 1.0

    @property
    def passes(self) -> float:
        """Its work in dense forward passes, by what is expected where it was never timed."""
        return self.units * PASSES.get(self.name, 1.0)


@dataclass(frozen=True)
class Course:
    """The stages of a job in their order; those of each of the rounds stand between two others."""

    before: tuple[Stage, ...] = ()
    rounds: tuple[tuple[Stage, ...], ...] = ()
    after: tuple[Stage, ...] = ()

    def with_rounds(self, count: int) -> "Course":
        """The same with so many rounds: the last ones are left out, or the last one comes again."""
        kept = self.rounds[:count]
        more = (kept[-1],) * (count - len(kept)) if kept else ((),) * count
        return replace(self, rounds=kept + more)

    def without(self, names: Iterable[str]) -> "Course":
        """The same without the first stage of each name: what is there already."""
        left = list(names)

        def rest(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
            kept = []
            for stage in stages:
                if stage.name in left:
                    left.remove(stage.name)
                else:
                    kept.append(stage)
            return tuple(kept)

        return Course(rest(self.before), tuple(rest(stages) for stages in self.rounds), rest(self.after))

    def stages(self) -> list[Stage]:
        """All stages in their order."""
        return [*self.before, *(stage for stages in self.rounds for stage in stages), *self.after]
