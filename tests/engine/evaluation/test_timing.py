"""Timing on this machine: every timer waits for the device, what the table says, and models are only read."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pruning import engine
from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import find_units
from pruning.engine.evaluation import sparse_kernels as kernels
from pruning.engine.evaluation import timing
from pruning.engine.masking.masks import removed
from pruning.engine.models.load import Loaded, fingerprint
from pruning.errors import PruningError
from pruning.planning.cost.latency_table import (
    MODES,
    TIME_BAND,
    LatencyTable,
    milliseconds,
    saved_by,
    speedup,
)
from pruning.tasks import TASKS, Session, latency
from pruning.workspace.store import Store
from tests.support.result_keys import check_printed
from tests.support.tiny import FAMILIES, LAYERS, tiny_model

TABLE = LatencyTable(
    dense={"prefill": 100.0, "decode": 40.0},
    shares={"neurons": (0.0, 0.25, 0.5), "heads": (0.0, 0.5), "layers": (0.0, 1.0)},
    saved={
        "prefill": {"neurons": (0.0, 1.0, 4.0), "heads": (0.0, 2.0), "layers": (0.0, 9.0)},
        "decode": {"neurons": (0.0, 0.5, 1.0), "heads": (0.0, 0.5), "layers": (0.0, 4.0)},
    },
    spread={"prefill": 0.01, "decode": 0.02},
    layers=10,
    tokens=256,
    machine="here",
    device="cpu",
    threads=2,
    measured="2026-01-01T00:00:00+00:00",
)


def test_between_shares_a_straight_line_and_it_goes_on_beyond_the_last() -> None:
    saved = saved_by(TABLE, "neurons", np.array([0.0, 0.125, 0.375, 0.75]), "prefill")
    assert saved == pytest.approx([0.0, 0.5, 2.5, 7.0])


def test_a_forecast_time_is_off_by_what_was_seen_or_by_the_noise_of_its_timing() -> None:
    assert TABLE.band("decode") == TIME_BAND
    assert replace(TABLE, spread={"prefill": 0.2, "decode": 0.01}).band("prefill") == 0.2


def test_what_layers_save_adds_up() -> None:
    plan = {(0, "neurons"): 0.25, (1, "neurons"): 0.5, (0, "heads"): 0.25}
    assert milliseconds(TABLE, plan, "prefill") == pytest.approx(100 - 1 - 4 - 1)
    assert speedup(TABLE, plan, "decode") == pytest.approx(40 / (40 - 0.5 - 1 - 0.25))


def test_a_layer_that_goes_saves_nothing_else() -> None:
    assert milliseconds(TABLE, {(3, "layers"): 1.0, (3, "neurons"): 0.5}, "prefill") == pytest.approx(91)


def test_a_layer_saves_no_more_than_by_going() -> None:
    most = {**TABLE.saved["prefill"], "layers": (0.0, 5.0)}
    narrow = replace(TABLE, saved={**TABLE.saved, "prefill": most})
    plan = {(0, "neurons"): 0.5, (0, "heads"): 0.5, (1, "heads"): 0.5, (1, "up"): 0.9}
    assert milliseconds(TABLE, plan, "prefill") == pytest.approx(100 - 6 - 2)
    assert milliseconds(narrow, plan, "prefill") == pytest.approx(100 - 5 - 2)


def test_zeros_among_single_weights_save_nothing() -> None:
    assert speedup(TABLE, {(0, "up"): 0.9, (1, "qkv"): 0.5}, "prefill") == 1.0


def test_a_kind_that_was_not_measured_is_named() -> None:
    with pytest.raises(PruningError, match="kv_groups"):
        saved_by(TABLE, "kv_groups", np.array([0.5]), "prefill")
    with pytest.raises(PruningError, match="kv_groups"):
        milliseconds(TABLE, {(0, "kv_groups"): 0.5}, "decode")
    assert not TABLE.covers({(0, "kv_groups"): 0.5, (0, "neurons"): 0.5})
    assert TABLE.covers({(0, "neurons"): 0.5, (0, "up"): 0.5})


def test_a_table_survives_json_and_others_are_refused() -> None:
    assert LatencyTable.from_dict(TABLE.to_dict()) == TABLE
    with pytest.raises(PruningError, match="latency table"):
        LatencyTable.from_dict({"dense": {}})


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_timed_narrower_and_stays_as_it_is(family: str) -> None:
    model = tiny_model(family)
    groups = find_groups(model)
    before = fingerprint(model)
    table = timing.measure_table(model, find_units(model, groups), rounds=1)
    assert fingerprint(model) == before
    assert {"neurons", "heads", "layers"} <= set(table.shares)
    assert table.layers == LAYERS
    for mode in MODES:
        assert table.dense[mode] > 0
        for kind, saved in table.saved[mode].items():
            assert len(saved) == len(table.shares[kind])
            assert saved[0] == 0
            assert list(saved) == sorted(saved)
            assert list(table.shares[kind]) == sorted(set(table.shares[kind]))


def test_heads_are_timed_where_they_come_evenly_from_their_groups(loaded: Loaded) -> None:
    units = find_units(loaded.model, loaded.groups)
    timed = [(kind, share) for kind, share, _ in timing._narrower(units)]
    assert ("heads", 0.5) in timed
    assert ("kv_groups", 0.5) in timed


def test_a_race_sets_models_against_the_first() -> None:
    seconds = {mode: np.array([[1.0, 2.0, 3.0], [0.5, 1.0, 3.0]]) for mode in MODES}
    race = timing.Race(seconds)
    assert race.ratio(1, "prefill") == 0.5
    # Ratios 0.5, 0.5 and 1: their quartiles lie 0.25 apart, half of their median.
    assert race.spread(1, "decode") == pytest.approx(1.1907 * 0.5 / 3**0.5, rel=1e-4)


def test_the_true_ratio_lies_in_the_band_of_chance_in_eight_of_ten_races() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(500):
        noise = np.exp(rng.normal(0, 0.1, (2, 64)))
        race = timing.Race(dict.fromkeys(MODES, noise * np.array([[1.0], [0.7]])))
        inside += abs(race.ratio(1, "decode") / 0.7 - 1) <= race.spread(1, "decode")
    assert 0.75 < inside / 500 < 0.85


def test_what_disturbs_single_rounds_does_not_count() -> None:
    dense, pruned = [1.0, 1.0, 4.0, 1.0, 9.0, 1.0], [5.0, 0.5, 0.5, 0.5, 7.0, 0.5]
    race = timing.Race({mode: np.array([dense, pruned]) for mode in MODES})
    assert race.ratio(1, "decode") == 0.5


def test_a_token_is_compared_to_the_one_beside_it() -> None:
    # The machine is four times as fast for two tokens, in which something else disturbs the pruned model.
    dense = [2.0, 2.0, 8.0, 8.0, 8.0, 8.0, 8.0]
    pruned = [9.0, 9.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    race = timing.Race({mode: np.array([dense, pruned]) for mode in MODES})
    assert race.ratio(1, "decode") == 0.5


def test_models_take_turns_with_every_prompt_and_token() -> None:
    read: list[str] = []
    models = [tiny_model("llama"), tiny_model("llama")]
    for name, model in zip("ab", models, strict=True):
        model.register_forward_pre_hook(lambda *_, name=name: read.append(name))
    timing.race(models, rounds=1)
    pairs = ["".join(read[at : at + 2]) for at in range(0, len(read), 2)]
    works = timing.PROMPTS + timing.DECODE_TOKENS
    assert len(pairs) == 2 * works, "a round that warms up, and one that counts"
    assert set(pairs) == {"ab", "ba"}, "neither runs twice before the other"
    assert pairs[:works] == works // 2 * ["ba", "ab"], "and who begins changes"
    assert pairs[works:] == works // 2 * ["ab", "ba"]


def test_what_is_saved_rises_and_noise_is_pooled() -> None:
    assert timing.rising([1.0, 3.0, 2.0, 4.0]) == [1.0, 2.5, 2.5, 4.0]
    assert timing.rising([3.0, 2.0, 1.0]) == [2.0, 2.0, 2.0]
    saved = timing._saved("neurons", [1.0, 0.9, 0.7, 0.8], [0.0, 0.25, 0.5, 0.75], dense=100.0, layers=10)
    assert saved == pytest.approx((0.0, 1.0, 2.5, 2.5))
    assert timing._saved("neurons", [1.0, 1.1], [0.0, 0.5], dense=100.0, layers=10) == (0.0, 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to reach a time, in order; devices that are not there and a clock of whole seconds."""
    events: list[str] = []

    def tick() -> float:
        events.append("clock")
        return float(events.count("clock"))

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append(f"wait for {device}"))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: events.append("wait for mps"))
    monkeypatch.setattr(timing.time, "perf_counter", tick)
    return events


@pytest.mark.parametrize("name", ["mps", "cuda:0"])
def test_the_device_has_finished_before_the_clock_is_read(name: str, clock: list[str]) -> None:
    device = torch.device(name)
    assert timing.now(device) == 1
    assert clock == [f"wait for {name}", "clock"]
    clock.clear()
    seconds = timing.side_by_side([lambda: clock.append("work")], device, rounds=1)
    timed = [f"wait for {name}", "clock", "work", f"wait for {name}", "clock"]
    assert clock == 2 * timed, "a round that warms up, and one that counts"
    assert seconds.tolist() == [[1.0]]


def test_a_processor_is_not_waited_for(clock: list[str]) -> None:
    timing.now(torch.device("cpu"))
    assert clock == ["clock"]


def test_every_timer_of_the_engine_reads_the_clock_that_waits(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(1000))
    monkeypatch.setattr(timing, "now", lambda device: float(next(times)))
    result = timing.race([llama, llama], rounds=2)
    assert result.seconds["prefill"].tolist() == 2 * [2 * timing.PROMPTS * [1]]
    assert result.seconds["decode"].tolist() == 2 * [2 * timing.DECODE_TOKENS * [1]]
    assert timing.dense_times(llama, rounds=1) == {"prefill_ms": 1000, "decode_ms": 1000}
    rows = kernels.sparse_kernels(llama, find_groups(llama), rounds=1)
    assert all(row["prefill"] == row["decode"] == 1 for row in rows if "why_not" not in row)
    clocks = re.compile(r"perf_counter|monotonic|process_time|time\.time\b|timeit")
    # llama.cpp is timed in its own process, which waits for it as well.
    # A probe is of the processor alone, and a part's time is the processor's.
    timers = ("timing.py", "opened.py", "probe.py", "processor_time.py")
    others = [path for path in Path(engine.__path__[0]).rglob("*.py") if path.name not in timers]
    assert len(others) > 40
    assert [path.name for path in others if clocks.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("form", [kernels._csr, kernels._bsr])
def test_sparse_formats_multiply_as_the_pruned_matrix_does(form: kernels.Form) -> None:
    weight = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    given = torch.randn(64, 5, generator=torch.Generator().manual_seed(1))
    block = kernels.BLOCK if form is kernels._bsr else (1, 1)
    pruned = weight.masked_fill(removed(weight.abs(), 0.5, "group", block), 0)
    assert torch.allclose(form(weight, 0.5) @ given, pruned @ given, atol=1e-5)


def test_sparse_formats_are_timed_or_say_why_not(loaded: Loaded) -> None:
    before = fingerprint(loaded.model)
    rows = kernels.sparse_kernels(loaded.model, loaded.groups, rounds=1)
    assert fingerprint(loaded.model) == before
    assert {row["format"] for row in rows} == {"csr", "bsr", "2:4"}
    for row in rows:
        assert row.get("why_not") or (row["prefill"] > 0 and row["decode"] > 0)
    if loaded.device == "cpu":
        assert "NVIDIA" in next(row["why_not"] for row in rows if row["format"] == "2:4")


def test_the_table_is_measured_once_and_kept(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "measure_table", partial(timing.measure_table, rounds=1))
    session = Session(loaded, Store(tmp_path))
    first = TASKS["latency"](session)
    check_printed("latency", first)
    assert TASKS["latency"](session) == first
    assert LatencyTable.from_dict(first).machine == first["machine"]
