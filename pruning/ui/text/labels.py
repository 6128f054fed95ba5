"""What things are called on pages, in one place so that pages say the same thing: labels, badges, help."""

from __future__ import annotations

MEASURED, FORECAST, ESTIMATE = ":green-badge[measured]", ":blue-badge[forecast]", ":violet-badge[estimate]"
# What training made of a plan; never to be taken for the plan's own figures.
RECOVERED = ":orange-badge[measured after recovery]"
KIND = {
    "qkv": "Attention QKV",
    "attn_out": "Attention output",
    "gate": "MLP gate",
    "up": "MLP up",
    "down": "MLP down",
}
SHORT_KIND = {"qkv": "QKV", "attn_out": "Attn out", "gate": "Gate", "up": "Up", "down": "Down"}
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
# Criteria that change the weights that are kept: none of them can prune blocks, units or little by little.
WITH_WEIGHT_UPDATE = ("sparsegpt", "corrected")
SIDE_BY_SIDE = ("fisher", "wanda", "magnitude")
CRITERION_NAME = {name: text.partition(":")[0] for name, text in CRITERION.items()}
PRESET = {
    "uniform": "Uniform",
    "guide": "The guide's",
    "guide_attention": "The guide's, attention alone",
    "guide_mlp": "The guide's, MLP alone",
    "protect_early": "Protect early layers",
    "protect_ends": "Protect both ends",
    "ramp": "Ramp over depth",
}
PRESET_NUMBER = {
    "qkv": "Attention QKV (share)",
    "attn_out": "Attention output (share)",
    "gate_up_times": "Gate and up (times the level)",
    "down_times": "Down (times the level)",
    "layers": "Layers to protect",
    "share": "Their share of the level",
    "first_times": "First layer (times the level)",
    "last_times": "Last layer (times the level)",
}
# Prompts to try by a name that fits a chip.
READY_PROMPTS = {
    "Sky": "Explain in two sentences why the sky is blue.",
    "Letter": "Write a short letter to a friend about the first snow of the year.",
    "Apples": "Anna has 12 apples and gives away 5. How many are left? Show the steps.",
    "Packing": "List five things to pack for a weekend in the mountains.",
    "Lighthouse": "Tell a very short story about a lighthouse and a lost boat.",
}
PERPLEXITY = "How surprised the model is by real text. Lower is better; 1 would be no surprise at all."
ACCURACY = "How often the model's first guess for the next word of a real text is right."
AGREEMENT = "How often the pruned model's first guess for the next word is the same as the unpruned model's."
KL = (
    "How far the pruned model's predictions drift from the unpruned model's, in nats per token. "
    "0 is no drift. What a KL does to answers differs from model to model: the verdict says it."
)
VERDICT = (
    "What pruning does to answers. Safe: other words at times, as good as the unpruned model's. Noticeable: "
    "you see a difference. Broken: answers repeat themselves, or say nothing of sense. Measured, it rests on "
    "what the model answers to fixed prompts and questions, and on KL; forecast, on KL alone."
)
SPARSITY = "Share of the weights that can be pruned which are set to zero."
SIZE = (
    "Bytes of the weights in the folder that an export writes, in the number format in which the model is "
    "loaded. A zero takes as much room as any other number."
)
COMPACT = (
    "Bytes of the same weights in a compact file: one bit for each weight and the values that stay. It is "
    "unpacked before a model runs from it."
)
QUESTIONS = "Multiple-choice questions with known answers; the model takes the answer it finds most likely."
BAND = "The band is the range in which about eight of ten measurements are expected."
PREFILL = "Milliseconds to read a prompt, on this machine, with the loaded number format."
DECODE = "Milliseconds for each further word of an answer, on this machine."
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
    "Verdict": VERDICT,
    "Recipe": "A small text file: model, text, criterion and plan, all it takes to do the same again.",
}
# The field's term for each word of the glossary.
TERMS = {
    "Group": "the weight matrices of one projection in one layer",
    "Level": "sparsity, pruning ratio",
    "Plan": "sparsity allocation",
    "Criterion": "pruning criterion, importance score",
    "Map": "sensitivity map, sensitivity analysis by layer",
    "Forecast": "second-order (Fisher) estimate of the KL divergence, with a prediction interval",
    "Measured": "evaluation",
    "Perplexity": "the exponential of the mean cross-entropy",
    "KL": "Kullback–Leibler divergence, KL(dense ‖ pruned)",
    "Verdict": "greedy degeneration (seq-rep-4), flipped zero-shot answers, KL divergence",
    "Recipe": "pruning configuration",
}
# Figures by the name that they have on pages: the field's term, and what each says.
FIGURES = {
    "Right next word": ("top-1 accuracy", ACCURACY),
    "Same next word": ("top-1 agreement with the dense model", AGREEMENT),
    "Removed": ("sparsity", SPARSITY),
    "Model folder": ("checkpoint size", SIZE),
    "Compact file": ("size with bitmask compression", COMPACT),
    "Questions right": ("zero-shot multiple-choice accuracy", QUESTIONS),
    "Reading a prompt": ("prefill latency", PREFILL),
    "Writing a word": ("decode latency, time per output token", DECODE),
}
SPEED = (
    "Zeros alone make nothing faster today: common engines multiply by zero as slowly as by anything else, "
    "so the speed stays **1.0×**. Nor is the written model folder smaller, in which a zero takes as much "
    "space as any other number; a compact file is, until it is unpacked."
)


def kind(name: str) -> str:
    return KIND.get(name, name)


def group(layer: int | str, name: str) -> str:
    return f"Layer {layer} · {kind(name)}"


def capability(name: str) -> str:
    """A capability's name: "common_sense" → "Common sense"."""
    return name.replace("_", " ").capitalize()


def fitted_to(measured: int) -> str:
    """Where the forecast's scale and band come from: so many measured plans of this model."""
    if measured == 0:
        return f"The band comes from other models so far: nothing is measured on this one. {BAND}"
    plans = "one measured plan" if measured == 1 else f"{measured} measured plans"
    return f"The forecast has learnt from {plans} of this model. {BAND}"
