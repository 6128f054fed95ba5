"""What stands beside an export in words: what it is, and what was measured of the recipe."""

from collections.abc import Mapping
from typing import Any

from pruning.planning.exports import llm_compressor, script
from pruning.planning.recipe.recipe import Recipe
from pruning.wording import counted

_ABOUT = {
    "recipe.yaml": "`recipe.yaml` is all that was decided. The command\n"
    "`prunescope export MODEL recipe.yaml --out FOLDER` writes the model from it.",
    script.FILE: f"`python {script.FILE} FOLDER` prunes the model anew and writes it. It was run in a\n"
    "process of its own, and every weight was the same, bit for bit. It needs Prunescope's Python\n"
    "package and the original model.",
    "report.html": "`report.html` is the report, one file for any browser; it needs no network.",
    llm_compressor.FILE: f"`{llm_compressor.FILE}` asks llm-compressor for the same share of zeros in\n"
    "each module. It chooses the weights itself, so the figures hold for it only roughly.",
}


def text_card(recipe: Recipe, figures: Mapping[str, Any], file: str) -> str:
    """The text in Markdown; `file` is the one that counts, `figures` the result of the task `measure`."""
    return f"""# {recipe.name or "A pruned model"}

{recipe.model.reference}, with {figures["sparsity"]:.1%} of the weights of its decoder layers pruned
({recipe.structure}, criterion: {recipe.criterion}).

{_ABOUT[file]}

Measured on the text `{recipe.data.name}` ({counted(figures["tokens"], "token")}): KL to the dense model
{figures["kl"]:.4f} nats per token, perplexity {figures["perplexity"]:.2f} (dense: \
{figures["dense_perplexity"]:.2f}).
"""
