"""A small weighted sample of the positions that go by, for sums over all of them.

References
----------
Duffield, Lund & Thorup 2007, "Priority sampling for estimation of arbitrary subset sums", J. ACM 54(6).
"""

from dataclasses import dataclass

import torch


@dataclass
class PrioritySample:
    """At most `size` of the positions given batch after batch, those that count most kept most often.

    A position's size is ‖x‖² ‖g‖², what (gᵀ D x)² is in proportion to for a D that is like any other; its
    priority is that over a uniform draw, and the highest priorities are kept. So sums of squares have a
    fraction of the noise that as many positions drawn alike would leave.

    Attributes
    ----------
    inputs, gradients
        x [n, in] and g [n, out] of the kept positions, bfloat16.
    sizes, priorities
        [n]; one more than `size` is kept: the last priority is the threshold τ.
    """

    size: int
    inputs: torch.Tensor | None = None
    gradients: torch.Tensor | None = None
    sizes: torch.Tensor | None = None
    priorities: torch.Tensor | None = None

    def add(self, inputs: torch.Tensor, gradients: torch.Tensor, draws: torch.Tensor) -> None:
        """Take in positions x [m, in], g [m, out], with a draw from (0, 1] for each [m]."""
        sizes = _squared_norms(inputs) * _squared_norms(gradients)
        priorities = sizes / draws
        if self.priorities is not None and self.sizes is not None:
            sizes, priorities = torch.cat([self.sizes, sizes]), torch.cat([self.priorities, priorities])
        kept = priorities.topk(min(self.size + 1, len(priorities))).indices.sort().values
        before = 0 if self.priorities is None else len(self.priorities)
        self.inputs = _picked(self.inputs, inputs, kept, before)
        self.gradients = _picked(self.gradients, gradients, kept, before)
        self.sizes, self.priorities = sizes[kept], priorities[kept]

    def join(self, later: "PrioritySample") -> None:
        """Take in what another sample kept of the positions that come next."""
        if self.priorities is None or later.priorities is None:
            if later.priorities is not None:
                vars(self).update(vars(later))
            return
        both = [
            torch.cat([getattr(self, name), getattr(later, name)])
            for name in ("inputs", "gradients", "sizes", "priorities")
        ]
        kept = both[-1].topk(min(self.size + 1, len(both[-1]))).indices.sort().values
        self.inputs, self.gradients, self.sizes, self.priorities = (values[kept] for values in both)

    def finished(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """x [n, in], g [n, out] and weights [n]: Σ weight · f(x, g) estimates Σ f over all positions.

        The weight of a position is max(size, τ) / size (eq. 1 of the paper); all are there with weight 1
        where they were no more than `size`. Positions without input or gradient, which add nothing, are left
        out.
        """
        inputs, gradients, sizes, priorities = self.inputs, self.gradients, self.sizes, self.priorities
        if inputs is None or gradients is None or sizes is None or priorities is None:
            raise ValueError("No positions were given.")
        threshold = torch.zeros((), device=sizes.device)
        kept = torch.arange(len(sizes), device=sizes.device)
        if len(sizes) > self.size:
            least = priorities.argmin()
            threshold, kept = priorities[least], kept[kept != least]
        kept = kept[sizes[kept] != 0]
        weights = torch.maximum(sizes[kept], threshold) / sizes[kept]
        return inputs[kept], gradients[kept], weights


def _squared_norms(rows: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32).square()


def _picked(before: torch.Tensor | None, more: torch.Tensor, kept: torch.Tensor, count: int) -> torch.Tensor:
    """Rows `kept` of what was there, `count` rows, with `more` below; bfloat16."""
    fresh = more[kept[kept >= count] - count].bfloat16()
    return fresh if before is None else torch.cat([before[kept[kept < count]], fresh])
