"""What can be asked of a loaded model; the command line and the dashboard's worker call the same functions.

Every task is `task(loaded, store, progress, **arguments) -> dict` of plain data, leaves the model as it
found it, and stores what it found before it returns.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pruning.tasks.answering import generate
from pruning.tasks.best import best
from pruning.tasks.calibrating import teach
from pruning.tasks.exporting import export_model
from pruning.tasks.impact import impact
from pruning.tasks.ladders import lottery_ticket, progressive
from pruning.tasks.latency import latency
from pruning.tasks.leaning import capabilities
from pruning.tasks.leaving import early_exit
from pruning.tasks.looking import baseline, inspect_model
from pruning.tasks.outlying import outliers
from pruning.tasks.pricing import make_map, run_sweep
from pruning.tasks.quality import measure
from pruning.tasks.quantizing import quantize
from pruning.tasks.recovering import recover

TASKS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "inspect": inspect_model,
    "baseline": baseline,
    "latency": latency,
    "outliers": outliers,
    "map": make_map,
    "sweep": run_sweep,
    "capabilities": capabilities,
    "measure": measure,
    "teach": teach,
    "best": best,
    "export": export_model,
    "generate": generate,
    "recover": recover,
    "progressive": progressive,
    "lottery": lottery_ticket,
    "early_exit": early_exit,
    "quantize": quantize,
    "impact": impact,
}
