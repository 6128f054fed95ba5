"""Lists of layers and mergekit's passthrough files as plans, and files that are neither."""

from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.planning.imports.imported import Imported
from pruning.planning.imports.read import read_plan
from tests.planning.imports.test_llm_compressor import MODULES

MERGE = "merge_method: passthrough\ndtype: bfloat16\nslices:\n"


def read(tmp_path: Path, text: str) -> Imported:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return read_plan(str(path), MODULES)


def slices(*ranges: str, model: str = "org/one") -> str:
    pieces = (f"- sources:\n  - model: {model}\n    layer_range: {reach}\n" for reach in ranges)
    return MERGE + "".join(pieces)


def gone(found: Imported) -> list[int]:
    assert {kind for _, kind in found.plan} == {"layers"}
    assert set(found.plan.values()) == {1.0}
    return sorted(layer for layer, _ in found.plan)


def test_layers_in_no_slice_go(tmp_path: Path) -> None:
    found = read(tmp_path, slices("[0, 5]", "[7, 8]", "[9, 12]"))
    assert gone(found) == [5, 6, 8]
    assert found.form == "mergekit"
    assert "org/one" in found.notes[0]


@pytest.mark.parametrize(
    "text",
    ["5-6, 8", "5 6 8", "[5, 6, 8]", "- 5\n- 6\n- 8", '{"layers_to_drop": [5, 6, 8]}', "layers: 5-6,8"],
)
def test_layers_are_listed_in_many_ways(tmp_path: Path, text: str) -> None:
    assert gone(read(tmp_path, text)) == [5, 6, 8]


def test_a_list_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert gone(read_plan("5-6,8", MODULES)) == [5, 6, 8]
    assert gone(read_plan("7", MODULES)) == [7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (slices("[0, 12]"), "leaves no layer out"),
        (slices("[0, 13]"), "goes to layer 12, and the model has 12 layers"),
        (slices("[0, 8]", "[4, 12]"), "twice, or out of order"),
        (slices("[6, 12]", "[0, 5]"), "twice, or out of order"),
        (slices("[0, 4]") + slices("[6, 12]", model="org/two").removeprefix(MERGE), "2 models"),
        (slices("[4, 4]"), "needs a layer_range"),
        (slices("[0.5, 4]"), "needs a layer_range"),
        (slices("4"), "needs a layer_range"),
        (slices("[0, 5]") + "  parameters: {scale: 0}\n", "scales what it takes"),
        (MERGE + "- sources: []\n", "needs one source"),
        (MERGE + "- 3\n", "needs one source"),
        (MERGE, "no slices"),
        (slices("[0, 5]").replace("passthrough", "ties"), "merges models"),
        ("12", "layer 12, and the model has 12 layers"),
        ("[-1]", "layer -1"),
        ("0-11", "every layer"),
        ("7, 999999999999", "not a list of layers"),
        ("9-7", "runs backwards"),
        ("1  " * 3000 + "x", "nothing that can be imported"),
        ("just words", "nothing that can be imported"),
        ("{}", "nothing that can be imported"),
        ("", "nothing that can be imported"),
        ("[true, false]", "nothing that can be imported"),
        ("version: 2\nmodel: {}\nsparsity: {}\n", "a recipe of Prunescope already"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("[" * 5000, "not readable YAML"),
        ("a: [1", "not readable YAML"),
        ("d: 2020-99-99", "not readable YAML"),
    ],
)
def test_what_cannot_be_imported_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        read(tmp_path, text)


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="cannot be read: No such file"):
        read_plan(str(tmp_path / "missing.yaml"), MODULES)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(PruningError, match="not a text file"):
        read_plan(str(tmp_path / "binary"), MODULES)
    (tmp_path / "large").write_text("x" * 1_000_001)
    with pytest.raises(PruningError, match="at most 1,000,000 are read"):
        read_plan(str(tmp_path / "large"), MODULES)
