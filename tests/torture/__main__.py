"""`python -m tests.torture`: torture Prunescope, print one table, and fail where anything was lost."""

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.table import Run, heading, lines

# In the order they are run in: what forks comes before what opens a browser.
SUBJECTS = (
    "dependencies",
    "bad_inputs",
    "payloads",
    "broken_workspaces",
    "full_disks",
    "kills",
    "strangers",
    "sessions",
)
SEED = 20260501


def main() -> int:
    """Run the subjects that were asked for; 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a sample of each case, for the test suite")
    parser.add_argument("--only", action="append", choices=SUBJECTS, help="this subject; may come again")
    parser.add_argument("--seed", type=int, default=SEED, help="what is random is drawn from this")
    parser.add_argument(
        "--keep", action="store_true", help="keep the scratch folder, with what was lost in it"
    )
    asked = parser.parse_args()
    # Who is asked to end still takes away disks and folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Two cores and many processes: more threads would only get in each other's way.
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
    scratch = Path(tempfile.mkdtemp(prefix="prunescope-torture-"))
    # Somebody else than root is asked in some cases.
    scratch.chmod(0o755)
    begun, lost = time.monotonic(), 0
    print(f"seed {asked.seed}\n\n{heading()}", flush=True)
    try:
        for name in asked.only or SUBJECTS:
            # Imported here, so that one subject alone need not wait for what others import.
            subject = importlib.import_module(f"tests.torture.{name}")
            for row in subject.rows(Run(asked.seed, asked.short, scratch / name)):
                print("\n".join(lines(row)), flush=True)
                lost += len(row.losses)
    finally:
        if asked.keep:
            print(f"\nkept: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    print(f"\n{lost} lost, {time.monotonic() - begun:.0f} s")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
