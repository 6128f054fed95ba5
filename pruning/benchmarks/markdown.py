"""The benches' figures as tables in a Markdown file: each bench has a section of its own, between two marks.

`<!-- bench:NAME -->` opens the section and `<!-- /bench:NAME -->` closes it. What stands outside is written
by people and is left alone.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from pruning import __version__
from pruning.benchmarks.estimates import estimate_tables
from pruning.benchmarks.exports import exports_tables
from pruning.benchmarks.interface.tables import TABLES as OF_THE_DASHBOARD
from pruning.benchmarks.latency import WANTED_IN_LLAMA_CPP, latency_tables
from pruning.benchmarks.mixed.table import mixed_tables
from pruning.benchmarks.streaming.bench import streaming_tables
from pruning.benchmarks.tables import TABLES as SHORTER
from pruning.benchmarks.tables import Result
from pruning.errors import PruningError
from pruning.files import write_text

TABLES: dict[str, Callable[[Result], list[str]]] = {
    **OF_THE_DASHBOARD,
    **SHORTER,
    "mixed": mixed_tables,
    "latency": latency_tables,
    "latency-llamacpp": partial(latency_tables, wanted=WANTED_IN_LLAMA_CPP),
    "exports": exports_tables,
    "estimate": estimate_tables,
    "streaming": streaming_tables,
}


@dataclass(frozen=True)
class Origin:
    """Where figures come from: the day, the version of the code, the model's fingerprint and the device."""

    day: str
    version: str
    model: str
    device: str

    @classmethod
    def here(cls, model: str, device: str) -> "Origin":
        """Of a bench that was run today by this very code."""
        return cls(date.today().isoformat(), code_version(), model, device)

    def __str__(self) -> str:
        return f"{self.day} · {self.version} · model: {self.model} · device: {self.device}"


def code_version() -> str:
    """The commit in a checkout, marked where files differ from it; elsewhere the version of the package."""
    here = Path(__file__).parent
    try:
        lines = [
            subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout
            # The file is asked for as well: an installed package may lie inside a checkout of something else.
            for words in (
                ["ls-files", "--error-unmatch", Path(__file__).name],
                ["rev-parse", "--short", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no", ".."],
            )
        ]
    except (OSError, subprocess.CalledProcessError):
        return f"version {__version__}"
    return f"commit {lines[1].strip()}" + (" with changes" if lines[2].strip() else "")


def publish(path: str | Path, bench: str, result: Result, origin: Origin) -> Path:
    """Put a bench's section into a Markdown file, in place of its former one or at the end.

    Parameters
    ----------
    path
        The file; it is made where there is none.
    bench
        The bench's name on the command line, such as "map".
    result
        What the bench returned.
    origin
        Where the figures come from.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    PruningError
        When the file cannot be read or written, or has half of the section's marks.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise PruningError(f"{path} could not be read as text: {error}. Name a Markdown file.") from error
    return write_text(path, with_section(text, bench, section(bench, result, origin)), "The figures")


def section(bench: str, result: Result, origin: Origin) -> str:
    """What stands between a bench's marks: where the figures come from, and the tables."""
    return "\n\n".join([str(origin), *TABLES[bench](result)])


def with_section(text: str, bench: str, content: str) -> str:
    """The text with this content between the bench's marks; see `publish`."""
    opening, closing = f"<!-- bench:{bench} -->", f"<!-- /bench:{bench} -->"
    marked = f"{opening}\n{content}\n{closing}"
    before, opened, rest = text.partition(opening)
    inside, closed, after = rest.partition(closing)
    if bool(opened) != bool(closed) or (not opened and closing in text) or "<!-- bench:" in inside:
        raise PruningError(f'The section needs both its marks, "{opening}" and "{closing}", in this order.')
    if opened:
        return before + marked + after
    heading = f"## `prunescope bench {bench}`\n\n{marked}\n"
    return f"{text.rstrip()}\n\n{heading}" if text.strip() else heading
