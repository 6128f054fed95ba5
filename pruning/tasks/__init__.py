"""What can be asked of a loaded model; the command line and the dashboard's worker call the same functions.

Every task is `task(session, **arguments) -> dict` of plain data, on the session's model and text. It leaves
the model as it found it, and stores what it found before it returns.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pruning.tasks import (
    best,
    calibrate,
    capabilities,
    export,
    generate,
    impact,
    inspect,
    iterate,
    latency,
    measure,
    recover,
    sensitivity,
    sweep,
    variants,
)
from pruning.tasks.context.session import Session

__all__ = ["TASKS", "Session"]

TASKS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "inspect": inspect.inspect_model,
    "baseline": inspect.baseline,
    "latency": latency.latency,
    "outliers": sensitivity.outliers,
    "map": sensitivity.make_map,
    "sweep": sweep.sweep,
    "capabilities": capabilities.capabilities,
    "measure": measure.measure,
    "teach": calibrate.calibrate,
    "best": best.best,
    "export": export.export_model,
    "generate": generate.generate,
    "recover": recover.recover,
    "progressive": iterate.progressive,
    "lottery": iterate.lottery_ticket,
    "early_exit": variants.early_exit,
    "quantize": variants.quantize,
    "impact": impact.impact,
}
