"""What can be asked of a loaded model; the command line and the dashboard's worker call the same functions.

Every task is `task(loaded, store, progress, **arguments) -> dict` of plain data, leaves the model as it
found it, and stores what it found before it returns.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pruning.tasks import (
    best,
    calibrate,
    capabilities,
    early_exit,
    export,
    generate,
    impact,
    inspect,
    iterate,
    latency,
    measure,
    outliers,
    quantize,
    recover,
    sensitivity,
)

TASKS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "inspect": inspect.inspect_model,
    "baseline": inspect.baseline,
    "latency": latency.latency,
    "outliers": outliers.outliers,
    "map": sensitivity.make_map,
    "sweep": sensitivity.run_sweep,
    "capabilities": capabilities.capabilities,
    "measure": measure.measure,
    "teach": calibrate.calibrate,
    "best": best.best,
    "export": export.export_model,
    "generate": generate.generate,
    "recover": recover.recover,
    "progressive": iterate.progressive,
    "lottery": iterate.lottery_ticket,
    "early_exit": early_exit.early_exit,
    "quantize": quantize.quantize,
    "impact": impact.impact,
}
