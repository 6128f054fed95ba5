"""Long work away from the server process: a queue, and one child process for each device."""

import sys
import threading
from types import ModuleType

from pruning.jobs.supervisor import Runner
from pruning.workspace.store import Store, workspace

__all__ = ["Runner", "runner"]

# Streamlit's hot reload throws out every module it has a file for, this one included. A module without
# a file stays, and with it the runners, their queues and the models their engines hold.
_registry = sys.modules.setdefault("_prunescope_runners", ModuleType("_prunescope_runners")).__dict__
_lock: threading.Lock = _registry.setdefault("lock", threading.Lock())
_runners: dict[str, Runner] = _registry.setdefault("runners", {})


def runner() -> Runner:
    """This process's runner for the current workspace, started by the first call.

    Raises
    ------
    PruningError
        When the workspace cannot be used.
    """
    root = str(workspace())
    with _lock:
        current = _runners.get(root)
        if current is None or current.closed:
            current = _runners[root] = Runner(Store())
        return current
