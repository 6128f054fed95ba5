"""Bisection to a target."""

from collections.abc import Callable


def bisection(
    meets: Callable[[float], bool], low: float, high: float, rounds: int = 60
) -> tuple[float, float]:
    """Halve an interval between what does not meet a target and what does.

    Parameters
    ----------
    meets
        Whether a value meets the target; once it does, every greater value must as well.
    low, high
        The ends to begin with. `meets` is not asked about them: it is taken to fail at `low` and to
        hold at `high`.
    rounds
        How often the interval is halved.

    Returns
    -------
    The greatest value found that does not meet the target and the smallest that does.
    """
    for _ in range(rounds):
        middle = (low + high) / 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return low, high
