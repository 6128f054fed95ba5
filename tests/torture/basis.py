"""What is right: a tiny model as folder and GGUF file, a text, and what the command line makes of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.torture.commands import here
from tests.torture.forked import forked
from tests.torture.inputs.mutate import Basis
from tests.torture.table import Run


@contextmanager
def ready(run: Run) -> Iterator[Basis]:
    """What is right, made once for all subjects, with its workspace as this process's; torch is imported."""
    import torch

    import pruning.engine.models.load
    import pruning.tasks  # noqa: F401

    torch.set_num_threads(1)
    folder = run.scratch.parent / "right"
    basis = Basis(
        model=folder / "tiny",
        gguf=folder / "tiny.gguf",
        recipe=folder / "recipe.yaml",
        map=folder / "map.json",
        text=folder / "text.txt",
        home=folder / "home",
    )
    before = os.environ.get("PRUNESCOPE_HOME")
    os.environ["PRUNESCOPE_HOME"] = str(basis.home)
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            # In a fork, so that this process never computes and has no threads to lose.
            made = forked(lambda: _make(basis), folder / "log")
            if made.lost:
                raise RuntimeError(f"{made.lost}\n{(folder / 'log').read_text()}")
        yield basis
    finally:
        os.environ.pop("PRUNESCOPE_HOME")
        if before is not None:
            os.environ["PRUNESCOPE_HOME"] = before


def _make(basis: Basis) -> str:
    from tests.support.texts import write_text
    from tests.support.tiny import tiny_folder, tiny_gguf

    tiny_folder(basis.model)
    tiny_gguf(basis.gguf)
    write_text(basis.text)
    about = [str(basis.model), "--data", str(basis.text)]
    plan = [word for setting in ("up=0.5", "heads=0.5", "down@0-1=0.3") for word in ("--set", setting)]
    for words in (
        ["recipe", *about, *plan, "--out", str(basis.recipe)],
        ["map", *about, "--out", str(basis.map)],
    ):
        code, said = here(words)
        assert code == 0, f"prunescope {words[0]} failed on a tiny model: {said}"
    return "made"
