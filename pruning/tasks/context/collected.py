"""What is summed up over the calibration text, of which every worker reads a share."""

from collections.abc import Callable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch

from pruning.engine.calibration import fisher, gradients
from pruning.engine.calibration.factors import Statistics, StatisticsIdentity
from pruning.engine.calibration.fisher_sums import Sums
from pruning.planning.recipe.plan import Group
from pruning.sharing import Piece, in_order

if TYPE_CHECKING:
    from pruning.tasks.context.session import Session

Share = tuple[int, int]


def collect_statistics(session: "Session") -> Statistics:
    """The Fisher factors of the calibration part of the text, collected now."""
    windows = session.windows
    identity = StatisticsIdentity(session.loaded.computed, windows.fingerprint)
    sums = reduce(Sums.plus, _shares(session, _reading, fisher.shares(windows.calibration)))
    return fisher.statistics_of(sums, windows.calibration, identity)


def collect_gradients(session: "Session") -> dict[Group, torch.Tensor]:
    """Σ |∂L/∂w| of every group on the calibration part of the text, collected now."""
    most = gradients.shares(session.windows.calibration)
    return reduce(gradients.plus, _shares(session, _differentiating, most))


def _shares(
    session: "Session", begin: Callable[["Session"], Callable[[Share], Any]], most: int
) -> Iterator[Any]:
    """What each worker finds in its share of the text, in the order of the text."""
    many, done = min(session.each.workers, most), 0
    pieces = [Piece(f"part {which + 1} of {many} of the text", (which, many)) for which in range(many)]

    def say(note: str) -> None:
        session.progress(done, many, note)

    for done, found in enumerate(in_order(session.each(session, begin, pieces, say=say)), 1):  # noqa: B007
        yield found


def _reading(session: "Session") -> Callable[[Share], Sums]:
    windows = session.windows.calibration

    def read(share: Share) -> Sums:
        return fisher.read(session.model, session.groups, windows, share=share, progress=session.progress)

    return read


def _differentiating(session: "Session") -> Callable[[Share], dict[Group, torch.Tensor]]:
    windows = session.windows.calibration

    def differentiate(share: Share) -> dict[Group, torch.Tensor]:
        return gradients.collect(session.model, session.groups, windows, session.progress, share)

    return differentiate
