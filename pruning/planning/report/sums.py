"""What bytes come to in money and devices, with the sum behind each in one line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pruning.planning.report.screen import Figure
from pruning.wording import counted, size


@dataclass(frozen=True)
class Assumptions:
    """What the reader supposes: `price` of a GB of memory a month, how many copies run, GB free on a device.

    0 leaves one out.
    """

    title: str = ""
    price: float = 5.0
    currency: str = "€"
    copies: int = 10
    memory: float = 4.0

    @property
    def priced(self) -> bool:
        """Whether money can be reckoned with."""
        return self.price > 0 and self.copies > 0


@dataclass(frozen=True)
class Meaning:
    """What a figure comes to in money or devices, and the sum behind it in one line."""

    result: str
    sum: str


def meanings(before: float, after: float, compact: float, assumptions: Assumptions) -> tuple[Meaning, ...]:
    """What is saved in memory, where a zero takes as much room as any other number, and on the way there."""
    found = []
    if assumptions.priced:
        found.append(_money(before - after, assumptions))
    if assumptions.memory > 0:
        found.append(_devices(before, after, assumptions.memory))
    if compact < after:
        found.append(_compact(after, compact))
    return tuple(found)


def cheaper(before: float, after: float, assumptions: Assumptions) -> Figure | None:
    """The money or the room that is saved, for the first screen; None where nothing is assumed."""
    if assumptions.priced:
        copies = counted(assumptions.copies, "copy", "copies")
        price = _price(assumptions.price, assumptions.currency)
        dense, now = (_month(copy, assumptions) for copy in (before, after))
        was, costs = (_price(month, assumptions.currency) for month in (dense, now))
        basis = f"{copies} side by side, {price} for a GB a month."
        if now >= dense:
            return Figure("No money saved", f"on memory: {was} a month, as before", "assumed", basis)
        total = _price(dense - now, assumptions.currency)
        return Figure(f"{total} less", f"a month for memory: {costs}, was {was}", "assumed", basis)
    if assumptions.memory > 0:
        old, new = (_fitting(one, assumptions.memory) for one in (before, after))
        says = f"fit{'s' if new == 1 else ''} into {assumptions.memory:g} GB, before {old}"
        return Figure(counted(new, "copy", "copies"), says, "assumed", "As many as the memory holds.")
    return None


def assumed(assumptions: Assumptions) -> tuple[str, ...]:
    """What sums rest on, a line each."""
    lines = []
    if assumptions.priced:
        lines.append(f"{_price(assumptions.price, assumptions.currency)} a month for one GB of memory")
        lines.append(
            f"{counted(assumptions.copies, 'copy', 'copies')} of the model "
            f"{'is' if assumptions.copies == 1 else 'are'} running"
        )
    if assumptions.memory > 0:
        lines.append(f"{assumptions.memory:g} GB of memory are free on a device")
    return tuple(lines)


def _compact(after: float, compact: float) -> Meaning:
    return Meaning(
        f"{size(after - compact)} less to keep and to send as a compact file",
        f"{size(after)} - {size(compact)} a copy. It is unpacked before it runs, and then "
        f"takes {size(after)} of disk and memory.",
    )


def _money(saved: float, assumptions: Assumptions) -> Meaning:
    if saved <= 0:
        return Meaning(
            "Memory costs as much as before",
            "Once the model is loaded, a zero takes as much memory as any other number: "
            f"0 GB less a copy × {counted(assumptions.copies, 'copy', 'copies')} × "
            f"{_price(assumptions.price, assumptions.currency)} a GB and month = nothing less",
        )
    total = _price(_month(saved, assumptions), assumptions.currency)
    return Meaning(
        f"{total} less a month for memory",
        f"{_gb(saved)} less a copy × {counted(assumptions.copies, 'copy', 'copies')} × "
        f"{_price(assumptions.price, assumptions.currency)} a GB and month = about {total} a month",
    )


def _month(saved: float, assumptions: Assumptions) -> float:
    """Money a month for so many bytes a copy."""
    return saved / 1e9 * assumptions.price * assumptions.copies


def _fitting(copy: float, memory: float) -> int:
    """How many copies of so many bytes fit into so many GB."""
    return math.floor(memory * 1e9 / copy)


def _devices(before: float, after: float, memory: float) -> Meaning:
    old, new = (_fitting(copy, memory) for copy in (before, after))
    line = f"{memory:g} GB ÷ {_gb(before)} a copy = {old}; {memory:g} GB ÷ {_gb(after)} a copy = {new}"
    if old == new == 0:
        return Meaning(f"It still does not fit into {memory:g} GB", line)
    if old == 0:
        return Meaning(f"It did not fit into {memory:g} GB, and now it does", line)
    than_before = "as before" if old == new else f"instead of {old}"
    return Meaning(
        f"{counted(new, 'copy', 'copies')} fit{'s' if new == 1 else ''} into one device, {than_before}", line
    )


def _gb(value: float) -> str:
    return f"{value / 1e9:.3g} GB"


def _price(value: float, currency: str) -> str:
    return f"{value:,.2f} {currency}".strip()
