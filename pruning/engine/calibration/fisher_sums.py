"""Running sums of what goes into every group and of the gradients at its output, made by hooks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, Part
from pruning.planning.recipe.plan import Group

MASSIVE = 25.0
MOST_MASSIVE = 16


@dataclass
class Site:
    """Running sums for one group; the output sums are kept by (fold, part) and sample lists by part."""

    same_inputs_as: "Site | None" = None
    score_inputs: torch.Tensor | None = None
    input_sum: torch.Tensor | None = None
    input_covariance: torch.Tensor | None = None
    input_samples: list[torch.Tensor] = field(default_factory=list)
    input_outliers: list[torch.Tensor] = field(default_factory=list)
    sampled: torch.Tensor | None = None
    outliers: torch.Tensor | None = None
    squared_gradients: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    gradient_samples: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    gradient_outliers: dict[int, list[torch.Tensor]] = field(default_factory=dict)


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
    for name in ("score_inputs", "input_sum"):
        more = getattr(later, name)
        if more is not None:
            setattr(site, name, _plus(getattr(site, name), more))
    for key, squares in later.squared_gradients.items():
        site.squared_gradients[key] = _plus(site.squared_gradients.get(key), squares)
    site.input_samples += later.input_samples
    site.input_outliers += later.input_outliers
    for mine, its in (
        (site.gradient_samples, later.gradient_samples),
        (site.gradient_outliers, later.gradient_outliers),
    ):
        for index, rows in its.items():
            mine.setdefault(index, []).extend(rows)


@dataclass
class Batch:
    """The batch in flight: its fold, the length of its windows and which positions are sampled."""

    fold: int
    length: int
    sampled: torch.Tensor
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
            users.setdefault(part.module, []).append((sites[group.layer, group.kind], index, part))
    with ExitStack() as stack:
        for name, uses in users.items():

            def record(
                _: nn.Module, args: tuple, output: torch.Tensor, uses: list[tuple[Site, int, Part]] = uses
            ) -> None:
                for site, index, part in uses:
                    if index == 0:
                        _add_inputs(site, args[0], batch)
                    output.register_hook(_gradient_hook(site, index, part, batch))

            stack.callback(model.get_submodule(name).register_forward_hook(record).remove)
        yield


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
    site.sampled = batch.sampled[~torch.isin(batch.sampled, site.outliers)]
    site.input_outliers.append(x[site.outliers].bfloat16())
    site.input_samples.append(x[site.sampled].bfloat16())
    x = x.index_fill(0, site.outliers, 0.0)
    site.input_sum = _plus(site.input_sum, x.T @ x)


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
        g = gradient.detach().flatten(0, -2)
        g = (g if part.rows is None else g[:, slice(*part.rows)]).float()
        if batch.fold == 1:
            source = site.same_inputs_as or site
            site.gradient_outliers.setdefault(index, []).append(g[source.outliers].bfloat16())
            site.gradient_samples.setdefault(index, []).append(g[source.sampled].bfloat16())
            g = g.index_fill(0, source.outliers, 0.0)  # type: ignore[arg-type]
        key = (batch.fold, index)
        site.squared_gradients[key] = _plus(site.squared_gradients.get(key), g.square().sum(0))

    return hook


def _plus(total: torch.Tensor | None, more: torch.Tensor) -> torch.Tensor:
    return more if total is None else total.add_(more)
