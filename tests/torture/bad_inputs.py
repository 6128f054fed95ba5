"""Bad inputs by the hundred: each ends soon, in little memory, in a sentence, and leaves nothing behind."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from tests.torture.basis import ready
from tests.torture.commands import complaint, ended, halves, here, started
from tests.torture.forked import MEGABYTES, SECONDS, WAIT_SECONDS, Ended, forked
from tests.torture.inputs import addresses, data, models, plans
from tests.torture.inputs.mutate import Bad, Basis, Words
from tests.torture.places import script, view
from tests.torture.table import Row, Run

Make = Callable[[Random, Path, Basis], Bad]
# By kind how many: in the long form, and in the short one.
KINDS: dict[str, tuple[Make, int, int]] = {
    "configurations": (models.configs, 45, 3),
    "headers of safetensors": (models.safetensors, 40, 3),
    "headers of GGUF": (models.gguf, 45, 3),
    "tokenizers": (models.tokenizers, 30, 3),
    "recipes": (plans.recipes, 45, 4),
    "maps": (plans.maps, 30, 3),
    "plans as text": (plans.texts, 40, 3),
    "files of other tools": (plans.imports, 35, 3),
    "texts": (data.data, 40, 3),
}
ADDRESSES = (40, 2)
OUT = "--out"


@dataclass(frozen=True)
class Place:
    """Where cases are made, the workspace they run in, and what is right."""

    folder: Path
    home: Path
    basis: Basis


def rows(run: Run) -> Iterator[Row]:
    """A row a kind of bad input."""
    with ready(run) as basis:
        yield from _kinds(run, Place(run.folder("cases"), basis.home, basis))


def _kinds(run: Run, place: Place) -> Iterator[Row]:
    sampled: list[tuple[str, Bad]] = []
    for kind, (make, many, few) in KINDS.items():
        found = []
        for number in range(few if run.short else many):
            label = f"{kind.replace(' ', '-')}-{number}"
            folder = place.folder / label
            folder.mkdir()
            bad = make(Random(f"{run.seed} {label}"), folder, place.basis)
            found.append((f"{label}, {bad.about}", _tried(bad, folder, place)))
            if number < 2:
                sampled.append((label, bad))
        yield _row(f"bad {kind}", found)
    yield _addresses(run, place)
    if not run.short:
        yield _outside(sampled, place)


def _preload_pages() -> None:
    """Import once what every fork that opens a page would import again."""
    import streamlit.logger
    import streamlit.testing.v1

    # It says at every turn that no dashboard is running.
    streamlit.logger.set_log_level("error")
    import pruning.ui.explore.page  # noqa: F401


def _tried(bad: Bad, folder: Path, place: Place) -> Ended:
    """Run all commands of a bad input in one fork; the folder is removed when nothing was lost."""
    log = folder.with_suffix(".log")
    before = set(folder.rglob("*"))

    def work() -> str:
        os.chdir(folder)
        for words in bad.commands:
            code, said = here(words)
            print(" ".join(words)[:300], code, said[-2000:], flush=True)
            wrong = complaint(code, said) or _left(words, code, folder, before, place)
            assert not wrong, f"{words[0]}: {wrong}"
        return "done"

    found = forked(work, log)
    if found.lost is None:
        shutil.rmtree(folder)
    return found


def _left(words: Words, code: int, folder: Path, before: set[Path], place: Place) -> str | None:
    """What a command left that it should not have."""
    out = Path(words[words.index(OUT) + 1]) if OUT in words else None
    more = [path for path in set(folder.rglob("*")) - before if path != out and out not in path.parents]
    if more:
        return f"it left {more[0].name}"
    if code != 0 and out is not None and out.exists():
        return f"it was refused, and wrote {out.name}"
    half = halves(place.home)
    return f"it left half of {half[0]}" if half else None


def _row(what: str, found: list[tuple[str, Ended]]) -> Row:
    return Row(
        what,
        len(found),
        [f"{label}: {case.lost}" for label, case in found if case.lost],
        max(case.seconds for _, case in found),
        max(case.megabytes for _, case in found),
    )


def _addresses(run: Run, place: Place) -> Row:
    """Pages opened by addresses of strangers: no page ends in an exception."""
    from pruning.workspace.store import Store
    from tests.support import synthetic

    home = run.folder("pages")
    _preload_pages()

    def filled() -> str:
        synthetic.put_all(Store(home))
        synthetic.put_map(Store(home), units=True)
        return "done"

    forked(filled, place.folder / "filled.log")
    found = []
    for number in range(ADDRESSES[run.short]):
        where, given = addresses.address(Random(f"{run.seed} address {number}"))
        label = f"address-{number}, {where} {str(given)[:120]}"
        found.append(
            (label, forked(partial(_opened, home, where, given), place.folder / f"address-{number}.log"))
        )
    return _row("bad addresses", found)


def _opened(home: Path, where: str, given: dict[str, list[str]]) -> str:
    from streamlit.testing.v1 import AppTest

    from tests.torture.commands import ROOT

    os.environ["PRUNESCOPE_HOME"] = str(home)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    for name, values in given.items():
        app.query_params[name] = values
    app.run()
    if where:
        app.query_params["tab"] = view(where)
        app.switch_page(script(where)).run()
    assert not app.exception, f"an exception on the page: {app.exception[0].message[:200]}"
    return "done"


def _outside(sampled: list[tuple[str, Bad]], place: Place) -> Row:
    """A sample again, with the command line in a process of its own."""
    found = []
    again = place.folder / "again"
    again.mkdir()
    for number, (label, _) in enumerate(sampled[::2]):
        kind = label.rpartition("-")[0].replace("-", " ")
        folder = again / label
        folder.mkdir()
        bad = KINDS[kind][0](Random(f"{label} outside"), folder, place.basis)
        log = folder / "log"
        words = bad.commands[number % len(bad.commands)]
        process = started(words, place.home, log)
        seconds, most = ended(process, 2 * WAIT_SECONDS)
        wrong = complaint(process.returncode, log.read_text(errors="replace"))
        wrong = wrong or (f"took {most:.0f} MB" if most > MEGABYTES else None)
        found.append((f"{label}, {bad.about}", Ended("", wrong, seconds, most)))
    return _row("of these as a command of its own", found)
