"""The commands that look at a model, on a tiny one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pruning.model_files.checkpoint import demo_folder
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from tests.cli.conftest import Call

ROOT = Path(__file__).parents[2]


def test_demo_draws_its_map_once(llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    folder = shutil.copytree(llama_folder, demo_folder())
    (folder / "prunescope.json").write_text('{"origin": "hub"}', encoding="utf-8")

    def demo(*options: str) -> tuple[dict[str, Any], str]:
        code = (
            "import sys; from pruning.cli import main; main(sys.argv[1:], standalone_mode=False); "
            "print('torch' in sys.modules, file=sys.stderr)"
        )
        command = [sys.executable, "-c", code, "demo", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        return json.loads(done.stdout), done.stderr.splitlines()[-1]

    assert demo() == ({"model": str(folder), "origin": "hub"}, "False")
    first, torch = demo("--map")
    assert torch == "True"
    drawn = Path(first.pop("map"))
    assert first == {"model": str(folder), "origin": "hub"}
    table = SensitivityMap.load(drawn)
    about = (table.criterion, table.data, len(table.groups))
    assert about == ("fisher", "demo", 15 + 12), "groups of weights, and four kinds of unit in three layers"
    before = drawn.stat().st_mtime_ns
    again, torch = demo("--map")
    assert again["map"] == str(drawn)
    assert torch == "False", "the second run has nothing to do"
    assert drawn.stat().st_mtime_ns == before


def test_inspect(call: Call, llama_folder: Path) -> None:
    found = call("inspect", llama_folder)
    assert found["layers"] == 3
    assert [group["kind"] for group in found["groups"]] == ["qkv", "attn_out", "gate", "up", "down"] * 3
    assert found["prunable_parameters"] == sum(group["parameters"] for group in found["groups"])
    assert found["parameters"] > found["prunable_parameters"]


def test_text(call: Call, llama_folder: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = call("text", llama_folder, "--data", f"demo:3,{workspace / 'text.txt'}:1")
    assert [row["share"] for row in found["sources"]] == [0.75, 0.25]
    assert len(found["samples"]) == 3
    assert found["calibration_tokens"] > 0


def test_baseline(call: Call, llama_folder: Path, workspace: Path) -> None:
    found = call("baseline", llama_folder, "--data", workspace / "text.txt")
    assert found["perplexity"] > 1
    assert {"accuracy", "bytes", "prefill_ms", "decode_ms"} <= set(found)
