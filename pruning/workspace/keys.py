"""Keys of stored results in one spelling, and names that are safe as file names."""

import hashlib
import json
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pruning.errors import PruningError

_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def canonical(key: Mapping[str, Any]) -> str:
    """The same text for the same key: sorted, compact, numbers rounded to 6 digits, 1.0 written as 1.

    Raises
    ------
    ValueError
        For a number that is not finite.
    TypeError
        For a value that JSON has no form for.
    """
    return json.dumps(_plain(key), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(key: Mapping[str, Any]) -> str:
    """What a key is found by: 32 hex digits of the SHA-256 of its canonical text."""
    return hashlib.sha256(canonical(key).encode()).hexdigest()[:32]


def plain_name(name: str) -> str:
    """The name itself; PruningError where it is no plain file name on every system."""
    printable = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    tidy = name == name.strip() and not name.startswith(".") and not name.endswith(".")
    if not (name and printable and tidy and len(name.encode()) <= 150) or _WINDOWS_DEVICE.fullmatch(name):
        raise PruningError(
            f"{name!r} cannot be a file name. Use up to 150 letters, digits, spaces, dots, dashes or "
            "underscores, without a slash, and with no dot at the beginning or end."
        )
    return name


def _plain(value: Any) -> Any:
    """JSON with one spelling for equal values; numpy's numbers count as numbers."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("a key needs finite numbers")
        rounded = round(number, 6)
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise TypeError(f"a key cannot hold {type(value).__name__}")
