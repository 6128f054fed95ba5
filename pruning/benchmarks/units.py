"""The bench of whole units: what losing neurons or heads costs, by method, on text not calibrated on."""

from typing import Any

from pruning.engine.models.load import Loaded
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import Progress
from pruning.tasks.best import best_spec
from pruning.tasks.measure import quality_of
from pruning.workspace.store import Store

NEURONS = 0.2
HEADS = 2 / 9
SHARES = {"neurons": NEURONS, "heads": HEADS}
# What our best is set against: chosen by scores, as many in every layer, and nothing made up for.
REFERENCES = {"neurons": "wanda", "heads": "fisher"}


def bench_structured(loaded: Loaded, store: Store, progress: Progress, data: str = "demo") -> dict[str, Any]:
    """Measured KL to the dense model without 20 % of the neurons, and without 2 of 9 heads a layer.

    `neurons_ratio` and `heads_ratio` are our best over the reference; the best may take more from one layer
    than from another, but takes the same share of all. Heads are zeroed, wherever they are.
    """
    rows: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    for structure, share in SHARES.items():
        uniform = (f"{structure}={share:.6g}",)
        bare = MaskOptions(structure=structure, compensate=False)
        specs = {
            "l2": PruningSpec(uniform, "l2", data, bare),
            "wanda": PruningSpec(uniform, "wanda", data, bare),
            "fisher": PruningSpec(uniform, "fisher", data, bare),
            "fisher, refitted": PruningSpec(uniform, "fisher", data, MaskOptions(structure=structure)),
            "best": best_spec(loaded, store, progress, MaskOptions(structure=structure), share, data),
        }
        kls = {name: _row(loaded, store, name, spec, rows, progress) for name, spec in specs.items()}
        result[f"{structure}_ratio"] = kls["best"] / kls[REFERENCES[structure]]
        result[f"{structure}_best_settings"] = list(specs["best"].settings)
    return {**result, "rows": rows}


def _row(
    loaded: Loaded, store: Store, name: str, spec: PruningSpec, rows: list[dict[str, Any]], progress: Progress
) -> float:
    quality = quality_of(loaded, store, progress, spec)
    rows.append(
        {
            "structure": spec.options.structure,
            "method": name,
            "kl": quality.kl,
            "perplexity": quality.perplexity,
        }
    )
    progress(len(rows), 10, f"{spec.options.structure}, {name}: KL {quality.kl:.3f}")
    return quality.kl
