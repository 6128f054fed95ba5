"""The figures that `make check` prints count what they say they count."""

from pathlib import Path

from tests.structure import between_screens, circles, functions, measure

CODE = """
class Thing:
    @property
    def own(self, a, b, /, c, *rest, d=1, **more):
        def inner():
            return a

        return inner

    @classmethod
    async def made(cls):
        pass


def wide(a, b, c, d, e, f, *, g):
    return a
"""


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_functions_are_counted_without_self_and_decorators(tmp_path: Path) -> None:
    write(tmp_path, "file.py", CODE)
    counted = {f.place.split()[1]: (f.lines, f.parameters) for f in functions(tmp_path / "file.py", tmp_path)}
    assert counted == {"own": (5, 6), "inner": (2, 0), "made": (2, 0), "wide": (2, 7)}


def test_circles_are_found_however_long_they_are() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    ring = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": {"e"}}
    assert circles(ring) == [["a", "b", "c"], ["e", "f"]]
    assert circles({"a": {"a"}}) == [["a"]]


def test_screens_may_import_what_they_stand_on_alone() -> None:
    imports = {
        "pruning.ui.explore.page": {
            "pruning.ui.shared.page",
            "pruning.ui.explore.presets",
            "pruning.ui.compare.page",
        },
        "pruning.ui.shared.page": {"pruning.ui.text.format"},
        "pruning.ui.start": {"pruning.ui", "pruning.planning.recipe"},
    }
    assert between_screens(imports) == ["pruning.ui.explore.page -> pruning.ui.compare.page"]


def test_each_limit_can_be_broken(tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path, f"pruning/m{number}.py", "")
    for number in range(13):
        write(tmp_path, f"pruning/cli/m{number}.py", "")
        write(tmp_path, f"pruning/tasks/m{number}.py", "")
    write(tmp_path, "pruning/tasks/m13.py", "")
    write(tmp_path, "pages/long.py", "x = 1\n" * 301)
    write(tmp_path, "pruning/m0.py", "def long():\n" + "    x = 1\n" * 60)
    write(tmp_path, "pruning/m1.py", "def wide(a, b, c, d, e, f, g): ...\n" * 11)
    imports = {"pruning.ui.a": {"pruning.ui.b"}, "pruning.ui.b": {"pruning.ui.a"}}
    figures = measure(tmp_path, imports)
    assert [figure.value for figure in figures] == [9, 13, 301, 61, 11, 1, 2]
    assert not any(figure.holds for figure in figures)
    assert [figure.where for figure in figures[1:4]] == [
        "pruning/cli",
        "pages/long.py",
        "pruning/m0.py:1 long",
    ]
