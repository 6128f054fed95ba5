"""What was made of a text: how much was read, what was left out, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

# By the name of a count, what is left out for that reason.
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "duplicates": "duplicates",
        "near_empty": "nearly empty",
        "unread": "without a field that is known",
        "refused": "refused by the chat template",
    }
)


@dataclass
class Account:
    """What was made of a source: how many rows there were, and why some were left out.

    Parameters
    ----------
    rows
        Rows or paragraphs that were read.
    duplicates
        Left out because the same words stood in an earlier one.
    near_empty
        Left out for having next to nothing in them.
    unread
        Left out for having none of the fields that are looked in.
    cut
        Whether there is more than was read.
    fields
        From which fields the text was taken, and how many rows each time.
    """

    rows: int = 0
    duplicates: int = 0
    near_empty: int = 0
    unread: int = 0
    cut: bool = False
    fields: dict[str, int] = field(default_factory=dict)


def left_out(counts: Mapping[str, Any]) -> str:
    """What was left out, by the counts of `LEFT_OUT`: "2 duplicates, 1 nearly empty"; empty for nothing."""
    parts = [f"{counts[name]:,} {words}" for name, words in LEFT_OUT.items() if counts.get(name)]
    return ", ".join([*parts, *(["the rest of a long text"] if counts.get("cut") else [])])
