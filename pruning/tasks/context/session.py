"""A loaded model with one text: what tasks need before they start, each part made once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pruning.data_files.source import stamp_of
from pruning.engine.architecture.forward import Head, head_of, run
from pruning.engine.calibration import fisher_io, gradients
from pruning.engine.calibration.data import (
    CALIBRATION_TOKENS,
    EVALUATION_TOKENS,
    WINDOW,
    Windows,
    load_windows,
)
from pruning.engine.calibration.factors import Statistics, StatisticsIdentity
from pruning.engine.calibration.streamed import collect_to
from pruning.engine.criteria import Criterion, CriterionInputs
from pruning.engine.evaluation.behaviour import DenseAnswers
from pruning.engine.evaluation.metrics import Quality, compare
from pruning.engine.masking.change import WeightChange
from pruning.engine.masking.masks import criterion_inputs
from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from pruning.planning.recipe.plan import UNIT_KINDS, Group, Plan, format_settings, parse_settings
from pruning.progress import Progress, silent, stage
from pruning.sharing import ONE_BY_ONE, Each
from pruning.tasks.context.answers import dense_answers
from pruning.tasks.context.collected import collect_gradients, collect_statistics
from pruning.workspace import results
from pruning.workspace.store import Store

# A least-squares fit has as many unknowns in each row as inputs are kept; few tokens are learned by heart.
FITTING_TOKENS = 16384


@dataclass(frozen=True)
class Reference:
    """The dense model on one text: `hidden` [n, length, hidden] on the evaluation windows, its quality.

    `answers` are what it says to the prompts and questions, None where nobody needs them.
    """

    windows: Windows
    head: Head
    hidden: torch.Tensor
    quality: Quality
    answers: DenseAnswers | None = None


@dataclass(frozen=True)
class SentText:
    """A text that another machine has read: its windows, and those that weights are fitted to [n, length]."""

    windows: Windows
    fitting: torch.Tensor


@dataclass
class Made:
    """The latest of each part for one model; what another text needs takes the place of what was there.

    `change`: the latest weight update, with all that decides it; whoever measures it often writes it next.
    `sent`: of a worker's session the text, which is not looked for on its own machine.
    """

    sent: SentText | None = None
    windows: Windows | None = None
    stamp: tuple[int, ...] | None = None
    reference: Reference | None = None
    answers: DenseAnswers | None = None
    statistics: Statistics | None = None
    gradients: tuple[str, dict[Group, torch.Tensor]] | None = None
    change: tuple[dict[str, Any], WeightChange] | None = None


@dataclass(frozen=True, eq=False)
class Session:
    """A loaded model with the text `data`, a workspace, and somebody to report progress to.

    `fitting_tokens`: how much of the text the weights that stay are fitted to. `each` does the pieces of a
    task: one after the other, or on other machines too.

    Views made by `on` and `reporting` share what was made; for a file's text that ends when the file changes.
    """

    loaded: Loaded
    store: Store
    data: str = "demo"
    progress: Progress = silent
    made: Made = field(default_factory=Made, repr=False)
    fitting_tokens: int = FITTING_TOKENS
    each: Each = ONE_BY_ONE

    @classmethod
    def open(
        cls,
        reference: str = "demo",
        data: str = "demo",
        *,
        store: Store | None = None,
        progress: Progress = silent,
        each: Each = ONE_BY_ONE,
        **how: Any,
    ) -> "Session":
        """Load a model and open the workspace.

        Parameters
        ----------
        reference
            `demo`, a hub id, a folder or a GGUF file.
        data
            `demo`, `wikitext`, a file or folder, a hub data set, or a mixture; see
            `pruning.data_files.source`.
        store
            The workspace; the user's own where it is None.
        progress
            Hears of the loading, and of all that is done with the session.
        each
            Who does the pieces of a task; see `pruning.tasks.context.ray_cluster.cluster`.
        how
            `dtype`, `device`, `trust_remote_code`, `allow_pickle`, `stream`, `tokens`: see
            `pruning.engine.models.load.load`.

        Raises
        ------
        PruningError
            For a model that is not there, is damaged, or cannot be pruned.
        """
        loaded = load(reference, **how, progress=progress)
        return cls(loaded, Store() if store is None else store, data, progress, each=each)

    def on(self, data: str) -> "Session":
        """The same model with another text."""
        return self if data == self.data else replace(self, data=data)

    def reporting(self, progress: Progress) -> "Session":
        """The same session, of which somebody else hears."""
        return replace(self, progress=progress)

    def stage(self, name: str, note: str = "", begun: float = 0.0) -> Progress:
        """Begin a stage of the job, by its name in `pruning.jobs.stages`; returns what hears of its work."""
        return stage(self.progress, name, note, begun)

    # ---- the model ------------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The model, dense but while a change is applied to it."""
        return self.loaded.model

    @property
    def groups(self) -> list[Any]:
        """The model's groups of weights, with the modules they are in."""
        return self.loaded.groups

    def check_whole(self, what: str) -> None:
        """Raise PruningError where the model's layers stay on disk; `what` takes all of them in memory."""
        if self.loaded.streamed:
            raise PruningError(
                f"{what} takes the whole model in memory, and its layers stay on disk. Load it with "
                "--stream no, on a machine that holds it."
            )

    def plan_groups(self, structure: str = "unstructured") -> list[Group]:
        """What plans have levels for: the model's groups, or for whole units those of each layer."""
        if structure in UNIT_KINDS:
            return [(layer, structure) for layer in sorted({group.layer for group in self.groups})]
        return [(group.layer, group.kind) for group in self.groups]

    @property
    def every_group(self) -> list[Group]:
        """What any plan may name: whole units of each layer, and the model's groups of weights."""
        return [group for kind in UNIT_KINDS for group in self.plan_groups(kind)] + self.plan_groups()

    def plan(self, settings: Sequence[str]) -> Plan:
        """The plan of `settings`, of any kinds. Raises PruningError for what cannot be read."""
        return parse_settings(list(settings), self.every_group)

    def settings(self, plan: Plan) -> list[str]:
        """The shortest settings that spell the plan."""
        return format_settings(plan, self.every_group)

    # ---- the text -------------------------------------------------------------------------------------

    @property
    def windows(self) -> Windows:
        """The text in the model's tokens, [n, length] for calibration and for evaluation.

        When it is read the workspace is told which text it is, so that nobody takes figures of an older one
        under the same name for its own.
        """
        made = self.made
        if made.sent is not None:
            return made.sent.windows
        stamp = stamp_of(self.data)
        if made.windows is None or made.windows.name != self.data or made.stamp != stamp:
            self.stage("text", "Reading the text")
            made.windows, made.stamp = self._read(CALIBRATION_TOKENS, EVALUATION_TOKENS), stamp
            results.put_text(self.store, self.subject_of(made.windows), stamp)
        return made.windows

    @property
    def fitting_windows(self) -> torch.Tensor:
        """More of the calibration text [n, length] than statistics need: what weights are fitted to."""
        if self.made.sent is not None:
            return self.made.sent.fitting
        return self._read(self.fitting_tokens, EVALUATION_TOKENS).calibration

    def _read(self, calibration: int, evaluation: int) -> Windows:
        """Windows of the text, of both kinds at most so many tokens."""
        tokens = self.loaded.tokens
        most = (min(count, tokens or count) for count in (calibration, evaluation))
        return load_windows(self.loaded.tokenizer, self.data, WINDOW, *most)

    @property
    def subject(self) -> results.Subject:
        """The model and the very text, as stored results name them."""
        return self.subject_of(self.windows)

    def subject_of(self, windows: Windows) -> results.Subject:
        """The model and the text of these windows."""
        return results.Subject(self.loaded.computed, self.data, windows.fingerprint)

    @property
    def key(self) -> dict[str, Any]:
        """The part of a result's key that says which model and which text it is about."""
        return {"fingerprint": self.loaded.computed, "data": self.data}

    @property
    def text_key(self) -> dict[str, Any]:
        """The same with the fingerprint of the very text, for results that are kept for each text."""
        return {**self.key, "data_fingerprint": self.windows.fingerprint}

    def stored(self, kind: str, key: dict[str, Any]) -> dict[str, Any] | None:
        """The value kept under (kind, key) if it is about this very text."""
        return results.stored(self.store, kind, key, self.windows.fingerprint)

    # ---- what is worked out on the text ---------------------------------------------------------------

    @property
    def reference(self) -> Reference:
        """The dense model's hidden states and quality on the evaluation part of the text."""
        windows, made = self.windows, self.made
        if made.reference is None or made.reference.windows.fingerprint != windows.fingerprint:
            self.stage("dense", "Running the dense model")
            head = head_of(self.model)
            hidden = run(self.model, windows.evaluation)
            quality = compare(head, hidden, hidden, windows.evaluation)
            made.reference = Reference(windows, head, hidden, quality)
        return made.reference

    @property
    def reference_with_answers(self) -> Reference:
        """The same with the dense model's answers, which are kept in the workspace.

        A streamed model is asked nothing: every word would read all of it from the disk.
        """
        reference, made = self.reference, self.made
        if self.loaded.streamed:
            return reference
        if made.answers is None:
            made.answers = dense_answers(self.loaded, reference.head, self.store, self.progress)
        return replace(reference, answers=made.answers)

    @property
    def statistics(self) -> Statistics:
        """The Fisher factors of the calibration part of the text.

        Looked for here, then in the workspace; what is collected is written there.
        """
        windows, made = self.windows, self.made
        if made.statistics is not None and made.statistics.identity.data_fingerprint == windows.fingerprint:
            return made.statistics
        path = self.store.file("statistics", self._text_names(windows), ".safetensors")
        if path.exists():
            self.stage("read_statistics", "Reading what was collected on the text before")
            made.statistics = fisher_io.load(path, self.loaded.device)
        else:
            heard = self.stage("statistics", "Reading the calibration text")
            if self.loaded.streamed:
                identity = StatisticsIdentity(self.loaded.computed, windows.fingerprint)
                collect_to(path, self.model, self.groups, windows.calibration, identity, heard)
                made.statistics = fisher_io.load(path, self.loaded.device)
            else:
                made.statistics = collect_statistics(self.reporting(heard))
                fisher_io.save(made.statistics, path)
        return made.statistics

    @property
    def gradients(self) -> dict[Group, torch.Tensor]:
        """Σ |∂L/∂w| of every group on the calibration part of the text.

        Looked for here, then in the workspace; what is collected is written there.
        """
        self.check_whole("A criterion that looks at gradients of all weights")
        windows, made = self.windows, self.made
        if made.gradients is not None and made.gradients[0] == windows.fingerprint:
            return made.gradients[1]
        path = self.store.file("gradients", self._text_names(windows), ".safetensors")
        if path.exists():
            self.stage("read_gradients", "Reading the gradients collected on the text before")
            sums = gradients.load(path, self.loaded.device)
        else:
            heard = self.stage("gradients", "Reading the calibration text for gradients")
            sums = collect_gradients(self.reporting(heard))
            gradients.save(sums, path)
        made.gradients = windows.fingerprint, sums
        return sums

    def inputs_for(self, criterion: Criterion) -> CriterionInputs:
        """What the criterion scores by besides the weights, by group; collected where it is not there yet."""
        factors = {"inputs", "outputs"} & set(criterion.needs)
        return criterion_inputs(
            self.statistics if factors else None,
            self.gradients if "gradients" in criterion.needs else None,
        )

    def _text_names(self, windows: Windows) -> dict[str, Any]:
        return {"fingerprint": self.loaded.computed, "data_fingerprint": windows.fingerprint}
