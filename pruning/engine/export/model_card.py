"""The card of an exported model: what was done to it, and what was measured."""

from dataclasses import dataclass
from typing import Any, Literal

from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.training import Training
from pruning.wording import counted

# Beside a compact model: all that unpacking it takes. `pruning.engine.models.compact` describes the files.
UNPACK = """import glob, json, math, torch
from safetensors import safe_open
from safetensors.torch import save_file

for path in glob.glob("compact*.safetensors"):
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        shapes = json.loads(file.metadata()["packed_shapes"])
    for name, shape in shapes.items():
        bits = tensors.pop(name + ".bitmask")[:, None] >> torch.arange(8, dtype=torch.uint8) & 1
        values, count = tensors.pop(name + ".values"), math.prod(shape)
        kept = bits.flatten()[:count].bool()
        tensors[name] = torch.zeros(count, dtype=values.dtype).masked_scatter_(kept, values).view(shape)
    save_file(tensors, path.replace("compact", "model", 1), {"format": "pt"})
for path in glob.glob("compact*.index.json"):
    text = open(path).read().replace('"compact-', '"model-')
    open(path.replace("compact", "model", 1), "w").write(text)"""

# Beside a graph: all that writing text with it takes.
GENERATE = """import numpy as np
import onnxruntime
from transformers import AutoTokenizer

session = onnxruntime.InferenceSession("model.onnx")
tokenizer = AutoTokenizer.from_pretrained(".")
past = {
    given.name: np.zeros((1, given.shape[1], 0, given.shape[3]), np.float32)
    for given in session.get_inputs()
    if given.name.startswith("past_key_values.")
}
names = [put.name for put in session.get_outputs()]
tokens, read = tokenizer("Once upon a time")["input_ids"], 0
for _ in range(20):
    new, mask = np.array([tokens[read:]]), np.ones((1, len(tokens)), np.int64)
    put = dict(zip(names, session.run(None, {"input_ids": new, "attention_mask": mask, **past})))
    past = {name: put[name.replace("past_key_values", "present")] for name in past}
    read = len(tokens)
    tokens.append(int(put["logits"][0, -1].argmax()))
print(tokenizer.decode(tokens))"""
GRAPH = f"""

## Running it

`model.onnx` is the graph and `model.onnx_data` its weights; keep them together. One graph reads a prompt and
writes token by token: what it puts out as `present.*` goes in as `past_key_values.*`, with no tokens at
first. Batches may be padded on the left. The shapes of keys and values are those of the inputs, whatever
`config.json` says of heads, for layers may have numbers of their own. Run in this folder, greedily:

```python
{GENERATE}
```

It computes in float32. Weights in another number format are converted once, when the graph is loaded."""


@dataclass(frozen=True)
class Written:
    """How a model is written: `form`, bytes of its weights as written and of the dense model's, and the
    number formats of both. `by_layer`: layers differ in width. `more`: a section of its own.

    "cut": what is pruned is cut out of the tensors; "zeros": it is zeros in them; "compact": bitmasks and
    the values that are kept.
    """

    form: Literal["cut", "zeros", "compact"]
    size: int
    dense: int
    dtype: str
    dense_dtype: str
    by_layer: bool = False
    more: str = ""


def _trained(recipe: Recipe, figures: dict[str, Any]) -> str:
    if recipe.recovery is None:
        return ""
    loss = Training.of(recipe.recovery).loss
    return f", and what is left trained for {counted(figures['best_step'], 'step')} (loss: {loss})"


def _format(written: Written) -> str:
    if written.dtype == written.dense_dtype:
        return f"{written.dtype}, as in the original model"
    return f"{written.dtype} (in the original model {written.dense_dtype})"


def card(recipe: Recipe, figures: dict[str, Any], written: Written) -> str:
    """The text of the model card, in Markdown.

    Parameters
    ----------
    recipe
        What was done.
    figures
        What was measured: the result of the task `measure`.
    written
        The form in which the model is written, and its size.
    """
    questions = ""
    if "probes" in figures:
        shares = {"all": figures["probe_accuracy"], **figures["probes"]}
        questions = "".join(f"\n| questions: {name} | {value:.1%} right |" for name, value in shares.items())
    return f"""---
tags: [pruned, prunescope]
---

# {recipe.name or "Pruned model"}

{recipe.model.reference}, with {figures["sparsity"]:.1%} of the weights of its decoder layers \
{"taken out" if written.form == "cut" else "set to zero"} by Prunescope
({recipe.structure}, criterion: {recipe.criterion}){_trained(recipe, figures)}.
The file `recipe.yaml` beside this one repeats it. The licence of the original model applies.

All figures were measured on the text `{recipe.data.name}` ({counted(figures["tokens"], "token")}).

| figure | value |
| --- | --- |
| KL to the dense model | {figures["kl"]:.4f} nats per token |
| perplexity | {figures["perplexity"]:.2f} (dense: {figures["dense_perplexity"]:.2f}) |
| same most likely token as the dense model | {figures["agreement"]:.1%} |
| next-token accuracy | {figures["accuracy"]:.1%} (dense: {figures["dense_accuracy"]:.1%}) |{questions}
| weights, as written here | {written.size / 1e6:.1f} MB (dense: {written.dense / 1e6:.1f} MB) |
| number format | {_format(written)} |
{_FORMS[written.form]}{_BY_LAYER if written.by_layer else ""}{written.more}
"""


_BY_LAYER = """
## Layers of different widths

The layers of this model keep different numbers of neurons or heads, and the classes of transformers have one
number for all. So `config.json` says in `per_layer_config` what each layer has, and `modeling_per_layer.py`,
a file of some twenty lines beside this one, builds each layer from it. Read it; then

```python
AutoModelForCausalLM.from_pretrained("FOLDER", trust_remote_code=True)
```

loads the model, which runs that file. Prunescope opens the folder without running it."""
_ZEROS = "Zeros alone do not make today's engines faster: expect the dense model's speed."
_FORMS = {
    "cut": "\nWhat was removed is cut out of the tensors: any engine has less to read and to compute.",
    "zeros": f"\n{_ZEROS}",
    "compact": f"""
## A compact model

The weights are packed: of each pruned tensor the files hold one bit a weight and the values that are kept.
Prunescope opens this folder as it is. For everything else unpack it, to the very bits of the ordinary folder,
with `prunescope unpack FOLDER --out DIR`, or with this script, run in the folder:

```python
{UNPACK}
```

After that `from_pretrained` loads it. Unpacked it takes as much disk and memory as the dense model.
{_ZEROS}""",
}
