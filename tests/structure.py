"""The size and shape of the code, each figure beside its limit; `make check` fails where one is over it.

Run as `python -m tests.structure` in the root of the repository.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "pruning"
# A method or a command is a file in these, however many there are.
OPEN_ENDED = {f"{PACKAGE}/engine/criteria", f"{PACKAGE}/tasks"}
# What the dashboard's screens stand on; every other child of `pruning.ui` is a screen.
NOT_SCREENS = {"text", "data", "shared"}
MANY_PARAMETERS = 6


@dataclass(frozen=True)
class Figure:
    """A measured number, the most it may be, and where it was found."""

    name: str
    value: int
    limit: int
    where: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        mark = "  " if self.holds else "! "
        first, *others = self.where or ("",)
        line = f"{mark}{self.name:<44} {self.value:>4}  at most {self.limit:>3}  {first}".rstrip()
        return "\n".join([line, *(f"      {other}" for other in others)])


@dataclass(frozen=True)
class Function:
    """A function as it stands in a file; `parameters` leaves out self and cls."""

    place: str
    lines: int
    parameters: int


def functions(path: Path, root: Path = ROOT) -> Iterator[Function]:
    """Every function of a file, nested ones and methods too; decorators do not count as lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [a.arg for a in (*given.posonlyargs, *given.args)]
            names = names[1:] if names and names[0] in ("self", "cls") else names
            count = (
                len(names) + len(given.kwonlyargs) + sum(a is not None for a in (given.vararg, given.kwarg))
            )
            place = f"{path.relative_to(root).as_posix()}:{node.lineno} {node.name}"
            yield Function(place, (node.end_lineno or node.lineno) - node.lineno + 1, count)


def circles(imports: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or round about, each sorted."""

    def reached(start: str) -> set[str]:
        ahead, done = [*imports[start]], set()
        while ahead:
            module = ahead.pop()
            if module not in done:
                done.add(module)
                ahead.extend(imports.get(module, ()))
        return done

    after = {module: reached(module) for module in imports}
    groups = {
        tuple(sorted(other for other in after[module] if module in after.get(other, ())))
        for module in imports
        if module in after[module]
    }
    return [list(group) for group in sorted(groups)]


def between_screens(imports: Mapping[str, Iterable[str]]) -> list[str]:
    """Imports of one screen of the dashboard by another, as "a -> b"."""

    def screen(module: str) -> str | None:
        parts = module.split(".")
        is_screen = parts[:2] == [PACKAGE, "ui"] and len(parts) > 2 and parts[2] not in NOT_SCREENS
        return parts[2] if is_screen else None

    return sorted(
        f"{module} -> {other}"
        for module, others in imports.items()
        for other in others
        if screen(module) and screen(other) and screen(module) != screen(other)
    )


def import_graph() -> dict[str, set[str]]:
    """By module the modules that it imports when it runs; imports for type hints are left out."""
    import grimp

    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def measure(root: Path, imports: Mapping[str, Iterable[str]]) -> list[Figure]:
    """All figures of the tree at `root`, whose modules import as `imports` says."""
    package = root / PACKAGE
    files = sorted(package.rglob("*.py"))
    scripts = [path for path in (root / "app.py", *sorted((root / "pages").glob("*.py"))) if path.exists()]
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (*files, *scripts)}
    longest = max(sizes, key=sizes.__getitem__)
    folders: dict[str, int] = {}
    for path in files:
        folder = path.parent.relative_to(root).as_posix()
        folders[folder] = folders.get(folder, 0) + 1
    top = folders.pop(PACKAGE)
    closed = {folder: count for folder, count in folders.items() if folder not in OPEN_ENDED}
    largest = max(closed, key=closed.__getitem__, default="")
    every = [function for path in (*files, *scripts) for function in functions(path, root)]
    long = max(every, key=lambda function: function.lines)
    wide = [
        f"{function.place} ({function.parameters})"
        for function in every
        if function.parameters > MANY_PARAMETERS
    ]
    rings, crossings = circles(imports), between_screens(imports)
    return [
        Figure(f"modules directly in {PACKAGE}/", top, 8),
        Figure("modules of the largest package", closed.get(largest, 0), 12, [largest]),
        Figure("lines of the longest file", sizes[longest], 300, [longest.relative_to(root).as_posix()]),
        Figure("lines of the longest function", long.lines, 60, [long.place]),
        Figure(f"functions of more than {MANY_PARAMETERS} parameters", len(wide), 10, wide),
        Figure("import circles between modules", len(rings), 0, [" ".join(ring) for ring in rings]),
        Figure("imports of one screen by another", len(crossings), 0, crossings),
    ]


def main() -> int:
    """Print the figures; 1 where one is over its limit."""
    figures = measure(ROOT, import_graph())
    print("\n".join(map(str, figures)))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
