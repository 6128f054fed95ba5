"""A plan as a recipe of llm-compressor (0.14): the same levels, weights of its own choice."""

from collections.abc import Mapping
from typing import Any

import yaml

from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions, kept_of

FILE = "llm-compressor.yaml"
# By criterion what prunes alike there; everything else gets SparseGPT.
MODIFIER = {"wanda": "WandaPruningModifier"}
_DEFAULT = "SparseGPTModifier"
_HEADER = """\
# A recipe of llm-compressor 0.14, written by Prunescope: the same share of zeros in each module.
# llm-compressor chooses the weights itself ({modifier}), on the calibration text that you give it, so what
# was measured of the plan with the criterion {criterion} holds for it only roughly.
#
#     from llmcompressor import oneshot
#     oneshot(model=..., dataset=..., recipe="{file}", output_dir=...)
"""


def modifier_of(criterion: str) -> str:
    """The name of the modifier that is asked to choose weights."""
    return MODIFIER.get(criterion, _DEFAULT)


def llm_compressor_recipe(levels: Mapping[str, float], criterion: str, options: MaskOptions) -> str:
    """The recipe as YAML.

    Parameters
    ----------
    levels
        The share of zeros (0..1) by the name of each module, in the model's own order.
    criterion, options
        What chooses weights here; N:M where there is a pattern.

    Raises
    ------
    PruningError
        Where nothing is pruned.
    """
    pruned = {name: level for name, level in levels.items() if level > 0}
    if not pruned:
        raise PruningError("The plan prunes nothing, so there is nothing to write. Set some levels first.")
    modifier = modifier_of(criterion)
    said = {"sparsity": _sparsity(pruned), "mask_structure": _structure(options), "targets": list(pruned)}
    recipe = {"default_stage": {"default_modifiers": {modifier: said}}}
    header = _HEADER.format(modifier=modifier, criterion=criterion, file=FILE)
    return header + yaml.safe_dump(recipe, sort_keys=False, width=100)


def levels_in(text: str) -> dict[str, float]:
    """The levels that such a recipe has, by module; to read again what was written."""
    said: dict[str, Any] = next(iter(yaml.safe_load(text)["default_stage"]["default_modifiers"].values()))
    sparsity, targets = said["sparsity"], said["targets"]
    return dict(
        zip(targets, sparsity if isinstance(sparsity, list) else [sparsity] * len(targets), strict=True)
    )


def _sparsity(levels: Mapping[str, float]) -> float | list[float]:
    """One number where all modules have the same, else one for each."""
    several = set(levels.values())
    return several.pop() if len(several) == 1 else list(levels.values())


def _structure(options: MaskOptions) -> str:
    """N zeros in every M, where Prunescope's pattern says how many stay."""
    if options.pattern is None:
        return "0:0"
    kept, of = kept_of(options.pattern)
    return f"{of - kept}:{of}"
