"""The bench of mixed plans on the tiny model: all measured, kept, and said where something falls short."""

import pytest

from pruning.benchmarks.mixed import bench
from pruning.benchmarks.mixed.bench import Case, bench_mixed
from pruning.benchmarks.mixed.points import KIND, MIXED, Points
from pruning.benchmarks.mixed.table import mixed_tables
from pruning.tasks import Session
from pruning.tasks.optimize import machine_of
from tests.support.result_keys import check_printed

pytestmark = pytest.mark.usefixtures("dense_again")


def test_it_measures_every_way_to_save_as_much_and_goes_on_where_it_was(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("file_bytes", 0.8)
    result = bench_mixed(session, [case])
    check_printed("bench mixed", result)
    rows = {row["method"]: row for row in result["rows"]}
    assert {"layers", "neurons", "heads", "kv_groups", "guide", "units, learnt 1"} < set(rows)
    assert rows["units, learnt 1"]["forecast"] != rows["units"]["forecast"]
    mixes = [row for name, row in rows.items() if name.startswith(MIXED)]
    assert mixes
    assert all(row["meets"] and row["kl"] > 0 for row in mixes)
    single = [rows[name]["kl"] for name in ("layers", "neurons") if rows[name]["kl"] is not None]
    assert result["over_best_single"][case.name] == pytest.approx(
        min(row["kl"] for row in mixes) / min(single)
    )
    text = "\n".join(mixed_tables(result))
    assert f"| {case.name} |" in text

    points = len(session.store.find(KIND))
    monkeypatch.setattr(Points, "_measured", lambda *_: pytest.fail("measured twice"))
    monkeypatch.setattr(Points, "_raced", lambda *_: pytest.fail("raced twice"))
    assert bench_mixed(session, [case])["rows"] == result["rows"]
    assert len(session.store.find(KIND)) == points


def test_a_plan_that_is_too_slow_is_solved_for_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def plan(target):
        asked.append(target.value)
        return {(0, "neurons"): 0.1 * len(asked)}

    raced = {1: 1.0, 2: 1.05, 3: 1.25}
    monkeypatch.setattr(Points, "speed", lambda _, plan: {"decode": raced[round(10 * plan[0, "neurons"])]})
    points = Points(session)
    made = bench.Bench(points, machine_of(session, timed=False), None)  # type: ignore[arg-type]
    found = made.solved(Case("decode_speedup", 1.25), plan)
    assert found == {(0, "neurons"): pytest.approx(0.3)}
    assert asked == pytest.approx([1.25, 1.25 * 1.25, 1.25 * 1.25 * 1.25 / 1.05])


def test_a_plan_that_goes_well_beyond_is_asked_for_less(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short, then far beyond: something between is tried; what goes beyond is kept where that is short."""
    asked: list[float] = []

    def plan(target):
        asked.append(target.value)
        return {(0, "neurons"): 0.1 * len(asked)}

    for between, last, expected in ((1.26, 1.0, 3), (1.2, 1.26, 4), (1.2, 1.2, 2)):
        asked.clear()
        raced = {1: 1.2, 2: 1.4, 3: between, 4: last}
        monkeypatch.setattr(
            Points, "speed", lambda _, plan, raced=raced: {"decode": raced[round(10 * plan[0, "neurons"])]}
        )
        made = bench.Bench(Points(session), machine_of(session, timed=False), None)  # type: ignore[arg-type]
        found = made.solved(Case("decode_speedup", 1.25), plan)
        assert found == {(0, "neurons"): pytest.approx(0.1 * expected)}
        high = 1.25 * 1.25 / 1.2
        assert asked[2] == pytest.approx((1.25 * high) ** 0.5)
