"""What the Model Pruning Guide claims of each technique, ours beside it, and verdicts by rule.

Claims are the figures of the guide's table of impacts. A verdict holds a claim against what was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Holds = Literal["holds", "short"]
ASPECTS = ("memory", "speed", "quality")

# The guide gives no figures for quality. We read its words as a rise of perplexity of at most so many times,
# and generously.
READ_AS = {"minimal": 1.05, "small": 1.15, "moderate": 1.5}
# A measured gain may fall short of the claimed one by a twentieth before we say that it does.
CLOSE = 0.95
_FOLD = (
    *("", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)


@dataclass(frozen=True)
class Claim:
    """What the guide says: `memory` and `speed` as many times smaller and faster, `quality` lost in a word.

    `sparse`: the guide adds that the speed needs support for sparse tensors.
    """

    memory: float
    speed: float
    quality: str
    sparse: bool = False


@dataclass(frozen=True)
class Technique:
    """A row: `share` (0..1) of weights or units is pruned, chosen by `criterion`; `best` is our best recipe.

    `beside` names the row of the guide with the same share; a row of the guide's own has a `claim` instead.
    Rows with less `effort` are measured first.
    """

    name: str
    title: str
    share: float
    criterion: str = "fisher"
    structure: str = "unstructured"
    compensate: bool = False
    best: bool = False
    training: bool = False
    claim: Claim | None = None
    beside: str | None = None
    effort: int = 1

    @property
    def whole(self) -> bool:
        """Whether whole units are pruned, so that tensors become smaller."""
        return self.structure != "unstructured"


# In the order in which they are shown: each of ours follows the guide's row with the same share.
TECHNIQUES = (
    Technique("magnitude_50", "Magnitude", 0.5, "magnitude", claim=Claim(1.2, 1.1, "minimal", True)),
    Technique("wanda_50", "Wanda", 0.5, "wanda", beside="magnitude_50", effort=2),
    Technique("fisher_50", "Fisher", 0.5, "fisher", beside="magnitude_50", effort=2),
    Technique("sparsegpt_50", "SparseGPT", 0.5, "sparsegpt", beside="magnitude_50", effort=4),
    Technique("best_50", "Our best", 0.5, "corrected", best=True, beside="magnitude_50", effort=5),
    Technique("magnitude_90", "Magnitude", 0.9, "magnitude", claim=Claim(1.5, 1.2, "small", True)),
    Technique("snip_95", "SNIP", 0.95, "snip", claim=Claim(2.0, 1.3, "small", True), effort=2),
    Technique("channels_25", "Channels", 0.25, "l2", "neurons", claim=Claim(1.3, 1.4, "small")),
    Technique(
        "neurons_25", "Neurons, refitted", 0.25, "fisher", "neurons", True, beside="channels_25", effort=3
    ),
    Technique("heads_50", "Heads", 0.5, "l2", "heads", claim=Claim(1.8, 2.1, "moderate")),
    Technique(
        "heads_50_refitted", "Heads, refitted", 0.5, "fisher", "heads", True, beside="heads_50", effort=3
    ),
    Technique(
        "lottery_80",
        "Lottery ticket",
        0.8,
        "magnitude",
        training=True,
        claim=Claim(1.6, 1.2, "minimal", True),
        effort=6,
    ),
)
BY_NAME = {technique.name: technique for technique in TECHNIQUES}


@dataclass(frozen=True)
class Verdict:
    """`claims` says of each aspect that the guide claims whether it holds here; `text` says it in words."""

    claims: Mapping[str, Holds]
    text: str


def verdict(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Verdict:
    """What a measured row says of the guide's claim, or beside the guide's row in `rows` with its share."""
    technique = BY_NAME[row["name"]]
    if row.get("refused"):
        return Verdict({}, f"It cannot be done with this model. {row['refused']}")
    if technique.claim is not None:
        return _against(technique.claim, row)
    other = next((r for r in rows if r["name"] == technique.beside and not r.get("refused")), None)
    return Verdict({}, _beside(row, other))


def written_bytes(row: Mapping[str, Any]) -> int:
    """Bytes of the weights as an ordinary export writes them: less only where tensors are cut."""
    cut = row["form"] == "cut" and not row.get("not_smaller")
    return int(row["bytes"] if cut else row["dense_bytes"])


def memory_ratio(row: Mapping[str, Any]) -> float:
    """How many times smaller the written file is than the dense one."""
    return row["dense_bytes"] / written_bytes(row)


def compact_ratio(row: Mapping[str, Any]) -> float | None:
    """How many times smaller a compact file is than the dense one; None where none is smaller.

    Rows of older versions may have their bytes in CSR, which nothing writes.
    """
    smaller = row["form"] == "bitmask" and row["bytes"] < row["dense_bytes"]
    return row["dense_bytes"] / row["bytes"] if smaller else None


def perplexity_ratio(row: Mapping[str, Any]) -> float:
    """How many times the dense model's perplexity."""
    return float(row["perplexity"] / row["dense_perplexity"])


def speed_ratio(row: Mapping[str, Any]) -> float | None:
    """How many times as fast; None where it was not timed.

    A smaller model gains differently in reading and in writing, and whichever gained more counts. Zeros run
    on the dense kernels in both, and the two figures are one taken twice: their geometric mean counts.
    """
    speed = row.get("speed")
    if speed is None:
        return None
    if row["form"] == "cut":
        return float(max(speed["prefill"], speed["decode"]))
    return float((speed["prefill"] * speed["decode"]) ** 0.5)


def _against(claim: Claim, row: Mapping[str, Any]) -> Verdict:
    rise, memory, speed = perplexity_ratio(row), memory_ratio(row), speed_ratio(row)
    fits = {"memory": memory >= CLOSE * claim.memory, "quality": rise <= READ_AS[claim.quality]}
    said = [
        f"The guide says {claim.quality} loss, and so it is: perplexity {risen(rise)}."
        if fits["quality"]
        else f"The guide says {claim.quality} loss; here perplexity {risen(rise)}."
    ]
    said.append(_smaller(claim.memory, row, fits["memory"]))
    if speed is not None:
        fits["speed"] = _faster(claim.speed, row)
        said.append(_gain("faster", claim.speed, speed, fits["speed"]))
        if claim.sparse and not fits["speed"]:
            said[-1] += " No kernel here uses the zeros."
    elif claim.sparse:
        said.append(f"{claim.speed:g}× faster is claimed with sparse kernels, and there is none here.")
    return Verdict(
        {name: "holds" if fits[name] else "short" for name in ASPECTS if name in fits}, " ".join(said)
    )


def _faster(claimed: float, row: Mapping[str, Any]) -> bool:
    """Whether as much was gained as is claimed, and more than timing wavers."""
    measured, speed = speed_ratio(row), row["speed"]
    sure = any(speed[f"{name}_low"] > 1.0 for name in ("prefill", "decode"))
    return measured is not None and measured >= CLOSE * claimed and sure


def _smaller(claimed: float, row: Mapping[str, Any], fits: bool) -> str:
    compact = compact_ratio(row)
    if fits or memory_ratio(row) > 1.0:
        return _gain("smaller", claimed, memory_ratio(row), fits)
    beside = "" if compact is None else f"; only as a compact file is it {compact:.1f}× smaller"
    return f"{claimed:g}× smaller is claimed, but the written file is as large as before{beside}."


def _gain(word: str, claimed: float, measured: float, fits: bool) -> str:
    shown = f"{measured:.1f}"
    shown = f"{measured:.2f}" if not fits and float(shown) >= claimed else shown
    return f"{claimed:g}× {word} is claimed, {'and' if fits else 'but'} {shown}× is measured."


def _beside(row: Mapping[str, Any], other: Mapping[str, Any] | None) -> str:
    rise = f"Perplexity {risen(perplexity_ratio(row))}"
    if other is None:
        return f"{rise}."
    less = 1.0 - row["kl"] / other["kl"] if other["kl"] else 0.0
    if abs(less) < 0.02:
        compared = "as much KL as the guide's way"
    elif less > 0:
        compared = f"{_share(less)} less KL than the guide's way"
    else:
        compared = f"{_share(-less)} more KL than the guide's way"
    return f"{rise}: {compared} with the same share gone."


def _share(value: float) -> str:
    """A share of KL for people; close to 1 it keeps a digit, so that nothing is rounded to all of it."""
    return f"{100 * value:.1f} %" if 0.985 < value < 0.9995 else f"{100 * value:.0f} %"


def risen(ratio: float) -> str:
    """What perplexity does, in words: 1.38 is "rises by 38 %", 15.2 is "rises fifteenfold"."""
    if not ratio < 1e6:
        return "rises over a millionfold"
    if ratio >= 20.5:
        digits = len(str(int(ratio)))
        return f"rises {round(ratio, 2 - digits):,.0f}-fold"
    if ratio >= 9.5 or (ratio >= 1.95 and abs(ratio - round(ratio)) < 0.05):
        return f"rises {_FOLD[round(ratio)]}fold"
    if ratio >= 1.95:
        return f"rises {ratio:.1f}-fold"
    if ratio >= 1.005:
        return f"rises by {100 * (ratio - 1):.0f} %"
    return "stays as it was" if ratio > 0.995 else f"falls by {100 * (1 - ratio):.0f} %"
