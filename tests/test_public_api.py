"""The package's public face: every name is there, nothing heavy comes with it, and its example runs."""

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import pruning
from pruning.engine.models.load import Loaded, load

IMPORTED = """
import sys
import pruning
assert "torch" not in sys.modules and "streamlit" not in sys.modules
{then}
"""


@pytest.mark.parametrize("name", pruning.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(pruning, name)
    assert inspect.getdoc(value)
    assert name in dir(pruning)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'prune'"):
        pruning.prune  # noqa: B018
    with pytest.raises(ImportError):
        from pruning import prune  # noqa: F401


@pytest.mark.parametrize("then", ["", "import pruning.cli\nassert 'torch' not in sys.modules"])
def test_importing_it_is_light(then: str) -> None:
    subprocess.run([sys.executable, "-c", IMPORTED.format(then=then)], check=True)


def test_a_task_is_the_same_function_everywhere() -> None:
    from pruning.tasks import TASKS

    assert pruning.make_map is TASKS["map"]
    assert pruning.sweep is TASKS["sweep"]
    assert pruning.measure is TASKS["measure"]
    assert pruning.recover is TASKS["recover"]
    assert pruning.export is TASKS["export"]
    assert pruning.load is load


def test_the_example_runs(
    llama_folder: Path,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    lines = [line for line in (pruning.__doc__ or "").splitlines() if line.startswith("    ")]
    example = textwrap.dedent("\n".join(lines))
    assert 'Session.open("demo")' in example
    example = example.replace('Session.open("demo")', f"Session.open({str(llama_folder)!r}, {text!r})")
    names: dict[str, Any] = {}
    exec(example, names)
    assert capsys.readouterr().out.startswith("KL: forecast ")
    written: Loaded = load("pruned")
    zeros = (written.model.model.layers[0].mlp.up_proj.weight == 0).float().mean()
    assert zeros > 0.1
    assert names["smap"]["criterion"] == "wanda"
