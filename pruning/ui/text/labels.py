"""What things are called on pages, in one place so that pages say the same thing: labels, badges, help."""

from __future__ import annotations

MEASURED, FORECAST, ESTIMATE = ":green-badge[measured]", ":blue-badge[forecast]", ":violet-badge[estimate]"
# What is counted, such as bytes.
EXACT = ":gray-badge[exact]"
# What training made of a plan; never to be taken for the plan's own figures.
RECOVERED = ":orange-badge[measured after recovery]"
KIND = {
    "qkv": "Attention QKV",
    "attn_out": "Attention output",
    "gate": "MLP gate",
    "up": "MLP up",
    "down": "MLP down",
    "layers": "Whole layers",
    "heads": "Attention heads",
    "kv_groups": "KV groups",
    "neurons": "MLP neurons",
}
SHORT_KIND = {
    "qkv": "QKV",
    "attn_out": "Attn out",
    "gate": "Gate",
    "up": "Up",
    "down": "Down",
    "layers": "Layers",
    "heads": "Heads",
    "kv_groups": "KV groups",
    "neurons": "Neurons",
}
# What each kind is, where there is room for a line.
KIND_ABOUT = {
    "qkv": "The weights with which attention asks, and is asked, what to look at.",
    "attn_out": "The weights that put what attention found back into the stream.",
    "gate": "Decides which of the MLP's neurons speak.",
    "up": "What the MLP's neurons look for in a word.",
    "down": "What the MLP's neurons put back into the stream.",
    "layers": "A layer with all that is in it.",
    "heads": "Attention looks at the words before with several heads side by side.",
    "kv_groups": "Heads that share keys and values, gone together: less memory for long texts as well.",
    "neurons": "Units of the MLP, each a row of gate and up with its column of down.",
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
    "heads": "Heads (share)",
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
SPARSITY = "Share of the weights that can be pruned which are cut out or set to zero."
SIZE = (
    "Bytes of the weights in the folder that an export writes, in the number format in which the model is "
    "loaded. A zero takes as much room as any other number."
)
COMPACT = (
    "Bytes of the same weights in a compact file: one bit for each weight and the values that stay. It is "
    "unpacked before a model runs from it."
)
GGUF_SIZE = (
    "Bytes of the file: the weights in the number format that is chosen, and the tokenizer and the "
    "configuration, which it holds as well. It may be off by some hundred bytes of names."
)
QUESTIONS = "Multiple-choice questions with known answers; the model takes the answer it finds most likely."
BAND = "The band is the range in which about eight of ten measurements are expected."
PREFILL = "Milliseconds to read a prompt, on this machine, with the loaded number format."
DECODE = "Milliseconds for each further word of an answer, on this machine."
SPEED_SOURCE = (
    "Measured times are of the unpruned model; those of a plan are forecast from what each unit saved when "
    "this model was timed. An estimate, before that, goes by operations and bytes alone. Zeros save nothing."
)
MEMORY = (
    "Bytes of the weights, and of the keys and values that the model remembers of a conversation (KV cache). "
    "What is computed in passing is not counted."
)
GLOSSARY = {
    "Group": "The weights of one kind in one layer, such as MLP up in layer 12.",
    "Layer": "One of the model's equal blocks, run one after the other: attention first, then the MLP.",
    "Attention": "The part of a layer that looks back at the words before.",
    "MLP": "The part of a layer that works on each word by itself; it holds most of the weights.",
    "Unit": "What is cut out whole and makes the model smaller and faster: a head, a KV group, a neuron or a "
    "layer.",
    "Level": "The share of a group that goes: of single weights, set to zero, at most 95 %; of units, cut "
    "out.",
    "Plan": "A level for every group. It is what you set under Prune, measure, and write to disk.",
    "Unpruned": "The model as it was loaded, before anything goes: what every change is told against.",
    "Criterion": "The rule that scores weights. The lowest scores are set to zero first.",
    "Map": "What every level of every group would cost, worked out from one look at a text.",
    "Forecast": f"A figure that was worked out, not tried, with its band. {BAND}",
    "Measured": "A figure from really doing it: the plan carried out, real text run, weights put back.",
    "Estimate": "A figure by rule of thumb, without a band: times by operations and bytes, before the model "
    "was timed here.",
    "Exact": "A figure that is counted, such as the bytes an export writes.",
    "Perplexity": PERPLEXITY,
    "KL": KL,
    "Verdict": VERDICT,
    "Preset": "A ready rule for the levels of all groups: uniform, the same everywhere; the guide's, as the "
    "Model Pruning Guide has them; protect both ends, less in the first and last layers.",
    "Pinned": "A plan that you gave a name and keep for comparing.",
    "Recipe": "A small text file: model, text, criterion and plan, all it takes to do the same again.",
}
# The field's term for each word of the glossary.
TERMS = {
    "Group": "the weight matrices of one projection in one layer",
    "Layer": "transformer (decoder) layer, block",
    "Attention": "self-attention: qkv, attn_out",
    "MLP": "feed-forward network: gate, up, down",
    "Unit": "structure of structured pruning",
    "Level": "sparsity, pruning ratio",
    "Plan": "sparsity allocation",
    "Unpruned": "dense model, baseline",
    "Criterion": "pruning criterion, importance score",
    "Map": "sensitivity map, sensitivity analysis by layer",
    "Forecast": "second-order (Fisher) estimate of the KL divergence, with a prediction interval",
    "Measured": "evaluation",
    "Estimate": "roofline model, analytic cost",
    "Exact": "counted, no estimation",
    "Perplexity": "the exponential of the mean cross-entropy",
    "KL": "Kullback–Leibler divergence, KL(dense ‖ pruned)",
    "Verdict": "greedy degeneration (seq-rep-4), flipped zero-shot answers, KL divergence",
    "Preset": "heuristic sparsity allocation",
    "Pinned": "saved configuration",
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
    "Units that are cut out make the model smaller and faster. Zeros alone make nothing faster today: common "
    "engines multiply by zero as slowly as by anything else. Nor do they make the written model folder "
    "smaller; a compact file is, until it is unpacked."
)


def kind(name: str) -> str:
    return KIND.get(name, name)


def group(layer: int | str, name: str) -> str:
    return f"Layer {layer}, all of it" if name == "layers" else f"Layer {layer} · {kind(name)}"


def capability(name: str) -> str:
    """A capability's name: "common_sense" → "Common sense"."""
    return name.replace("_", " ").capitalize()


def fitted_to(measured: int) -> str:
    """Where the forecast's scale and band come from: so many measured plans of this model."""
    if measured == 0:
        return f"The band comes from other models so far: no plan of this one is measured yet. {BAND}"
    plans = "one measured plan" if measured == 1 else f"{measured} measured plans"
    return f"The forecast has learnt from {plans} of this model. {BAND}"
