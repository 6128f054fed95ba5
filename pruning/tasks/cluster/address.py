"""Where a cluster's head is, and whether it answers."""

import os
import re
import socket
import tempfile
from pathlib import Path

from pruning.errors import PruningError

AUTO = "auto"
ANSWER_SECONDS = 2.0
Address = tuple[str, int]


def head_address(asked: str) -> Address | None:
    """Host and port of the head of the cluster that is asked for, which answers.

    None for `auto` where no cluster runs on this machine and RAY_ADDRESS names none. Raises PruningError for
    what is no address, and where nothing answers.
    """
    if asked == AUTO:
        named = os.environ.get("RAY_ADDRESS", "")
        if named in ("", AUTO):
            return _started_here()
        asked = named
    found = re.fullmatch(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})", asked)
    if found is None:
        raise PruningError(
            f'"{asked}" is no address of a Ray cluster. Give HOST:PORT, as `ray start --head` prints it, or '
            "auto on a machine that has joined the cluster."
        )
    address = found["host"].strip("[]"), int(found["port"])
    if not answers(address):
        raise PruningError(
            f"No Ray cluster answers at {asked}. Start one with `ray start --head --port={address[1]}`, or "
            "check the address."
        )
    return address


def answers(address: Address) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(address, ANSWER_SECONDS).close()
    except (OSError, OverflowError):
        return False
    return True


def _started_here() -> Address | None:
    """The head that `ray start` wrote down on this machine, while it answers."""
    place = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    try:
        host, _, port = place.read_text(encoding="utf-8").strip().rpartition(":")
        address = host.strip("[]"), int(port)
    except (OSError, ValueError):
        return None
    return address if answers(address) else None
