"""The Fisher statistics A and G of every group: what forecasts and criteria are computed from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, batches, device_of, head_of, hidden_states
from pruning.engine.architecture.groups import GroupInfo, Part
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

SAMPLED_POSITIONS = 1024
MASSIVE = 25.0
MOST_MASSIVE = 16
SCORE_EVERY = 2
CHUNK = 256
BATCH_TOKENS = 512


@dataclass(frozen=True)
class GroupStatistics:
    """What the calibration tokens say of one group with weight [out, in].

    `score_inputs` [in] and `score_outputs` [out]: mean x_j² and mean g_i² over the scoring windows; they
    decide which weights go. `inputs` [in, in] = A = mean x xᵀ and `outputs` [out] = diag G, with
    G = (1/T) Σ_p g gᵀ over the ordinary positions p of the *other* windows and their T scored tokens; they
    price what has gone. `sample_inputs` [n, in], `sample_outputs` [n, out] and `sample_weights` [n]: single
    ordinary positions, weighted so that Σ weight · f(x, g) estimates (1/T) Σ_p f(x_p, g_p).
    `apart_inputs` [m, in] and `apart_outputs` [m, out]: every position that is not ordinary, an attention
    sink or a massive activation, where x and g are far from independent; each counts 1 / `scored`.
    """

    score_inputs: torch.Tensor
    score_outputs: torch.Tensor
    inputs: torch.Tensor
    outputs: torch.Tensor
    sample_inputs: torch.Tensor
    sample_outputs: torch.Tensor
    sample_weights: torch.Tensor
    apart_inputs: torch.Tensor
    apart_outputs: torch.Tensor
    scored: torch.Tensor


@dataclass(frozen=True)
class Statistics:
    """The statistics of every group of one model on one set of calibration tokens."""

    fingerprint: str
    data_fingerprint: str
    tokens: int
    groups: dict[Group, GroupStatistics]


@dataclass
class _Site:
    """Running sums for one group; the output sums are kept by (fold, part) and sample lists by part."""

    same_inputs_as: "_Site | None" = None
    score_inputs: torch.Tensor | None = None
    inputs: torch.Tensor | None = None
    inputs_mean: torch.Tensor | None = None
    input_samples: list[torch.Tensor] = field(default_factory=list)
    input_apart: list[torch.Tensor] = field(default_factory=list)
    sampled: torch.Tensor | None = None
    apart: torch.Tensor | None = None
    outputs: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    output_samples: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    output_apart: dict[int, list[torch.Tensor]] = field(default_factory=dict)


@dataclass
class _Batch:
    """The batch in flight: its fold, the length of its windows and which positions are sampled."""

    fold: int
    length: int
    sampled: torch.Tensor
    last_input: torch.Tensor | None = None
    last_site: _Site | None = None


def collect(
    model: nn.Module,
    groups: list[GroupInfo],
    calibration: torch.Tensor,
    fingerprint: str,
    data_fingerprint: str,
    progress: Progress = silent,
    seed: int = 0,
    scored_at: torch.Tensor | None = None,
) -> Statistics:
    """One forward and one backward pass over `calibration` [n, length] for the statistics of all groups.

    `scored_at` bool [n, length]: the positions whose predictions count; without it every `SCORE_EVERY`-th.

    Labels are sampled from the model itself, which makes G the true Fisher's factor and not the empirical
    one's (Kunstner et al. 2019). Even windows score, odd windows price, so that a criterion is not priced
    with the noise it was chosen by. Weights get no gradients and are not changed. Memory: the
    activations of one batch, A of every group, and `CHUNK` rows of logits.
    """
    if len(calibration) < 2:
        raise PruningError("The calibration text fills only one window; two are needed. Give a longer text.")
    head = head_of(model)
    generator = torch.Generator().manual_seed(seed)
    sites = {(group.layer, group.kind): _Site() for group in groups}
    counted = _every_second(calibration) if scored_at is None else scored_at
    folds = [calibration[0::2], calibration[1::2]]
    counts = [counted[0::2], counted[1::2]]
    if not all(fold.any() for fold in counts):
        raise PruningError("Half of the windows have no position to score. Give more text to score.")
    picked = _sample_positions(folds[1], generator)
    scored, done = [0, 0], 0
    batch = _Batch(0, calibration.shape[1], picked[:0])
    with _gradients_from_embeddings(model), _recorded(model, groups, sites, batch):
        for fold, windows in enumerate(folds):
            offset = 0
            for ids, where in zip(
                batches(windows, BATCH_TOKENS), batches(counts[fold], BATCH_TOKENS), strict=True
            ):
                inside = (picked >= offset) & (picked < offset + ids.numel()) & (fold == 1)
                batch.fold, batch.sampled = fold, (picked[inside] - offset).to(device_of(model))
                scored[fold] += _backward(model, head, ids, where, generator)
                offset += ids.numel()
                done += ids.numel()
                progress(done, calibration.numel(), "Reading the calibration text")
    positions = [fold.numel() for fold in folds]
    finished = {key: _finish(site, positions, scored) for key, site in sites.items()}
    return Statistics(fingerprint, data_fingerprint, calibration.numel(), finished)


def _every_second(windows: torch.Tensor) -> torch.Tensor:
    scored = torch.zeros_like(windows, dtype=torch.bool)
    scored[:, SCORE_EVERY - 1 :: SCORE_EVERY] = True
    return scored


def _sample_positions(windows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Flat positions, ascending, whose (x, g) are kept for the token estimator."""
    return torch.randperm(windows.numel(), generator=generator)[:SAMPLED_POSITIONS].sort().values


@contextmanager
def _gradients_from_embeddings(model: nn.Module) -> Iterator[None]:
    """Let gradients flow back to the embeddings' output although no weight takes part."""
    embeddings: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    handle = embeddings.register_forward_hook(lambda _module, _args, output: output.requires_grad_(True))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _recorded(
    model: nn.Module, groups: list[GroupInfo], sites: dict[Group, _Site], batch: _Batch
) -> Iterator[None]:
    """Accumulate the inputs and output gradients of every group while open."""
    users: dict[str, list[tuple[_Site, int, Part]]] = {}
    for group in groups:
        for index, part in enumerate(group.parts):
            users.setdefault(part.module, []).append((sites[group.layer, group.kind], index, part))
    with ExitStack() as stack:
        for name, uses in users.items():

            def record(
                _: nn.Module, args: tuple, output: torch.Tensor, uses: list[tuple[_Site, int, Part]] = uses
            ) -> None:
                for site, index, part in uses:
                    if index == 0:
                        _add_inputs(site, args[0], batch)
                    output.register_hook(_gradient_hook(site, index, part, batch))

            stack.callback(model.get_submodule(name).register_forward_hook(record).remove)
        yield


def _add_inputs(site: _Site, given: torch.Tensor, batch: _Batch) -> None:
    """Add x of one batch; groups given the very same tensor (gate and up) share one set of sums."""
    if given is batch.last_input and batch.last_site is not site:
        site.same_inputs_as = batch.last_site
        return
    batch.last_input, batch.last_site = given, site
    x = given.detach().flatten(0, -2).float()
    if batch.fold == 0:
        site.score_inputs = _plus(site.score_inputs, x.square().sum(0))
        return
    site.apart = _apart(x, batch.length)
    site.sampled = batch.sampled[~torch.isin(batch.sampled, site.apart)]
    site.input_apart.append(x[site.apart].bfloat16())
    site.input_samples.append(x[site.sampled].bfloat16())
    x = x.index_fill(0, site.apart, 0.0)
    site.inputs = _plus(site.inputs, x.T @ x)


def _apart(x: torch.Tensor, length: int) -> torch.Tensor:
    """Positions of x [positions, in] that are no ordinary ones: the first of each window, which attention
    uses as a sink, and those whose squared norm is `MASSIVE` times the median or more (Sun et al. 2024)."""
    norms = x.square().sum(1)
    massive = norms.topk(min(MOST_MASSIVE, len(x)))
    others = massive.indices[massive.values > MASSIVE * norms.median()]
    return torch.cat([torch.arange(0, len(x), length, device=x.device), others]).unique()


def _gradient_hook(site: _Site, index: int, part: Part, batch: _Batch) -> Callable[[torch.Tensor], None]:
    def hook(gradient: torch.Tensor) -> None:
        g = gradient.detach().flatten(0, -2)
        g = (g if part.rows is None else g[:, slice(*part.rows)]).float()
        if batch.fold == 1:
            source = site.same_inputs_as or site
            site.output_apart.setdefault(index, []).append(g[source.apart].bfloat16())
            site.output_samples.setdefault(index, []).append(g[source.sampled].bfloat16())
            g = g.index_fill(0, source.apart, 0.0)  # type: ignore[arg-type]
        key = (batch.fold, index)
        site.outputs[key] = _plus(site.outputs.get(key), g.square().sum(0))

    return hook


def _plus(total: torch.Tensor | None, more: torch.Tensor) -> torch.Tensor:
    return more if total is None else total.add_(more)


def _backward(
    model: nn.Module, head: Head, ids: torch.Tensor, where: torch.Tensor, generator: torch.Generator
) -> int:
    """Send back the gradient of -Σ log q(ŷ), ŷ ~ q, over the positions of `ids` that are True in `where`.

    The head is taken `CHUNK` positions at a time, so that logits of the whole batch never exist.
    Returns how many positions were scored.
    """
    with torch.enable_grad():
        hidden = hidden_states(model, ids)
    where = where.to(hidden.device)
    flat = hidden.detach()[where]
    gradients = []
    for chunk in flat.split(CHUNK):
        chunk = chunk.clone().requires_grad_(True)
        with torch.enable_grad():
            logs = torch.log_softmax(head(chunk).float(), dim=-1)
            labels = _draw(logs.detach(), generator)
            loss = -logs.gather(1, labels.unsqueeze(1)).sum()
        gradients.append(torch.autograd.grad(loss, chunk)[0])
    sent = torch.zeros_like(hidden)
    sent[where] = torch.cat(gradients)
    hidden.backward(sent)
    return len(flat)


def _draw(logs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One label for each row of log-probabilities [n, vocabulary], drawn on the CPU to be repeatable."""
    uniform = torch.rand(len(logs), 1, generator=generator).to(logs.device)
    cumulative = logs.exp().cumsum(-1)
    return (
        torch.searchsorted(cumulative, uniform * cumulative[:, -1:]).squeeze(1).clamp_max(logs.shape[1] - 1)
    )


def _finish(site: _Site, positions: list[int], scored: list[int]) -> GroupStatistics:
    source = site.same_inputs_as or site
    parts = sorted(site.output_samples)
    if source.score_inputs is None or source.inputs is None:
        raise PruningError(
            "A group's modules were never called on the calibration text; it cannot be priced."
        )
    apart, sampled = torch.cat(source.input_apart), torch.cat(source.input_samples)
    ordinary = positions[1] - len(apart)
    if source.inputs_mean is None:
        source.inputs_mean = source.inputs / max(1, ordinary)
    return GroupStatistics(
        score_inputs=source.score_inputs / positions[0],
        score_outputs=torch.cat([site.outputs[0, part] for part in parts]) / scored[0],
        inputs=source.inputs_mean,
        outputs=torch.cat([site.outputs[1, part] for part in parts]) / scored[1],
        sample_inputs=sampled,
        sample_outputs=_side_by_side(site.output_samples),
        sample_weights=torch.full(
            (len(sampled),), ordinary / max(1, len(sampled)) / scored[1], device=apart.device
        ),
        apart_inputs=apart,
        apart_outputs=_side_by_side(site.output_apart),
        scored=torch.tensor(scored[1], device=apart.device),
    )


def _side_by_side(parts: dict[int, list[torch.Tensor]]) -> torch.Tensor:
    """Gradients of a group's parts, batch after batch, as one [positions, out]."""
    return torch.cat([torch.cat(parts[part]) for part in sorted(parts)], dim=1)
