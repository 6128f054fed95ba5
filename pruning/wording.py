"""Numbers for people, and the words that go with them, for all that people read: pages, files, errors."""

import math

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number of things: 1 → "1 thread", 2 → "2 threads", 1,200 → "1,200 threads".

    `plural` is for nouns that take more than an s: `counted(2, "copy", "copies")`.
    """
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def size(value: float) -> str:
    """Bytes for people, decimal units: 538,090,408 → "538 MB"."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{three_figures(value / limit)} {unit}"
    return f"{value:,.0f} bytes"


def three_figures(value: float) -> str:
    """A number of 1 to 1,000 with three figures."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return fixed(value, digits)


def fixed(value: float, digits: int) -> str:
    """A number with so many digits after the point, a half rounded away from zero, and commas.

    Python and JavaScript each round a half their own way when they print it. Both take these steps instead
    (format.js), and a half that a multiplication left a hair short is one still.
    """
    scale = 10**digits
    whole = math.floor(abs(value) * scale + 0.5 + 1e-9)
    sign = "−" if value < 0 < whole else ""
    return f"{sign}{whole / scale:,.{digits}f}"


def whole_percent(value: float) -> int:
    """A share in whole percent: 0.315 → 32. What pages and files call a level by."""
    return int(math.copysign(math.floor(abs(value) * 100 + 0.5 + 1e-9), value))


def percent(value: float, digits: int = 0) -> str:
    """A share for people: 0.314 → "31 %"; a small one keeps a digit."""
    if digits == 0 and 0 < abs(value) < 0.0095:
        digits = 1
    return f"{fixed(value * 100, digits)} %"


def less(after: float, before: float) -> str:
    """By what share one size is smaller than another: "25 %"."""
    share = 1 - after / before
    return "under 1 %" if 0 < share < 0.005 else percent(share)


def large(value: float) -> str:
    """A number from a million on, in words as far as they are common: 1,234,000 → "1.2 million"."""
    for limit, unit in ((1e9, "billion"), (1e6, "million")):
        if 0.9995 * limit <= value < 999.5 * limit:
            return f"{fixed(value / limit, 1 if value < 9.95 * limit else 0)} {unit}"
    return power_of_ten(value, 1)


def power_of_ten(value: float, digits: int) -> str:
    """A number as a small one times a power of ten: 1.2 × 10⁻⁵."""
    power = math.floor(math.log10(value) + 1e-9)
    return f"{fixed(value / 10.0**power, digits)} × 10{str(power).translate(_RAISED)}"


def perplexity(value: float) -> str:
    """A perplexity with the figures that matter; a broken model's can have many digits."""
    if value >= 999_500:
        return large(value)
    return fixed(value, 0 if value >= 1000 else 1 if value >= 10 else 2)


def kl(value: float) -> str:
    """KL in nats a token with the figures that matter."""
    if 0 < value < 0.001:
        return "below 0.001"
    return (
        "0"
        if value == 0
        else f"{value:.2g}"
        if value < 0.1
        else f"{value:.3g}"
        if value < 10
        else f"{value:,.0f}"
    )


def seconds(value: float) -> str:
    """A time for people: "under a second", "42 s", "3 min", "1.5 h"."""
    if value < 1:
        return "under a second"
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"
