"""Fisher factors of every group (K-FAC's A and G): what forecasts and criteria are computed from.

For a linear layer y = W x and g = ∂L/∂y, a weight change D costs about ½ · (1/T) · E[Σ_p (g_pᵀ D x_p)²] nats
of KL per scored token. There are two estimators of it: the Kronecker-factored one, ½ · tr(G D A Dᵀ) with the
input covariance A and the output-gradient second moment G, which takes x and g for independent; and the
sampled quadratic form ("token" for short), which evaluates the sum itself at some positions.
"""

from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, batches, device_of, head_of, hidden_states
from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.calibration.fisher_sums import Batch, Site, Sums, gradients_from_embeddings, recording
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

SAMPLED_POSITIONS = 1024
SCORE_EVERY = 2
CHUNK = 256
BATCH_TOKENS = 512
SEED = 0


@dataclass(frozen=True)
class FisherFactors:
    """What the calibration tokens say of one group with weight [out, in].

    The windows are in two folds: one decides which weights are pruned, the other prices what was pruned, so
    that a criterion is not priced with the noise it was chosen by. Positions are ordinary ones or outliers.

    Attributes
    ----------
    score_inputs, score_outputs
        Mean x_j² [in] and mean g_i² [out] over all positions of the scoring fold.
    input_covariance
        A = mean x xᵀ [in, in] (uncentred) over the ordinary positions of the pricing fold.
    output_second_moment
        diag G [out], G = (1/T) Σ_p g gᵀ over the same positions p and the fold's T scored tokens.
    sample_inputs, sample_gradients, sample_weights
        x [n, in], g [n, out] and weights [n] of single ordinary positions: Σ weight · f(x, g) estimates
        (1/T) Σ_p f(x_p, g_p). For the sampled quadratic form.
    outlier_inputs, outlier_gradients
        x [m, in] and g [m, out] of every outlier position, an attention sink or a massive activation, where
        x and g are far from independent. Each counts 1 / `scored`, in both estimators.
    scored
        T, a scalar.
    """

    score_inputs: torch.Tensor
    score_outputs: torch.Tensor
    input_covariance: torch.Tensor
    output_second_moment: torch.Tensor
    sample_inputs: torch.Tensor
    sample_gradients: torch.Tensor
    sample_weights: torch.Tensor
    outlier_inputs: torch.Tensor
    outlier_gradients: torch.Tensor
    scored: torch.Tensor


@dataclass(frozen=True)
class StatisticsIdentity:
    """Which weights and which tokens statistics are of; empty where nobody will ask."""

    fingerprint: str = ""
    data_fingerprint: str = ""


UNNAMED = StatisticsIdentity()


@dataclass(frozen=True)
class Statistics:
    """The Fisher factors of every group of one model on one set of calibration tokens."""

    identity: StatisticsIdentity
    tokens: int
    groups: dict[Group, FisherFactors]


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
    activations of one batch, A of every group, and `CHUNK` rows of logits.

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

    `share` is (which, of how many): runs of batches, one after the other. What is drawn at random is drawn
    for each window by itself, so that the sums over all shares are those of the whole, however many.
    Raises PruningError as `collect` does.
    """
    folds = _folds(calibration, scored_at)
    sums = Sums({(group.layer, group.kind): Site() for group in groups}, [0, 0])
    picked = _sample_positions(folds[1][0], torch.Generator().manual_seed(SEED))
    mine = _share(_all_batches(folds), share)
    total, done = sum(part.ids.numel() for part in mine), 0
    head, batch = head_of(model), Batch(0, calibration.shape[1], picked[:0])
    with gradients_from_embeddings(model), recording(model, groups, sums.sites, batch):
        for part in mine:
            offset, end = (
                part.first * calibration.shape[1],
                part.first * calibration.shape[1] + part.ids.numel(),
            )
            inside = (picked >= offset) & (picked < end) & (part.fold == 1)
            batch.fold, batch.sampled = part.fold, (picked[inside] - offset).to(device_of(model))
            sums.scored[part.fold] += _backward(model, head, part)
            done += part.ids.numel()
            progress(done, total, "Reading the calibration text")
    return sums


def shares(calibration: torch.Tensor) -> int:
    """Into how many shares `read` can take the calibration windows [n, length] apart."""
    return len(_all_batches(_folds(calibration, None)))


def statistics_of(
    sums: Sums, calibration: torch.Tensor, identity: StatisticsIdentity = UNNAMED
) -> Statistics:
    """What the sums over all of the calibration windows [n, length] say of each group."""
    positions = [calibration[fold::2].numel() for fold in (0, 1)]
    factors = {key: _finish(site, positions, sums.scored) for key, site in sums.sites.items()}
    return Statistics(identity, calibration.numel(), factors)


@dataclass(frozen=True)
class _Part:
    """One batch: its fold, the number of its first window there, `ids` and `counted` [windows, length]."""

    fold: int
    first: int
    ids: torch.Tensor
    counted: torch.Tensor


def _folds(
    calibration: torch.Tensor, scored_at: torch.Tensor | None
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Even and odd windows, and where they count. Raises PruningError for too little text."""
    if len(calibration) < 2:
        raise PruningError("The calibration text fills only one window; two are needed. Give a longer text.")
    counted = _every_second(calibration) if scored_at is None else scored_at
    folds = [(calibration[fold::2], counted[fold::2]) for fold in (0, 1)]
    if not all(where.any() for _, where in folds):
        raise PruningError("Half of the windows have no position to score. Give more text to score.")
    return folds


def _all_batches(folds: list[tuple[torch.Tensor, torch.Tensor]]) -> list[_Part]:
    parts = []
    for fold, (windows, counted) in enumerate(folds):
        first = 0
        for ids, where in zip(batches(windows, BATCH_TOKENS), batches(counted, BATCH_TOKENS), strict=True):
            parts.append(_Part(fold, first, ids, where))
            first += len(ids)
    return parts


def _share(parts: list[_Part], share: tuple[int, int]) -> list[_Part]:
    which, many = share
    return parts[len(parts) * which // many : len(parts) * (which + 1) // many]


def _every_second(windows: torch.Tensor) -> torch.Tensor:
    scored = torch.zeros_like(windows, dtype=torch.bool)
    scored[:, SCORE_EVERY - 1 :: SCORE_EVERY] = True
    return scored


def _sample_positions(windows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Flat positions, ascending, whose (x, g) are kept for the sampled quadratic form."""
    return torch.randperm(windows.numel(), generator=generator)[:SAMPLED_POSITIONS].sort().values


def _backward(model: nn.Module, head: Head, part: _Part) -> int:
    """Send back the gradient of -Σ log q(ŷ), ŷ ~ q, over the positions of the batch that count.

    The head is taken `CHUNK` positions at a time, so that logits of the whole batch never exist.
    Returns how many positions were scored.
    """
    with torch.enable_grad():
        hidden = hidden_states(model, part.ids)
    where, uniform = part.counted.to(hidden.device), _uniform(part).to(hidden.device)
    flat = hidden.detach()[where]
    gradients = []
    for chunk, drawn in zip(flat.split(CHUNK), uniform.split(CHUNK), strict=True):
        chunk = chunk.clone().requires_grad_(True)
        with torch.enable_grad():
            logs = torch.log_softmax(head(chunk).float(), dim=-1)
            labels = _draw(logs.detach(), drawn)
            loss = -logs.gather(1, labels.unsqueeze(1)).sum()
        gradients.append(torch.autograd.grad(loss, chunk)[0])
    sent = torch.zeros_like(hidden)
    sent[where] = torch.cat(gradients)
    hidden.backward(sent)
    return len(flat)


def _uniform(part: _Part) -> torch.Tensor:
    """A number in 0..1 for each position that counts, [n, 1]: drawn on the CPU to be repeatable, and for each
    window by itself, so that it does not matter what is read before or elsewhere."""
    drawn = []
    for row, counted in enumerate(part.counted):
        generator = torch.Generator().manual_seed(SEED + 1 + 2 * (part.first + row) + part.fold)
        drawn.append(torch.rand(int(counted.sum()), 1, generator=generator))
    return torch.cat(drawn)


def _draw(logs: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One label for each row of log-probabilities [n, vocabulary], by a number in 0..1 for each [n, 1]."""
    cumulative = logs.exp().cumsum(-1)
    return (
        torch.searchsorted(cumulative, uniform * cumulative[:, -1:]).squeeze(1).clamp_max(logs.shape[1] - 1)
    )


def _finish(site: Site, positions: list[int], scored: list[int]) -> FisherFactors:
    source = site.same_inputs_as or site
    parts = sorted(site.gradient_samples)
    if source.score_inputs is None or source.input_sum is None:
        raise PruningError(
            "A group's modules were never called on the calibration text; it cannot be priced."
        )
    outliers, sampled = torch.cat(source.input_outliers), torch.cat(source.input_samples)
    ordinary = positions[1] - len(outliers)
    if source.input_covariance is None:
        source.input_covariance = source.input_sum / max(1, ordinary)
    score_squares, squares = (
        torch.cat([site.squared_gradients[fold, part] for part in parts]) / scored[fold] for fold in (0, 1)
    )
    weight = ordinary / max(1, len(sampled)) / scored[1]
    return FisherFactors(
        score_inputs=source.score_inputs / positions[0],
        score_outputs=score_squares,
        input_covariance=source.input_covariance,
        output_second_moment=squares,
        sample_inputs=sampled,
        sample_gradients=_side_by_side(site.gradient_samples),
        sample_weights=torch.full((len(sampled),), weight, device=outliers.device),
        outlier_inputs=outliers,
        outlier_gradients=_side_by_side(site.gradient_outliers),
        scored=torch.tensor(scored[1], device=outliers.device),
    )


def _side_by_side(parts: dict[int, list[torch.Tensor]]) -> torch.Tensor:
    """Gradients of a group's parts, batch after batch, as one [positions, out]."""
    return torch.cat([torch.cat(parts[part]) for part in sorted(parts)], dim=1)
