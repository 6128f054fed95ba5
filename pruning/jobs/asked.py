"""A request, seen against what the workspace has already and what an engine process has in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pruning.jobs.stages import Stage
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import MaskOptions, names, planned_options
from pruning.planning.recipe.plan import kinds_of
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.spec import PruningSpec
from pruning.workspace import results
from pruning.workspace.store import Store

Stages = tuple[Stage, ...]

# What criteria score by besides the weights, and those that update the weights they keep.
FACTORS, GRADIENTS = frozenset({"wanda", "fisher"}), frozenset({"gradient", "taylor", "snip"})
UPDATES = frozenset({"sparsegpt", "corrected"})
LEVELS = 9
# Where the model was not inspected yet.
GROUPS, LAYERS = 150, 30


@dataclass(frozen=True)
class Asked:
    """A request, seen against the workspace: its arguments, the model's facts, the text if it was read."""

    store: Store
    arguments: Mapping[str, Any]
    facts: Mapping[str, Any] | None
    subject: results.Subject | None

    @classmethod
    def of(cls, request: Mapping[str, Any], store: Store) -> "Asked":
        """Look up what the workspace has about the request's model and text."""
        model, arguments = request.get("model") or {}, request.get("arguments") or {}
        reference, dtype = str(model.get("reference") or ""), str(model.get("dtype") or "float32")
        facts = results.inspected(store, reference, dtype)
        subject = (
            None if facts is None else results.latest_subject(store, results.computed(facts), _data(request))
        )
        return cls(store, arguments, facts, subject)

    @property
    def criterion(self) -> str:
        return canonical_criterion(str(self.arguments.get("criterion") or "fisher"))

    @property
    def masks(self) -> MaskOptions:
        given = {name: self.arguments[name] for name in names() if name in self.arguments}
        return planned_options(given, kinds_of(self.arguments.get("settings") or ()))

    @property
    def groups(self) -> int:
        return GROUPS if self.facts is None else len(self.facts["groups"])

    @property
    def layers(self) -> int:
        return LAYERS if self.facts is None else int(self.facts["layers"])

    def levels(self) -> int:
        return len(self.arguments.get("levels") or ()) or LEVELS

    def kept(self, kind: str) -> bool:
        """Whether the file of what is collected on the text is in the workspace."""
        if self.subject is None:
            return False
        about = {"fingerprint": self.subject.fingerprint, "data_fingerprint": self.subject.data_fingerprint}
        return self.store.file(kind, about, ".safetensors").exists()

    def measured(self, recipe: Recipe) -> bool:
        """Whether what a recipe leaves was measured on this very text, so that it is not measured again."""
        if self.subject is None:
            return False
        spec = PruningSpec(tuple(recipe.settings()), recipe.criterion, recipe.data.name, recipe.options())
        kind, key = "measure", {"fingerprint": self.subject.fingerprint, **spec.key()}
        if recipe.recovery is not None:
            kind, key = "measure_recovered", {**key, "recovery": dict(recipe.recovery)}
        return results.stored(self.store, kind, key, self.subject.data_fingerprint) is not None

    def dense_answers(self) -> Stages:
        """What it takes to have the dense model's answers, which pruned ones are held against."""
        if self.facts is not None and self.store.find(
            "dense_answers", fingerprint=results.computed(self.facts)
        ):
            return ()
        return (Stage("dense_answers"),)

    def inputs(self, criterion: str, statistics: bool = False) -> Stages:
        """What it takes to have the criterion's inputs, and the statistics where they are needed anyway."""
        stages: list[Stage] = []
        for kind, needed in (
            ("statistics", statistics or criterion in FACTORS),
            ("gradients", criterion in GRADIENTS),
        ):
            if needed:
                stages.append(Stage(f"read_{kind}" if self.kept(kind) else kind))
        return tuple(stages)


@dataclass(frozen=True)
class Held:
    """What an engine process has in memory: its `model` as requests name it, and the text `data` that the
    dense model ran on last."""

    model: Mapping[str, Any] | None = None
    data: str | None = None
    started: bool = False

    def ready(self, request: Mapping[str, Any]) -> set[str]:
        """The stages of a request that it does not go through once more."""
        names = {"start"} if self.started else set()
        if self.model is not None and self.model == request.get("model"):
            names |= {"load"} | ({"text", "dense"} if self.data == _data(request) else set())
        return names

    def after(self, request: Mapping[str, Any], event: Mapping[str, Any], stages: Collection[str]) -> "Held":
        """What it has after a request that ended with `event`, having gone through `stages`."""
        if event["event"] == "gone":
            return Held()
        if event.get("unexpected"):
            return Held(started=True)
        same = self.model == request.get("model")
        if not same and "load" not in stages and event["event"] != "done":
            return Held(started=True)
        data = _data(request) if "dense" in stages else self.data if same else None
        return Held(request.get("model"), data, started=True)


def _data(request: Mapping[str, Any]) -> str:
    """The text that a request is about: that of its recipe, where it has one."""
    arguments = request.get("arguments") or {}
    recipe = arguments.get("recipe")
    about = recipe.get("data") if isinstance(recipe, Mapping) else None
    name = about.get("name") if isinstance(about, Mapping) else arguments.get("data")
    return str(name or "demo")
