"""Memory that is free, and that the system does not have back."""

import ctypes
from contextlib import suppress


def release_memory() -> None:
    """Give freed memory back to the system.

    The C library keeps the room of tensors of a few megabytes for others of their kind, between those in use:
    once most of a model was copied matrix by matrix, as much again as the weights.
    """
    with suppress(OSError, AttributeError):  # not every C library can
        ctypes.CDLL(None).malloc_trim(0)
