"""What is right: a tiny model as folder and GGUF file, a text, and what the command line makes of them."""

from pathlib import Path

from tests.torture.commands import here
from tests.torture.inputs.mutate import Basis


def made(folder: Path) -> Basis:
    """Make everything in an empty folder, with the workspace of this process."""
    from tests.support.texts import write_text
    from tests.support.tiny import tiny_folder, tiny_gguf

    basis = Basis(
        model=tiny_folder(folder / "tiny"),
        gguf=tiny_gguf(folder / "tiny.gguf"),
        recipe=folder / "recipe.yaml",
        map=folder / "map.json",
        text=folder / "text.txt",
    )
    write_text(basis.text)
    about = [str(basis.model), "--data", str(basis.text)]
    for words in (
        [
            "recipe",
            *about,
            "--set",
            "up=0.5",
            "--set",
            "heads=0.5",
            "--set",
            "down@0-1=0.3",
            "--out",
            str(basis.recipe),
        ],
        ["map", *about, "--out", str(basis.map)],
    ):
        code, said = here(words)
        if code != 0:
            raise RuntimeError(f"prunescope {words[0]} failed on a tiny model: {said}")
    return basis
