"""Fisher factors of every group (K-FAC's A and G): what forecasts and criteria are computed from.

For a linear layer y = W x and g = ∂L/∂y, a weight change D costs about ½ · (1/T) · E[Σ_p (g_pᵀ D x_p)²] nats
of KL per scored token. There are two estimators of it: the Kronecker-factored one, ½ · tr(G D A Dᵀ) with the
input covariance A and the output-gradient second moment G, which takes x and g for independent; and the
sampled quadratic form ("token" for short), which evaluates the sum itself at some positions.
"""

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, batches, device_of, head_of, hidden_states
from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.calibration.compact_factors import CompactFactors, CompactGroups, compact_groups
from pruning.engine.calibration.factors import UNNAMED, FisherFactors, Statistics, StatisticsIdentity
from pruning.engine.calibration.fisher_sums import Batch, Site, gradients_from_embeddings, recording
from pruning.engine.linalg.memory import release_memory
from pruning.engine.linalg.symmetric import whole
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group
from pruning.processor_time import part
from pruning.progress import Progress, silent

SCORE_EVERY = 2
CHUNK = 64
BATCH_TOKENS = 256
SEED = 0


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
    if len(calibration) < 2:
        raise PruningError("The calibration text fills only one window; two are needed. Give a longer text.")
    counted = _every_second(calibration) if scored_at is None else scored_at
    folds = [(calibration[fold::2], counted[fold::2]) for fold in (0, 1)]
    if not all(where.any() for _, where in folds):
        raise PruningError("Half of the windows have no position to score. Give more text to score.")
    sites = {(group.layer, group.kind): Site() for group in groups}
    scored = _run_folds(model, groups, sites, folds, progress)
    positions = [windows.numel() for windows, _ in folds]
    return Statistics(identity, calibration.numel(), CompactGroups(_compacted(sites, positions, scored)))


def _compacted(
    sites: dict[Group, Site], positions: list[int], scored: list[int]
) -> dict[Group, CompactFactors]:
    """The compact form of all groups, layer by layer; `sites` is emptied on the way."""
    kept: dict[Group, CompactFactors] = {}
    for layer in sorted({layer for layer, _ in sites}):
        own = {key: sites.pop(key) for key in list(sites) if key[0] == layer}
        with part("compaction"):
            kept |= compact_groups({key: _finish(site, positions, scored) for key, site in own.items()})
        own.clear()
        release_memory()
    return kept


def _run_folds(
    model: nn.Module,
    groups: list[GroupInfo],
    sites: dict[Group, Site],
    folds: list[tuple[torch.Tensor, torch.Tensor]],
    progress: Progress,
) -> list[int]:
    """Run both folds, windows [n, length] and where they count; returns the positions scored in each."""
    head = head_of(model)
    generator = torch.Generator().manual_seed(SEED)
    draws = 1 - torch.rand(folds[1][0].numel(), generator=generator)
    total, done = sum(windows.numel() for windows, _ in folds), 0
    scored = [0, 0]
    batch = Batch(0, folds[0][0].shape[1], draws[:0])
    with gradients_from_embeddings(model), recording(model, groups, sites, batch):
        for fold, (windows, counted) in enumerate(folds):
            offset = 0
            pairs = zip(batches(windows, BATCH_TOKENS), batches(counted, BATCH_TOKENS), strict=True)
            for ids, where in pairs:
                batch.fold = fold
                batch.draws = draws[offset : offset + ids.numel()].to(device_of(model))
                release_memory()
                scored[fold] += _backward(model, head, ids, where, generator)
                offset += ids.numel()
                done += ids.numel()
                progress(done, total, "Reading the calibration text")
    return scored


def _every_second(windows: torch.Tensor) -> torch.Tensor:
    scored = torch.zeros_like(windows, dtype=torch.bool)
    scored[:, SCORE_EVERY - 1 :: SCORE_EVERY] = True
    return scored


def _backward(
    model: nn.Module, head: Head, ids: torch.Tensor, where: torch.Tensor, generator: torch.Generator
) -> int:
    """Send back the gradient of -Σ log q(ŷ), ŷ ~ q, over the positions of `ids` that are True in `where`.

    The head is taken `CHUNK` positions at a time, so that logits of the whole batch never exist.
    Returns how many positions were scored.
    """
    with part("forward"), torch.enable_grad():
        hidden = hidden_states(model, ids)
    where = where.to(hidden.device)
    flat = hidden.detach()[where]
    with part("head"):
        gradients = [_from_head(head, chunk, generator) for chunk in flat.split(CHUNK)]
    sent = torch.zeros_like(hidden)
    sent[where] = torch.cat(gradients)
    with part("backward"):
        hidden.backward(sent)
    return len(flat)


def _from_head(head: Head, states: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """∂/∂states of -Σ log q(ŷ), ŷ ~ q, for states [n, hidden]: softmax − ŷ sent back through the head."""
    states = states.clone().requires_grad_(True)
    with torch.enable_grad():
        logits = head(states)
    sent = torch.softmax(logits.detach().float(), -1)
    labels = _draw(sent, generator)
    sent[torch.arange(len(sent), device=sent.device), labels] -= 1
    return torch.autograd.grad(logits, states, sent.to(logits.dtype))[0]


def _draw(probabilities: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One label for each row of probabilities [n, vocabulary], drawn on the CPU to be repeatable."""
    uniform = torch.rand(len(probabilities), 1, generator=generator).to(probabilities.device)
    cumulative = probabilities.cumsum(-1)
    picked = torch.searchsorted(cumulative, uniform * cumulative[:, -1:]).squeeze(1)
    return picked.clamp_max(probabilities.shape[1] - 1)


def _finish(site: Site, positions: list[int], scored: list[int]) -> FisherFactors:
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
