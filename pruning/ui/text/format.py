"""The dashboard's words and numbers in plain language, in one place so that pages say the same thing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pruning.planning.recipe.plan import format_layers

KIND = {
    "qkv": "Attention QKV",
    "attn_out": "Attention output",
    "gate": "MLP gate",
    "up": "MLP up",
    "down": "MLP down",
}
SHORT_KIND = {"qkv": "QKV", "attn_out": "Attn out", "gate": "Gate", "up": "Up", "down": "Down"}
KIND_HELP = {
    "qkv": "Decides what each word looks at. Share of these weights set to zero.",
    "attn_out": "Carries what attention found back to the word. Share of these weights set to zero.",
    "gate": "Decides which features of a word let information through. Share of these weights set to zero.",
    "up": "Spreads a word into many features. Share of these weights set to zero.",
    "down": "Gathers the features back into the word; often delicate. Share of these weights set to zero.",
}
CRITERION = {
    "fisher": "Fisher: what a weight does to the model's predictions",
    "sparsegpt": "SparseGPT: the weights that stay make up for the others",
    "corrected": "Corrected: SparseGPT that also makes up for the layers before",
    "wanda": "Wanda: a weight's size times how strongly it is used",
    "magnitude": "Magnitude: a weight's size alone",
    "l2": "L2: as magnitude, but the length of a block",
    "taylor": "Taylor: a weight's size times the slope of the loss",
    "snip": "SNIP: as Taylor, one threshold for the whole model",
    "gradient": "Gradient: the slope of the loss alone",
    "random": "Random: the baseline to beat",
}
SIDE_BY_SIDE = ("fisher", "wanda", "magnitude")
CRITERION_NAME = {name: text.partition(":")[0] for name, text in CRITERION.items()}
STRATEGY = {
    "uniform": "Uniform",
    "guide": "The guide's",
    "guide_attention": "The guide's, attention alone",
    "guide_mlp": "The guide's, MLP alone",
    "protect_early": "Protect early layers",
    "protect_ends": "Protect both ends",
    "ramp": "Ramp over depth",
}
STRATEGY_NUMBER = {
    "qkv": "Attention QKV (share)",
    "attn_out": "Attention output (share)",
    "gate_up_times": "Gate and up (times the level)",
    "down_times": "Down (times the level)",
    "layers": "Layers to protect",
    "share": "Their share of the level",
    "first_times": "First layer (times the level)",
    "last_times": "Last layer (times the level)",
}
PERPLEXITY = "How surprised the model is by real text. Lower is better; 1 would be no surprise at all."
ACCURACY = "How often the model's first guess for the next word of a real text is right."
AGREEMENT = "How often the pruned model's first guess for the next word is the same as the unpruned model's."
KL = (
    "How far the pruned model's predictions drift from the unpruned model's, in nats per token. "
    "0 is no drift; 0.1 is hardly noticed; above 1 the model is badly hurt."
)
SPARSITY = "Share of the weights that can be pruned which are set to zero."
SIZE = (
    "Bytes of the weights when zeros are stored sparsely: one bit for each weight plus the values left. "
    "An ordinary file stores the zeros as well and stays as large as before."
)
QUESTIONS = "Multiple-choice questions with known answers; the model takes the answer it finds most likely."
BAND = "The band is the range in which about eight of ten measurements are expected."
GLOSSARY = {
    "Group": "The weights of one kind in one layer, such as MLP up in layer 12.",
    "Level": "The share of a group's weights that is set to zero: 0 % keeps them all, 95 % is the most.",
    "Plan": "A level for every group. It is what you set on Explore, measure, and write to disk.",
    "Criterion": "The rule that scores weights. The lowest scores are set to zero first.",
    "Map": "What every level of every group would cost, worked out from one look at a text.",
    "Forecast": f"A figure that was worked out, not tried, with its band. {BAND}",
    "Measured": "A figure from really doing it: weights set to zero, real text run, weights put back.",
    "Perplexity": PERPLEXITY,
    "KL": KL,
    "Recipe": "A small text file: model, text, criterion and plan, all it takes to do the same again.",
}
PREFILL = "Milliseconds to read a prompt, on this machine, with the loaded number format."
DECODE = "Milliseconds for each further word of an answer, on this machine."
SPEED = (
    "Zeros alone make nothing faster today: common engines multiply by zero as slowly as by anything else, "
    "so the speed stays **1.0×**. What shrinks is the model stored sparsely, not an ordinary file, in which "
    "a zero takes as much space as any other number."
)


def plain(text: str) -> str:
    """A user's text, so that Markdown shows it as it is: no links, pictures or badges in a plan's name."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&^=])", r"\\\1", text)


def kind(name: str) -> str:
    return KIND.get(name, name)


def short(reference: str) -> str:
    """A model's name cut to what fits: of a long path the end tells more."""
    return reference if len(reference) <= 34 else f"…{reference[-33:]}"


def group(layer: int | str, name: str) -> str:
    return f"Layer {layer} · {kind(name)}"


def count(value: float) -> str:
    """A number of things for people: 134,515,008 → "135 M"."""
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{_three(value / limit)} {unit}"
    return f"{value:,.0f}"


def size(value: float) -> str:
    """Bytes for people, decimal units: 538,090,408 → "538 MB"."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{_three(value / limit)} {unit}"
    return f"{value:,.0f} bytes"


def _three(value: float) -> str:
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def percent(value: float, digits: int = 0) -> str:
    """A share for people: 0.314 → "31 %"; a small one keeps a digit."""
    if digits == 0 and 0 < abs(value) < 0.0095:
        digits = 1
    return f"{value * 100:.{digits}f} %".replace("-", "−")


def perplexity(value: float) -> str:
    if value >= 1e4:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}·10^{int(exponent)}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


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


def milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def more(share: float) -> str:
    """A rise of perplexity in words: 0.038 → "about 3.8 % more perplexity"."""
    if share < 0.001:
        return "less than 0.1 % more perplexity"
    return f"about {percent(share, 1 if share < 0.1 else 0)} more perplexity"


def seconds(value: float) -> str:
    if value < 1:
        return "under a second"
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def learnt(measured: int) -> str:
    """Where the forecast's scale and band come from: so many measured plans of this model."""
    if measured == 0:
        return f"The band comes from other models so far: nothing is measured on this one. {BAND}"
    plans = "one measured plan" if measured == 1 else f"{measured} measured plans"
    return f"The forecast has learnt from {plans} of this model. {BAND}"


def layers(numbers: Iterable[int]) -> str:
    """Layer numbers as short ranges: [0, 1, 2, 7] → "0–2, 7"."""
    return format_layers(numbers).replace("-", "–").replace(",", ", ")
