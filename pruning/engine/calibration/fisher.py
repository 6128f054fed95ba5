"""Fisher factors of every group (K-FAC's A and G): what forecasts and criteria are computed from.

For a linear layer y = W x and g = ∂L/∂y, a weight change D costs about ½ · (1/T) · E[Σ_p (g_pᵀ D x_p)²] nats
of KL per scored token. There are two estimators of it: the Kronecker-factored one, ½ · tr(G D A Dᵀ) with the
input covariance A and the output-gradient second moment G, which takes x and g for independent; and the
sampled quadratic form ("token" for short), which evaluates the sum itself at some positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, batches, device_of, head_of, hidden_states
from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.calibration.factors import (
    UNNAMED,
    CompactFactors,
    CompactGroups,
    FisherFactors,
    Statistics,
    StatisticsIdentity,
    compact_groups,
)
from pruning.engine.calibration.fisher_sums import Batch, Site, Sums, gradients_from_embeddings, recording
from pruning.engine.linalg.memory import release_memory
from pruning.engine.linalg.processor_time import part
from pruning.engine.linalg.symmetric import whole
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

SCORE_EVERY = 2
CHUNK = 64
BATCH_TOKENS = 256
SEED = 0
# From here on seeds are those of windows.
WINDOW_SEED = 1


@dataclass(frozen=True)
class Reading:
    """One batch of the calibration text.

    What is drawn at random is drawn on the CPU and belongs to its place in the text: repeatable, and the same
    whatever is read before or elsewhere.

    Attributes
    ----------
    fold
        0 scores, 1 prices.
    first
        The number of its first window within the fold.
    ids
        Its tokens [windows, length].
    counted
        bool [windows, length]: the positions whose predictions count.
    labels
        A number from [0, 1) for each position that counts [n, 1], by which its label is drawn.
    """

    fold: int
    first: int
    ids: torch.Tensor
    counted: torch.Tensor
    labels: torch.Tensor

    def draws(self) -> torch.Tensor:
        """A number from (0, 1] for each position [windows · length], by which it is sampled."""
        numbers = range(self.first, self.first + len(self.ids))
        seeds = (SEED + WINDOW_SEED + 2 * number + self.fold for number in numbers)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return torch.cat([1 - torch.rand(self.ids.shape[1], generator=each) for each in generators])


def collect(
    model: nn.Module,
    groups: list[GroupInfo],
    calibration: torch.Tensor,
    identity: StatisticsIdentity = UNNAMED,
    progress: Progress = silent,
    scored_at: torch.Tensor | None = None,
) -> Statistics:
    """One forward and one backward pass for the Fisher factors of all groups.

    Labels are sampled from the model itself, which makes G the true Fisher's factor and not the empirical
    one's. Even windows score, odd windows price. Weights get no gradients and are not changed. Memory: the
    activations of one batch, half of A of every group, and `CHUNK` rows of logits.

    Parameters
    ----------
    model, groups
        The dense model and its groups.
    calibration
        Token windows [n, length], two or more.
    identity
        Written into the statistics as it is.
    scored_at
        bool [n, length]: the positions whose predictions count; by default every `SCORE_EVERY`-th.

    Raises
    ------
    PruningError
        There is only one window, or a fold in which no position counts.

    References
    ----------
    Martens & Grosse 2015, "Optimizing Neural Networks with Kronecker-factored Approximate Curvature",
    arXiv 1503.05671. Kunstner et al. 2019, "Limitations of the Empirical Fisher Approximation",
    arXiv 1905.12558.
    """
    return statistics_of(
        read(model, groups, calibration, scored_at, progress=progress), calibration, identity
    )


def read(
    model: nn.Module,
    groups: list[GroupInfo],
    calibration: torch.Tensor,
    scored_at: torch.Tensor | None = None,
    share: tuple[int, int] = (0, 1),
    progress: Progress = silent,
) -> Sums:
    """The sums that statistics are made of, over one share of the batches; see `collect`.

    `share` is (which, of how many): runs of batches, one after the other. The sums over all shares are those
    of the whole, however many. Raises PruningError as `collect` does.
    """
    everything, (which, many) = readings(calibration, scored_at), share
    mine = everything[len(everything) * which // many : len(everything) * (which + 1) // many]
    sums = Sums({group.key: Site() for group in groups}, [0, 0])
    total, done = sum(each.ids.numel() for each in mine), 0
    head, batch = head_of(model), Batch(0, calibration.shape[1], mine[0].draws() if mine else torch.empty(0))
    with gradients_from_embeddings(model), recording(model, groups, sums.sites, batch):
        for reading in mine:
            batch.fold, batch.draws = reading.fold, reading.draws().to(device_of(model))
            release_memory()
            with part("forward"), torch.enable_grad():
                hidden = hidden_states(model, reading.ids)
            sent = gradient_of(head, hidden, reading)
            with part("backward"):
                hidden.backward(sent)
            sums.scored[reading.fold] += int(reading.counted.sum())
            done += reading.ids.numel()
            progress(done, total, "Reading the calibration text")
    return sums


def shares(calibration: torch.Tensor) -> int:
    """Into how many shares `read` can take the calibration windows [n, length] apart."""
    return len(readings(calibration))


def readings(calibration: torch.Tensor, scored_at: torch.Tensor | None = None) -> list[Reading]:
    """The calibration windows [n, length] in the batches in which they are read: even ones, then odd ones.

    Raises PruningError for too little text.
    """
    if len(calibration) < 2:
        raise PruningError("The calibration text fills only one window; two are needed. Give a longer text.")
    counted = _every_second(calibration) if scored_at is None else scored_at
    labels, taken = _labels(calibration, counted), 0
    found = []
    for fold in (0, 1):
        windows, where = calibration[fold::2], counted[fold::2]
        if not where.any():
            raise PruningError("Half of the windows have no position to score. Give more text to score.")
        first = 0
        for ids, each in zip(batches(windows, BATCH_TOKENS), batches(where, BATCH_TOKENS), strict=True):
            count = int(each.sum())
            found.append(Reading(fold, first, ids, each, labels[taken : taken + count]))
            first, taken = first + len(ids), taken + count
    return found


def _labels(calibration: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """A number from [0, 1) for each position that counts, those of even windows first [n, 1]."""
    generator = torch.Generator().manual_seed(SEED)
    # Before labels the sampled positions were drawn: recipes of then still prune the same weights.
    torch.randperm(calibration[1::2].numel(), generator=generator)
    return torch.rand(int(counted.sum()), 1, generator=generator)


def statistics_of(
    sums: Sums, calibration: torch.Tensor, identity: StatisticsIdentity = UNNAMED
) -> Statistics:
    """What the sums over all of the calibration windows [n, length] say of each group.

    They are emptied *in place* on the way, so that they and what becomes of them are never both in memory.
    """
    kept: dict[Group, CompactFactors] = {}
    for layer in sorted({layer for layer, _ in sums.sites}):
        own = {key: sums.sites.pop(key) for key in list(sums.sites) if key[0] == layer}
        kept |= compact_sites(own, calibration, sums.scored)
        own.clear()
        release_memory()
    return Statistics(identity, calibration.numel(), CompactGroups(kept))


def compact_sites(
    sites: dict[Group, Site], calibration: torch.Tensor, scored: Sequence[int]
) -> dict[Group, CompactFactors]:
    """The factors of one layer's groups, as they are kept, from their sums over all windows [n, length].

    `scored`: the positions that count in each fold.
    """
    positions = [calibration[fold::2].numel() for fold in (0, 1)]
    with part("compaction"):
        return compact_groups({key: _finish(site, positions, scored) for key, site in sites.items()})


def _every_second(windows: torch.Tensor) -> torch.Tensor:
    scored = torch.zeros_like(windows, dtype=torch.bool)
    scored[:, SCORE_EVERY - 1 :: SCORE_EVERY] = True
    return scored


def gradient_of(head: Head, hidden: torch.Tensor, reading: Reading) -> torch.Tensor:
    """∂/∂hidden of -Σ log q(ŷ), ŷ ~ q, over the positions that count, for hidden [windows, length, hidden].

    The head is taken `CHUNK` positions at a time, so that logits of the whole batch never exist.
    """
    where, uniform = reading.counted.to(hidden.device), reading.labels.to(hidden.device)
    chunks = zip(hidden.detach()[where].split(CHUNK), uniform.split(CHUNK), strict=True)
    with part("head"):
        gradients = [_from_head(head, states, drawn) for states, drawn in chunks]
    sent = torch.zeros_like(hidden)
    if gradients:
        sent[where] = torch.cat(gradients)
    return sent


def _from_head(head: Head, states: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """∂/∂states of -Σ log q(ŷ), ŷ ~ q, for states [n, hidden]: softmax − ŷ sent back through the head."""
    states = states.clone().requires_grad_(True)
    with torch.enable_grad():
        logits = head(states)
    sent = torch.softmax(logits.detach().float(), -1)
    labels = _draw(sent, uniform)
    sent[torch.arange(len(sent), device=sent.device), labels] -= 1
    return torch.autograd.grad(logits, states, sent.to(logits.dtype))[0]


def _draw(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One label for each row of probabilities [n, vocabulary], by a number from [0, 1) for each [n, 1]."""
    cumulative = probabilities.cumsum(-1)
    picked = torch.searchsorted(cumulative, uniform * cumulative[:, -1:]).squeeze(1)
    return picked.clamp_max(probabilities.shape[1] - 1)


def _finish(site: Site, positions: Sequence[int], scored: Sequence[int]) -> FisherFactors:
    """A group's factors from its sums; positions and scored tokens are those of (scoring, pricing) fold."""
    source = site.same_inputs_as or site
    if source.score_inputs is None or source.input_sum is None:
        raise PruningError(
            "A group's modules were never called on the calibration text; it cannot be priced."
        )
    outliers = torch.cat(source.input_outliers)
    ordinary = positions[1] - len(outliers)
    if source.input_covariance is None:
        source.input_covariance = whole(source.input_sum, len(source.score_inputs)) / max(1, ordinary)
    score_squares, squares = (
        torch.cat([site.squared_gradients[fold, part] for part in range(site.parts)]) / scored[fold]
        for fold in (0, 1)
    )
    inputs, gradients, weights = site.sample.finished()
    at_outliers = [torch.cat(site.gradient_outliers[part]) for part in range(site.parts)]
    return FisherFactors(
        score_inputs=source.score_inputs / positions[0],
        score_outputs=score_squares,
        input_covariance=source.input_covariance,
        output_second_moment=squares,
        sample_inputs=inputs,
        sample_gradients=gradients,
        sample_weights=weights / scored[1],
        outlier_inputs=outliers,
        outlier_gradients=torch.cat(at_outliers, dim=1),
        scored=torch.tensor(scored[1], device=outliers.device),
        ordinary=torch.tensor(ordinary, device=outliers.device),
    )
