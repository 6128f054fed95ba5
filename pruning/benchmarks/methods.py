"""The bench of masks: what half of the weights cost, by criterion, on text that was not calibrated on."""

from typing import Any

from pruning.engine.models.load import Loaded
from pruning.planning.recipe.mask_options import DEFAULT
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import Progress
from pruning.tasks.best import best_spec
from pruning.tasks.measure import quality_of
from pruning.workspace.store import Store

UNIFORM = ("magnitude", "wanda", "sparsegpt")


def bench_masks(
    loaded: Loaded, store: Store, progress: Progress, data: str = "demo", sparsity: float = 0.5
) -> dict[str, Any]:
    """Measured KL to the dense model at one sparsity: uniform levels by criterion, and our best recipe."""
    specs = {name: PruningSpec((f"all={sparsity:g}",), name, data) for name in UNIFORM}
    specs["best"] = best_spec(loaded, store, progress, DEFAULT, sparsity, data)
    result: dict[str, Any] = {"sparsity": sparsity}
    for name, spec in specs.items():
        quality = quality_of(loaded, store, progress, spec)
        result |= {f"{name}_kl": quality.kl, f"{name}_perplexity": quality.perplexity}
    result["best_over_sparsegpt"] = result["best_kl"] / result["sparsegpt_kl"]
    result["best_settings"] = list(specs["best"].settings)
    return result
