"""Addresses whose parameters are wrong: what a link from somebody else may hold."""

from random import Random

from tests.torture.places import DESK, PLACES

_VALUES = (
    "",
    "demo",
    "../../etc/passwd",
    "/dev/zero",
    "<script>alert(1)</script>",
    "x" * 5000,
    "\x00",
    "nan",
    "-1",
    "𝟘",
    "%s%n",
    "up=nan",
    "up=0.5,,=,",
    "up@0-99999999999=0.5",
    "layers=1",
    "heads=0.3,kv_groups=0.3",
    "up@" + "0," * 2000 + "0=0.5",
    "a:b:c",
    ":",
    "$a^2$ ![x](http://127.0.0.1:1/x)",
)
_NAMES = (
    "model",
    "dtype",
    "device",
    "data",
    "criterion",
    "engine",
    "plan",
    "lock",
    "pin",
    "embed",
    "strange",
)


def address(random: Random) -> tuple[str, dict[str, list[str]]]:
    """A place and parameters for it."""
    names = random.sample(_NAMES, random.choice([1, 2, 4]))
    given = {name: [random.choice(_VALUES) for _ in range(random.choice([1, 1, 9]))] for name in names}
    # With no model most pages stop at once.
    if random.random() < 0.7:
        given["model"] = ["demo"]
    return random.choice([DESK, *PLACES]), given
