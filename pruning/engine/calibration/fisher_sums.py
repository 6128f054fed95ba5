"""Running sums of what goes into every group and of the gradients at its output, made by hooks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, Part
from pruning.engine.linalg import processor_time
from pruning.engine.linalg.byte_rows import rows_in_bytes
from pruning.engine.linalg.priority_sample import ByteRows, PrioritySample
from pruning.engine.linalg.symmetric import add_product, zero_half
from pruning.planning.recipe.plan import Group

MASSIVE = 25.0
MOST_MASSIVE = 16
SAMPLED_POSITIONS = 320


@dataclass
class Site:
    """Running sums for one group, and of the batch in flight what its gradients are waited for with.

    `parts`: of so many modules' gradients its own are made. Output sums are kept by (fold, part), the input
    sum as `pruning.engine.linalg.symmetric` halves it.
    """

    parts: int = 1
    same_inputs_as: "Site | None" = None
    score_inputs: torch.Tensor | None = None
    input_sum: torch.Tensor | None = None
    input_covariance: torch.Tensor | None = None
    input_outliers: list[torch.Tensor] = field(default_factory=list)
    inputs: ByteRows | None = None
    input_norms: torch.Tensor | None = None
    outliers: torch.Tensor | None = None
    squared_gradients: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    gradients: dict[int, torch.Tensor] = field(default_factory=dict)
    gradient_outliers: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    sample: PrioritySample = field(default_factory=lambda: PrioritySample(SAMPLED_POSITIONS))


@dataclass
class Sums:
    """Running sums over some of the text: of each group, and the positions that were scored in each fold."""

    sites: dict[Group, Site]
    scored: list[int]

    def plus(self, later: "Sums") -> "Sums":
        """These sums, to which in place those over the text that comes next are added."""
        self.scored = [a + b for a, b in zip(self.scored, later.scored, strict=True)]
        for key, site in self.sites.items():
            _add_site(site, later.sites[key])
        return self


def _add_site(site: Site, later: Site) -> None:
    site.parts = later.parts
    for name in ("score_inputs", "input_sum"):
        more = getattr(later, name)
        if more is not None:
            setattr(site, name, _plus(getattr(site, name), more))
    for key, squares in later.squared_gradients.items():
        site.squared_gradients[key] = _plus(site.squared_gradients.get(key), squares)
    site.input_outliers += later.input_outliers
    for index, rows in later.gradient_outliers.items():
        site.gradient_outliers.setdefault(index, []).extend(rows)
    site.sample.join(later.sample)


@dataclass
class Batch:
    """The batch in flight: its fold, the length of its windows, and a draw from (0, 1] for each position.

    The draws [positions] decide which positions are sampled; only the pricing fold's are used.
    """

    fold: int
    length: int
    draws: torch.Tensor
    last_input: torch.Tensor | None = None
    last_site: Site | None = None


@contextmanager
def gradients_from_embeddings(model: nn.Module) -> Iterator[None]:
    """Let gradients flow back to the embeddings' output although no weight takes part."""
    embeddings: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    handle = embeddings.register_forward_hook(lambda _module, _args, output: output.requires_grad_(True))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def recording(
    model: nn.Module, groups: list[GroupInfo], sites: dict[Group, Site], batch: Batch
) -> Iterator[None]:
    """Accumulate the inputs and output gradients of every group while open."""
    users: dict[str, list[tuple[Site, int, Part]]] = {}
    for group in groups:
        for index, part in enumerate(group.parts):
            users.setdefault(part.module, []).append((sites[group.key], index, part))
        sites[group.key].parts = len(group.parts)
    with ExitStack() as stack:
        for name, uses in users.items():

            def record(
                _: nn.Module, args: tuple, output: torch.Tensor, uses: list[tuple[Site, int, Part]] = uses
            ) -> None:
                for site, index, part in uses:
                    if index == 0:
                        with processor_time.part("inputs"):
                            _add_inputs(site, args[0], batch)
                    output.register_hook(_gradient_hook(site, index, part, batch))

            stack.callback(model.get_submodule(name).register_forward_hook(record).remove)
        try:
            yield
        finally:
            # It leads to the graph, whose hooks lead back here: a circle that is never collected.
            batch.last_input, batch.last_site = None, None


def _add_inputs(site: Site, given: torch.Tensor, batch: Batch) -> None:
    """Add x of one batch; groups given the very same tensor (gate and up) share one set of sums."""
    if given is batch.last_input and batch.last_site is not site:
        site.same_inputs_as = batch.last_site
        return
    batch.last_input, batch.last_site = given, site
    x = given.detach().flatten(0, -2).float()
    if batch.fold == 0:
        site.score_inputs = _plus(site.score_inputs, x.square().sum(0))
        return
    site.outliers = _outlier_positions(x, batch.length)
    site.input_outliers.append(x[site.outliers].bfloat16())
    x = x.index_fill(0, site.outliers, 0.0)
    if site.input_sum is None:
        site.input_sum = zero_half(x.shape[1], x.device)
    add_product(site.input_sum, x)
    site.inputs, site.input_norms = rows_in_bytes(x), x.square().sum(1)


def _outlier_positions(x: torch.Tensor, length: int) -> torch.Tensor:
    """Outlier positions of x [positions, in].

    They are the first of each window, which attention uses as a sink (Xiao et al. 2023, arXiv 2309.17453),
    and those whose squared norm is more than `MASSIVE` times the median (Sun et al. 2024, arXiv 2402.17762).
    """
    norms = x.square().sum(1)
    massive = norms.topk(min(MOST_MASSIVE, len(x)))
    others = massive.indices[massive.values > MASSIVE * norms.median()]
    return torch.cat([torch.arange(0, len(x), length, device=x.device), others]).unique()


def _gradient_hook(site: Site, index: int, part: Part, batch: Batch) -> Callable[[torch.Tensor], None]:
    def hook(gradient: torch.Tensor) -> None:
        with processor_time.part("gradients"):
            add(gradient)

    def add(gradient: torch.Tensor) -> None:
        g = gradient.detach().flatten(0, -2)
        g = (g if part.rows is None else g[:, slice(*part.rows)]).float()
        if batch.fold == 1:
            g = _sampled(site, index, g, batch)
        key = (batch.fold, index)
        site.squared_gradients[key] = _plus(site.squared_gradients.get(key), g.square().sum(0))

    return hook


def _sampled(site: Site, index: int, g: torch.Tensor, batch: Batch) -> torch.Tensor:
    """g [positions, out] of a part without its outliers, which are kept apart; sampled with the last part."""
    source = site.same_inputs_as or site
    if source.outliers is None or source.inputs is None or source.input_norms is None:
        raise ValueError("Gradients came before the inputs that they belong to.")
    site.gradient_outliers.setdefault(index, []).append(g[source.outliers].bfloat16())
    site.gradients[index] = g = g.index_fill(0, source.outliers, 0.0)
    if len(site.gradients) == site.parts:
        gradients = torch.cat([site.gradients[part] for part in sorted(site.gradients)], dim=1)
        sizes = source.input_norms * gradients.square().sum(1)
        site.sample.add(source.inputs, gradients, sizes, batch.draws)
        site.gradients.clear()
    return g


def _plus(total: torch.Tensor | None, more: torch.Tensor) -> torch.Tensor:
    return more if total is None else total.add_(more)
