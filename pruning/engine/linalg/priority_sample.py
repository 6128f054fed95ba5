"""A small weighted sample of the positions that go by, for sums over all of them.

References
----------
Duffield, Lund & Thorup 2007, "Priority sampling for estimation of arbitrary subset sums", J. ACM 54(6).
"""

from dataclasses import dataclass

import torch

from pruning.engine.linalg.byte_rows import rows_from_bytes, rows_in_bytes

# Codes [n, width] and scales [n].
ByteRows = tuple[torch.Tensor, torch.Tensor]


@dataclass
class PrioritySample:
    """At most `size` of the positions given batch after batch, those that count most kept most often.

    A position's size is ‖x‖² ‖g‖², what (gᵀ D x)² is in proportion to for a D that is like any other; its
    priority is that over a uniform draw, and the highest priorities are kept. So sums of squares have a
    fraction of the noise that as many positions drawn alike would leave.

    Attributes
    ----------
    inputs, gradients
        x [slots, in] and g [slots, out] of the kept positions, in bytes with the rows' scales. There is one
        slot more than `size`: the least priority is the threshold τ.
    sizes, priorities
        [slots]; the priority of an empty slot is below zero.
    """

    size: int
    inputs: ByteRows | None = None
    gradients: ByteRows | None = None
    sizes: torch.Tensor | None = None
    priorities: torch.Tensor | None = None

    def add(
        self, inputs: ByteRows, gradients: torch.Tensor, sizes: torch.Tensor, draws: torch.Tensor
    ) -> None:
        """Take in positions with x in bytes, g [m, out], their sizes [m], and draws from (0, 1] [m].

        What is kept is overwritten in its place, so that memory does not fall to pieces.
        """
        slots, device = self.size + 1, sizes.device
        if self.inputs is None:
            self.inputs = _empty(slots, inputs[0].shape[1], device)
            self.gradients = _empty(slots, gradients.shape[1], device)
            self.sizes = torch.zeros(slots, device=device)
            self.priorities = torch.full((slots,), -1.0, device=device)
        here_inputs, here_gradients, here_sizes, here_priorities = self._filled()
        priorities = sizes / draws
        best = torch.cat([here_priorities, priorities]).topk(slots).indices
        stay = torch.zeros(slots, dtype=torch.bool, device=device)
        stay[best[best < slots]] = True
        new, free = best[best >= slots] - slots, (~stay).nonzero().squeeze(1)
        codes, scales = rows_in_bytes(gradients[new])
        for here, fresh in (
            (here_inputs[0], inputs[0][new]),
            (here_inputs[1], inputs[1][new]),
            (here_gradients[0], codes),
            (here_gradients[1], scales),
            (here_sizes, sizes[new]),
            (here_priorities, priorities[new]),
        ):
            here[free] = fresh

    def join(self, later: "PrioritySample") -> None:
        """Take in what another sample kept, of other positions, *in place*."""
        if later.priorities is None or self.priorities is None:
            if later.priorities is not None:
                vars(self).update(vars(later))
            return
        (x, g, sizes, priorities), (x2, g2, sizes2, priorities2) = self._filled(), later._filled()
        kept = torch.cat([priorities, priorities2]).topk(self.size + 1).indices
        self.inputs = torch.cat([x[0], x2[0]])[kept], torch.cat([x[1], x2[1]])[kept]
        self.gradients = torch.cat([g[0], g2[0]])[kept], torch.cat([g[1], g2[1]])[kept]
        self.sizes = torch.cat([sizes, sizes2])[kept]
        self.priorities = torch.cat([priorities, priorities2])[kept]

    def finished(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """x [n, in], g [n, out] and weights [n]: Σ weight · f(x, g) estimates Σ f over all positions.

        The weight of a position is max(size, τ) / size (eq. 1 of the paper); all are there with weight 1
        where they were no more than `size`. Positions without input or gradient, which add nothing, are left
        out. Those of the highest priority come first.
        """
        inputs, gradients, sizes, priorities = self._filled()
        least = priorities.argmin()
        threshold = priorities[least].clamp_min(0)
        stays = (priorities >= 0) & (sizes != 0)
        stays[least] = stays[least] & (threshold <= 0)
        # In one order, whatever order they were taken in.
        order = priorities.argsort(descending=True)
        kept = order[stays[order]]
        x, g = (rows_from_bytes(codes[kept], scales[kept]) for codes, scales in (inputs, gradients))
        return x, g, torch.maximum(sizes[kept], threshold) / sizes[kept]

    def _filled(self) -> tuple[ByteRows, ByteRows, torch.Tensor, torch.Tensor]:
        inputs, gradients, sizes, priorities = self.inputs, self.gradients, self.sizes, self.priorities
        if inputs is None or gradients is None or sizes is None or priorities is None:
            raise ValueError("No positions were given.")
        return inputs, gradients, sizes, priorities


def _empty(slots: int, width: int, device: torch.device) -> ByteRows:
    codes = torch.zeros(slots, width, dtype=torch.int8, device=device)
    return codes, torch.zeros(slots, device=device)
