"""The documents say what is true of the code: commands, packages, the example in Python, files, pictures."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import pruning
from pruning.benchmarks.markdown import TABLES
from pruning.cli import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README_BYTES = 10_000
CONTRIBUTING_LINES = 60
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def words(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for name, body in blocks if name == language]


def commands(text: str) -> Iterator[list[str]]:
    """The words after `prunescope`, in shell blocks and between backticks."""
    lines = [line for block in code_blocks(text, "sh") for line in block.replace("\\\n", " ").splitlines()]
    # A span may go on in the next line.
    spans = re.findall(
        r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    )
    for line in [*lines, *spans]:
        match = re.match(r"(?:\S*/)?prunescope\s+(.+)", line.partition("#")[0].strip(), re.DOTALL)
        if match:
            yield match[1].split()


def wrong(given: list[str]) -> str | None:
    """What click does not know of a command's words: a command or an option."""
    command: click.Command = main
    while given and isinstance(command, click.Group):
        name, *given = given
        if name.isupper() or name.startswith("-"):
            return None
        if name not in command.commands:
            return name
        command = command.commands[name]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return next(
        (word for word in given if word.startswith("--") and word.partition("=")[0] not in known), None
    )


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= README_BYTES
    assert len(words(ROOT / "CONTRIBUTING.md").splitlines()) <= CONTRIBUTING_LINES


@each_document
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", words(document))
    for link in links:
        if "://" in link:
            continue
        path = (document.parent / link.partition("#")[0]).resolve()
        assert path.is_relative_to(ROOT), link
        assert path.exists(), link


@each_document
def test_files_that_are_named_exist(document: Path) -> None:
    names = re.findall(r"`((?:pruning|tests|pages|docs|assets|findings)/[\w./-]+)`", words(document))
    for name in names:
        if "NAME" not in name:
            assert (ROOT / name).exists(), name


@each_document
def test_commands_that_are_named_exist(document: Path) -> None:
    for given in commands(words(document)):
        assert wrong(list(given)) is None, f"prunescope {' '.join(given)}"


def test_commands_are_found_and_mistakes_seen() -> None:
    text = (
        "```sh\n.venv/bin/prunescope demo --mop  # x\nprunescope\n```\n"
        "so `prunescope bench\nmap --dtype x` and `prunescope fly`"
    )
    assert [wrong(given) for given in commands(text)] == ["--mop", None, "fly"]


def test_every_document_is_linked_from_the_readme() -> None:
    for document in DOCUMENTS[1:]:
        assert f"]({document.relative_to(ROOT).as_posix()})" in words(README)


def test_the_example_in_python_is_that_of_the_package() -> None:
    [example] = code_blocks(words(README), "python")
    assert 5 <= len(example.strip().splitlines()) <= 8
    docstring = pruning.__doc__ or ""
    if "import " not in docstring:
        pytest.skip("the package's docstring has no example yet")
    indented = re.findall(r"^(?: {4}.*\n|\n)+", docstring, re.MULTILINE)
    assert example.strip() in [textwrap.dedent(block).strip() for block in indented]


def test_the_layout_lists_exactly_the_packages() -> None:
    """Packages of `pruning` and what is in them, one level down."""
    [layout] = [block for block in code_blocks(words(README), "") if block.startswith("app.py")]
    inside = re.match(r"(?: .*\n)*", layout.partition("pruning/\n")[2])
    assert inside
    listed: list[str] = []
    for indent, names in re.findall(r"^( +)(\S+/(?:, \S+/)*)", inside[0], re.MULTILINE):
        parent = "" if len(indent) == 2 else f"{listed[-1].partition('/')[0]}/"
        listed.extend(f"{parent}{name.strip('/')}" for name in names.split(", "))
    packages = {
        path.parent.relative_to(ROOT / "pruning").as_posix()
        for path in (ROOT / "pruning").rglob("__init__.py")
    }
    assert sorted(listed) == sorted(name for name in packages if name != "." and name.count("/") < 2)


def test_every_bench_has_its_section_in_the_results() -> None:
    text = words(ROOT / "docs" / "results.md")
    for name in TABLES:
        assert text.count(f"<!-- bench:{name} -->") == text.count(f"<!-- /bench:{name} -->") == 1, name
