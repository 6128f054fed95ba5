"""Benches put their figures into a Markdown file, each between its own marks, and leave the rest alone."""

import math
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from pruning.benchmarks import markdown, tables
from pruning.benchmarks.interface import dashboard
from pruning.benchmarks.markdown import Origin, publish, section, with_section
from pruning.cli import main
from pruning.cli.benches import bench
from pruning.errors import PruningError

ORIGIN = Origin("2026-11-26", "commit 08b77ed", "demo, abc", "cpu")
MASKS = {
    "sparsity": 0.5,
    "magnitude_kl": 3.2071,
    "magnitude_perplexity": 1005.2,
    "wanda_kl": 0.817,
    "wanda_perplexity": 91.1,
    "sparsegpt_kl": 0.649,
    "sparsegpt_perplexity": 76.9,
    "best_kl": 0.447,
    "best_perplexity": 65.1,
    "best_over_sparsegpt": 0.689,
}
LATENCY = {
    "median_error": 0.016,
    "worst_error": 0.053,
    "rows": [{"kind": "heads", "units_gone": 0.3, "mode": "prefill", "measured": 1.12, "forecast": 1.1}],
}
UI = {
    "drag_median_ms_30x5": 12.4,
    "drag_p95_ms_30x5": 26.0,
    "floor_median_ms": 10.0,
    "floor_p95_ms": 16.0,
    "first_page_ms_30x9": 2812.0,
    "first_visit_max_ms_30x9": 700.0,
    "first_visit_slowest_30x9": "optimize",
    "rss_mb": 203.4,
    "torch_loaded": False,
}


def test_a_section_says_where_its_figures_come_from_and_what_was_wanted() -> None:
    text = section("masks", MASKS, ORIGIN)
    assert text.startswith(
        "2026-11-26 · commit 08b77ed · model: demo, abc · device: cpu\n\n| 50 % of the weights |"
    )
    assert "| magnitude, uniform | 3.207 | 1,005.2 |" in text
    assert "| KL of our best over SparseGPT's (`best_over_sparsegpt`) | 0.69 | under 1 |" in text


def test_a_file_is_made_and_then_its_section_replaced_in_place(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "results.md"
    publish(path, "masks", MASKS, ORIGIN)
    assert path.read_text(encoding="utf-8").startswith(
        "## `prunescope bench masks`\n\n<!-- bench:masks -->\n"
    )
    publish(path, "latency", LATENCY, ORIGIN)
    both = path.read_text(encoding="utf-8")
    prefix = "# Results\n\nWords before.\n\n"
    path.write_text(prefix + both + "\nWords after: ½ · κ.\n", encoding="utf-8")
    publish(path, "masks", {**MASKS, "best_kl": 0.3}, ORIGIN)
    after = path.read_text(encoding="utf-8")
    assert after == (prefix + both + "\nWords after: ½ · κ.\n").replace(
        "| our best | 0.447 |", "| our best | 0.300 |"
    )
    assert after.count("<!-- bench:masks -->") == after.count("<!-- /bench:masks -->") == 1


def test_the_same_figures_leave_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    publish(path, "ui", UI, ORIGIN)
    before = path.read_bytes()
    publish(path, "ui", UI, ORIGIN)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "<!-- bench:map -->\nold\n",
        "old\n<!-- /bench:map -->\n",
        "<!-- /bench:map -->\n<!-- bench:map -->\n",
        "<!-- bench:map -->\n<!-- bench:ui -->\n<!-- /bench:ui -->\n<!-- /bench:map -->\n",
    ],
)
def test_half_a_section_is_refused_and_the_file_left_alone(text: str, tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="needs both its marks"):
        with_section(text, "map", "new")


def test_a_file_that_is_not_text_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(PruningError, match="could not be read as text"):
        publish(path, "masks", MASKS, ORIGIN)
    assert path.read_bytes() == b"\x89PNG\xff\xfe"


def test_what_could_not_be_measured_is_a_dash() -> None:
    text = section("ui", UI | {"first_page_ms_30x9": math.nan, "torch_loaded": None}, ORIGIN)
    assert "| torch loaded in it (`torch_loaded`) | – | no |" in text
    assert "| first page of a fresh server, at most 2.0 s (`first_page_ms_…`) | – | – |" in text
    assert "(`first_visit_max_ms_…`) | 700 ms (optimize) | – |" in text
    assert "12 ms / 26 ms | – / – |" in text


def test_numbers_are_written_without_powers_of_ten() -> None:
    three = tables.significant(3)
    assert [three(v) for v in (243_210.0, 245.3, 67.24, 8.69, 0.26, 0.01049, 0)] == [
        "243,000", "245", "67.2", "8.69", "0.260", "0.0105", "0",
    ]  # fmt: skip
    assert three(9.996) == "10.0"
    assert tables.milliseconds(163) == "163 ms"
    assert tables.milliseconds(2812) == "2.8 s"


def test_the_version_is_the_commit_in_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = Path(markdown.__file__).parent
    git = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
    )
    if git.returncode == 0 and markdown.code_version().startswith("commit"):
        assert markdown.code_version().split()[:2] == ["commit", git.stdout.strip()]
    copy = tmp_path / "markdown.py"
    copy.write_text("")
    monkeypatch.setattr(markdown, "__file__", str(copy))
    assert markdown.code_version() == f"version {markdown.__version__}"


def test_every_bench_has_a_table_and_the_option() -> None:
    # A table may be of a part of a bench alone: forecast-mixed is of `bench forecast --mixed`.
    # The gallery is a file of its own, and has no table.
    benches = {name: command for name, command in bench.commands.items() if name != "gallery"}
    # What estimates say on paper is written by `prunescope estimate`.
    assert {name.partition("-")[0] for name in markdown.TABLES} - {"estimate"} == set(benches)
    for command in benches.values():
        assert "markdown" in {option.name for option in command.params}, command.name


def test_the_command_writes_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dashboard, "bench_ui", lambda progress: UI)
    path = tmp_path / "results.md"
    result = CliRunner().invoke(main, ["bench", "ui", "--markdown", str(path)])
    assert result.exit_code == 0, result.output
    assert (
        "| memory of the dashboard's process with 8 sessions, MB (`rss_mb`) | 203 | at most 250 |"
        in path.read_text()
    )
    assert "model: made-up maps" in path.read_text()
    refused = CliRunner().invoke(main, ["bench", "ui", "--markdown", str(tmp_path / "results.md" / "no.md")])
    assert refused.exit_code == 1
    assert '"rss_mb": 203.4' in refused.stdout, "the figures are not lost with the file"
