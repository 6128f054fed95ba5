"""The guide's claims against measurements: rows, what is kept of a cancelled run, verdicts by rule."""

import json
import math
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from pruning.cli import main
from pruning.cli.reference.command_line import command_line
from pruning.engine.evaluation.size import dense_bytes, sparse_bytes
from pruning.engine.models.load import Loaded, fingerprint, load
from pruning.errors import Cancelled, PruningError
from pruning.planning.recipe.guide_claims import (
    BY_NAME,
    READ_AS,
    TECHNIQUES,
    compact_ratio,
    memory_ratio,
    risen,
    verdict,
)
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.result_keys import check_printed

pytestmark = pytest.mark.usefixtures("dense_again")
QUICK = ["magnitude_50", "wanda_50", "channels_25", "heads_50"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in found["rows"]}


# ---- the task ---------------------------------------------------------------------------------------


def test_every_row_is_measured(session: Session, loaded: Loaded, tmp_path: Path) -> None:
    streamed: list[dict[str, Any]] = []
    heard: list[float] = []

    def listen(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        heard.extend([done / total] if partial else [])
        streamed.extend([partial["row"]] if partial and "name" in partial.get("row", {}) else [])

    found = TASKS["impact"](session.reporting(listen), out=str(tmp_path / "rows.json"))
    check_printed("impact", found)
    rows = by_name(found)
    assert list(rows) == [one.name for one in TECHNIQUES if not one.training]
    assert sorted(row["name"] for row in streamed) == sorted(rows)
    assert not any(row.get("refused") for row in rows.values())
    assert heard == sorted(heard)
    for name, row in rows.items():
        assert row["dense_bytes"] == dense_bytes(loaded.model)
        assert row["bytes"] < row["dense_bytes"]
        assert row["speed"]["prefill_low"] <= row["speed"]["prefill"] <= row["speed"]["prefill_high"]
        assert (row["form"] == "cut") == BY_NAME[name].whole
        assert row["verdict"]["text"]
    for half in ("magnitude_50", "wanda_50", "fisher_50", "sparsegpt_50", "best_50"):
        assert rows[half]["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert rows["best_50"]["criterion"] == "corrected"
    assert rows["neurons_25"]["bytes"] == rows["channels_25"]["bytes"]
    assert rows["neurons_25"]["kl"] < rows["channels_25"]["kl"]
    assert json.loads(Path(found["out"]).read_text())["rows"] == found["rows"]


def test_quality_is_what_measuring_the_plan_says(session: Session, store: Store) -> None:
    """Nothing is measured twice: a plan that was measured before is taken from the workspace."""
    plan = {"settings": ["all=0.5"], "criterion": "magnitude"}
    measured = TASKS["measure"](session, **plan)
    [before] = store.find("measure", settings=["all=0.5"])
    row = by_name(TASKS["impact"](session, only=["magnitude_50"]))["magnitude_50"]
    assert (row["kl"], row["probe_accuracy"]) == (measured["kl"], measured["probe_accuracy"])
    [after] = store.find("measure", settings=["all=0.5"])
    assert before["created"] == after["created"]


def test_a_cancelled_run_keeps_its_rows_and_goes_on(session: Session, loaded: Loaded, store: Store) -> None:
    seen: list[str] = []

    def stop_after_two(
        done: float, total: float, note: str = "", partial: dict[str, Any] | None = None
    ) -> None:
        seen.extend([partial["row"]["name"]] if partial and "row" in partial else [])
        if len(seen) == 2 and partial is None:
            raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["impact"](session.reporting(stop_after_two), only=QUICK)
    kept = {row["key"]["name"]: row for row in store.find("impact")}
    assert sorted(kept) == sorted(seen)
    assert len(seen) == 2
    assert fingerprint(loaded.model) == loaded.fingerprint
    rows = by_name(TASKS["impact"](session, only=QUICK))
    assert sorted(rows) == sorted(QUICK)
    for name, row in kept.items():
        assert store.find("impact", name=name)[0]["created"] == row["created"]
        assert rows[name]["speed"] == row["value"]["speed"]


def test_a_lottery_only_where_it_is_asked_for(session: Session) -> None:
    with pytest.raises(PruningError, match="--lottery"):
        TASKS["impact"](session, only=["lottery_80"])
    result = TASKS["impact"](session, only=["lottery_80"], lottery_steps=2)
    check_printed("impact", result)
    [row] = result["rows"]
    assert row["sparsity"] == pytest.approx(0.8, abs=0.01)
    assert (row["steps"], row["speed"]) == (2, None)
    assert row["bytes"] < 0.7 * row["dense_bytes"]
    assert set(row["verdict"]["claims"]) == {"memory", "quality"}


def test_heads_that_come_in_threes_take_turns(tmp_path: Path, store: Store, text: str) -> None:
    """Half of six heads in two KV groups is three, one and a half from each: layers lose two or four."""
    from tests.support.tiny import tiny_folder

    sixes: dict[str, Any] = {"hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 2}
    sixes["num_hidden_layers"] = 4
    loaded = load(str(tiny_folder(tmp_path / "sixes", **sixes)))
    session = Session(loaded, store, text)
    [row] = TASKS["impact"](session, only=["heads_50"])["rows"]
    assert row["settings"] == ["heads=0.333333", "heads@1,3=0.666667"]
    assert row["not_smaller"] is None, "layers may differ"
    assert row["bytes"] < row["dense_bytes"]
    assert fingerprint(loaded.model) == loaded.fingerprint


def test_a_row_that_cannot_be_says_why(tmp_path: Path, store: Store, text: str) -> None:
    """One head in each KV group, and one group: there is nothing that heads could lose."""
    from tests.support.tiny import tiny_folder

    single: dict[str, Any] = {"num_attention_heads": 1, "num_key_value_heads": 1}
    loaded = load(str(tiny_folder(tmp_path / "single", **single)))
    session = Session(loaded, store, text)
    rows = by_name(TASKS["impact"](session, only=["heads_50", "magnitude_50"]))
    assert "too few heads" in rows["heads_50"]["refused"]
    assert "cannot be done" in rows["heads_50"]["verdict"]["text"]
    assert rows["magnitude_50"]["kl"] > 0
    [kept] = store.find("impact", name="heads_50")
    assert kept["value"]["refused"] == rows["heads_50"]["refused"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_with_large_logits_that_the_plan_breaks_is_measured(
    tmp_path: Path, store: Store, text: str, dtype: str
) -> None:
    """A broken model is a figure, not a refusal: the cut copy is held against the dense model's spread."""
    from tests.support.tiny import tiny_folder, tiny_model

    folder = tiny_folder(tmp_path / "loud")
    model = tiny_model("llama")
    model.lm_head.weight.data *= 3e3
    model.save_pretrained(folder)
    loaded = load(str(folder), dtype=dtype)
    rows = by_name(TASKS["impact"](Session(loaded, store, text), only=["channels_25", "heads_50"]))
    for row in rows.values():
        assert not row.get("refused")
        assert row["kl"] > 50
        assert row["perplexity"] > 1e6
        assert row["bytes"] < row["dense_bytes"]


@pytest.mark.parametrize(
    ("wrong", "words"), [({"only": ["magnitude_40"]}, "no row"), ({"lottery_steps": -1}, "cannot be")]
)
def test_what_cannot_be_asked(session: Session, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(PruningError, match=words):
        TASKS["impact"](session, **wrong)


# ---- the command ------------------------------------------------------------------------------------


def test_the_command(llama_folder: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line on standard error for each row, and one of JSON at the end."""
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    wanted = ["impact", str(llama_folder), "--data", text, "--rows", "channels_25, magnitude_50"]
    ran = CliRunner().invoke(main, wanted)
    assert ran.exit_code == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert [row["name"] for row in found["rows"]] == ["magnitude_50", "channels_25"]
    assert Path(found["out"]).is_file()
    lines = [line for line in ran.stderr.splitlines() if "x smaller" in line]
    assert [line.split()[0] for line in lines] == ["Magnitude", "Channels"]
    wrong = CliRunner().invoke(main, [*wanted[:-1], "nothing"])
    assert wrong.exit_code == 1
    assert "There is no row" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"lottery": False, "rows": None}),
        (
            {"lottery_steps": 30, "data": "wikitext"},
            {"lottery": True, "lottery_steps": 30, "data": "wikitext"},
        ),
        ({"only": ["snip_95", "heads_50"]}, {"rows": "snip_95,heads_50"}),
    ],
)
def test_the_command_of_a_request(arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    model = {"reference": "a b", "dtype": "bfloat16", "device": "cpu"}
    line = command_line({"task": "impact", "model": model, "arguments": arguments})
    program, name, *words = shlex.split(line)
    assert (program, name) == ("prunescope", "impact")
    found = main.commands["impact"].make_context("impact", words).params
    assert {**expected, "model": "a b", "dtype": "bfloat16", "device": "cpu"}.items() <= found.items()


# ---- size and speed ---------------------------------------------------------------------------------


class TwoGroups(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(100, 10, bias=False)


def test_a_compact_file_has_the_values_that_stay_and_a_bit_a_weight() -> None:
    """1,000 weights of 4 bytes. Half gone: 500 values and 125 bytes of bits."""
    model = TwoGroups()
    half, most = torch.zeros(10, 100, dtype=torch.bool), torch.ones(10, 100, dtype=torch.bool)
    half[:, ::2] = True
    most[:, 0] = False
    little = torch.zeros(10, 100, dtype=torch.bool)
    little[0, 0] = True
    group = (0, "up")
    assert sparse_bytes(model, {group: half}) == 2000 + 125
    assert sparse_bytes(model, {group: most}) == 10 * 4 + 125
    assert sparse_bytes(model, {group: little}) == 4000, "dense where that is smaller"


def test_a_speedup_is_of_times_side_by_side(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine slows down from round to round; the other model is always twice, or four times, as fast."""
    from pruning.engine.evaluation import timing

    begins: list[bool] = []

    def timed(models: list[nn.Module], backwards: bool) -> dict[str, list[list[float]]]:
        begins.append(backwards)
        slow = float(len(begins))
        return {"prefill": [[slow], [slow / 2]], "decode": [[slow], [slow / 4]]}

    with monkeypatch.context() as patched:
        patched.setattr(timing, "_round", timed)
        found = timing.measured_speedup(llama, nn.Identity(), rounds=3)
    assert begins == [True, False, True, False], "the other one begins every second time"
    assert (found["prefill"], found["prefill_low"], found["prefill_high"]) == (2.0, 2.0, 2.0)
    assert found["decode"] == 4.0
    assert found["dense_decode_ms"] == 3000.0, "the first round warms up"
    assert set(timing.dense_times(llama)) == {"prefill_ms", "decode_ms"}


# ---- verdicts ---------------------------------------------------------------------------------------


def row(
    name: str, rise: float = 1.0, smaller: float = 1.0, faster: float = 1.0, **more: Any
) -> dict[str, Any]:
    low, high = faster - 0.03, faster + 0.03
    speed = {
        f"{what}{end}": value
        for what in ("prefill", "decode")
        for end, value in (("", faster), ("_low", low), ("_high", high))
    }
    about = {"name": name, "form": "cut" if BY_NAME[name].whole else "bitmask", "speed": speed}
    sizes = {"dense_bytes": 1000, "bytes": 1000 / smaller}
    return {**about, **sizes, "perplexity": 10 * rise, "dense_perplexity": 10.0, "kl": math.log(rise), **more}


def test_a_claim_that_does_not_hold() -> None:
    found = verdict(row("magnitude_50", rise=15.2, smaller=1.4, faster=1.0), [])
    assert found.claims == {"memory": "short", "speed": "short", "quality": "short"}
    assert "The guide says minimal loss; here perplexity rises fifteenfold." in found.text
    assert "1.2× smaller is claimed, but the written file is as large as before" in found.text
    assert "only as a compact file is it 1.4× smaller" in found.text
    assert "1.1× faster is claimed, but 1.0× is measured. No kernel here uses the zeros." in found.text


def test_a_claim_that_holds() -> None:
    found = verdict(row("heads_50", rise=READ_AS["moderate"] - 0.01, smaller=1.8, faster=2.1), [])
    assert found.claims == dict.fromkeys(("memory", "speed", "quality"), "holds")
    assert "moderate loss, and so it is: perplexity rises by 49 %" in found.text


@pytest.mark.parametrize(
    ("changed", "aspect", "holds"),
    [
        ({"rise": 1.16}, "quality", "short"),
        ({"rise": 1.14}, "quality", "holds"),
        ({"rise": 0.5}, "quality", "holds"),
        ({"smaller": 1.3 * 0.94}, "memory", "short"),
        ({"smaller": 1.3 * 0.96}, "memory", "holds"),
        ({"faster": 1.4 * 0.94}, "speed", "short"),
        ({"faster": 1.4 * 0.96}, "speed", "holds"),
    ],
)
def test_where_the_lines_are(changed: dict[str, float], aspect: str, holds: str) -> None:
    assert verdict(row("channels_25", **changed), []).claims[aspect] == holds


def test_a_gain_within_what_timing_wavers_is_none() -> None:
    wavering = row("magnitude_50", faster=1.08)
    for name in ("prefill", "decode"):
        wavering["speed"][f"{name}_low"] = 0.9
    found = verdict(wavering, [])
    assert found.claims["speed"] == "short"
    assert "1.1× faster is claimed, but 1.08× is measured" in found.text


def test_ours_stands_beside_the_guides_row() -> None:
    guide, ours = row("magnitude_50", rise=math.exp(2.0)), row("wanda_50", rise=math.exp(0.5))
    found = verdict(ours, [guide, ours])
    assert found.claims == {}
    assert found.text.startswith("Perplexity rises by 65 %: 75 % less KL than the guide's way")
    assert "more KL" in verdict(row("wanda_50", rise=math.exp(3.0)), [guide]).text
    assert verdict(ours, [ours]).text == "Perplexity rises by 65 %."


def test_only_the_written_file_counts_as_smaller() -> None:
    zeros = row("wanda_50", smaller=1.5)
    assert (memory_ratio(zeros), compact_ratio(zeros)) == (1.0, pytest.approx(1.5, rel=0.01))
    cut = row("channels_25", smaller=1.5)
    assert (memory_ratio(cut), compact_ratio(cut)) == (pytest.approx(1.5, rel=0.01), None)
    full_size = row("heads_50", smaller=1.5, not_smaller="They do not come evenly.")
    assert (memory_ratio(full_size), compact_ratio(full_size)) == (1.0, None)
    older = row("snip_95", smaller=2.5, form="csr")
    assert (memory_ratio(older), compact_ratio(older)) == (1.0, None), "nothing writes CSR"


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.9, "falls by 10 %"),
        (1.001, "stays as it was"),
        (1.38, "rises by 38 %"),
        (1.96, "rises twofold"),
        (2.4, "rises 2.4-fold"),
        (15.2, "rises fifteenfold"),
        (20.4, "rises twentyfold"),
        (1234.0, "rises 1,200-fold"),
        (math.inf, "rises over a millionfold"),
        (math.nan, "rises over a millionfold"),
    ],
)
def test_how_perplexity_is_told(ratio: float, said: str) -> None:
    assert risen(ratio) == said
