"""What was done to a model before it came here, told from its zeros, its widths and the layers it lacks."""

from collections.abc import Mapping, Sequence

from pruning.planning.recipe.plan import format_layers
from pruning.wording import whole_percent

# A model that nobody pruned has next to no weights that are exactly zero.
SOME_ZEROS = 0.005
Shape = tuple[int, int]
Row = tuple[int, Shape, float]
# What a smaller matrix says: of which kind of unit, and along which of its sides.
WIDTHS = (("up", 0, "neurons"), ("qkv", 0, "rows of queries, keys and values"))


def findings(
    rows: Mapping[str, Sequence[Row]], before: Mapping[str, Shape] | None = None, dropped: Sequence[int] = ()
) -> list[str]:
    """Sentences on what was pruned; empty where nothing shows.

    Parameters
    ----------
    rows
        By kind of weights, of each layer its number, its shape and its share of zeros (0..1).
    before
        The shapes by kind that it had; None where they are not known, and layers are held against each other.
    dropped
        Layers that are gone, in the numbers from before.
    """
    said = []
    if dropped:
        some = "Layer {} is" if len(dropped) == 1 else "Layers {} are"
        said.append(f"{some.format(format_layers(dropped))} gone.")
    for kind, side, units in WIDTHS:
        widths = [shape[side] for _, shape, _ in rows.get(kind, ())]
        whole = before[kind][side] if before and kind in before else max(widths, default=0)
        narrow = [width for width in widths if width < whole]
        if narrow:
            low, high = min(narrow), max(narrow)
            reach = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            said.append(f"{_share(narrow, widths)} {reach} of {whole:,} {units}.")
    for kind, own in rows.items():
        zeros = [share for _, _, share in own if share >= SOME_ZEROS]
        if zeros:
            low, high = (whole_percent(share) for share in (min(zeros), max(zeros)))
            reach = f"{low} %" if low == high else f"{low} to {high} %"
            where = "" if len(zeros) == len(own) else f" in {len(zeros)} of {len(own)} layers"
            said.append(f"{reach} of the weights in {kind} are zero{where}.")
    return said


def _share(some: Sequence[object], whole: Sequence[object]) -> str:
    """Which of the layers a sentence begins with."""
    if len(some) == len(whole):
        return "Every layer has"
    return f"{len(some)} of {len(whole)} layers {'has' if len(some) == 1 else 'have'}"
