"""The card of an exported model: what was done to it, and what was measured."""

from typing import Any

from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.training import Training
from pruning.wording import counted


def _trained(recipe: Recipe, figures: dict[str, Any]) -> str:
    if recipe.recovery is None:
        return ""
    loss = Training.of(recipe.recovery).loss
    return f", and what is left trained for {counted(figures['best_step'], 'step')} (loss: {loss})"


def card(recipe: Recipe, figures: dict[str, Any], size: int, cut: bool) -> str:
    """The text of the model card, in Markdown.

    Parameters
    ----------
    recipe
        What was done.
    figures
        What was measured: the result of the task `measure`.
    size
        Bytes of the weights as written.
    cut
        Whether the pruned weights are cut out of the tensors; otherwise they are zeros in them.
    """
    questions = "\n".join(
        f"| questions: {name} | {value:.1%} right |" for name, value in figures["probes"].items()
    )
    return f"""---
tags: [pruned, prunescope]
---

# {recipe.name or "Pruned model"}

{recipe.model.reference}, with {figures["sparsity"]:.1%} of the weights of its decoder layers \
{"taken out" if cut else "set to zero"} by Prunescope
({recipe.structure}, criterion: {recipe.criterion}){_trained(recipe, figures)}.
The file `recipe.yaml` beside this one repeats it. The licence of the original model applies.

All figures were measured on the text `{recipe.data.name}` ({counted(figures["tokens"], "token")}).

| figure | value |
| --- | --- |
| KL to the dense model | {figures["kl"]:.4f} nats per token |
| perplexity | {figures["perplexity"]:.2f} (dense: {figures["dense_perplexity"]:.2f}) |
| same most likely token as the dense model | {figures["agreement"]:.1%} |
| next-token accuracy | {figures["accuracy"]:.1%} (dense: {figures["dense_accuracy"]:.1%}) |
| questions: all | {figures["probe_accuracy"]:.1%} right |
{questions}
| weights, as written here | {size / 1e6:.1f} MB (dense: {figures["file_bytes"] / 1e6:.1f} MB) |
{_packed(figures, cut)}
"""


def _packed(figures: dict[str, Any], cut: bool) -> str:
    if cut:
        return "\nWhat was removed is cut out of the tensors: any engine has less to read and to compute."
    return f"""| weights, with what was removed stored sparsely | {figures["bytes"] / 1e6:.1f} MB |

Zeros alone do not make today's engines faster: expect the dense model's speed."""
