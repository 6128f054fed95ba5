"""The bench that fills the gallery, from real work on a tiny model."""

from pathlib import Path
from typing import Any

import pytest

from pruning.benchmarks import markdown
from pruning.benchmarks.gallery import bench, plans, times
from pruning.errors import PruningError
from pruning.planning.recipe.guide_claims import TECHNIQUES
from pruning.tasks import Session
from pruning.ui.text.labels import READY_PROMPTS
from pruning.workspace import gallery
from tests.support.result_keys import check_printed


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recovery of few steps, by one version of the code, whatever is edited meanwhile."""
    monkeypatch.setattr(markdown, "code_version", lambda: "commit 1a2b3c4")
    monkeypatch.setattr(bench, "RECOVERY", {"steps": 2, "evaluate_every": 1, "written": 0})


@pytest.mark.usefixtures("hasty", "dense_again")
def test_the_gallery_is_measured_once_and_written_whole(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "here" / "gallery.json"
    found = bench.bench_gallery(session, str(out))
    check_printed("bench gallery", found)
    assert out.stat().st_size == found["bytes"]
    value = gallery.read(out)
    assert value["made"]["commit"] == "1a2b3c4"
    assert value["model"]["fingerprint"] == session.loaded.fingerprint
    assert [row["name"] for row in value["impact"]] == [row.name for row in TECHNIQUES if not row.training]
    assert [plan["name"] for plan in value["plans"]] == list(plans.PLANS)
    assert all(len(plan["answers"]) == len(plans.PROMPTS) for plan in value["plans"])
    assert value["plans"][0]["figures"]["sparsity"] == pytest.approx(0.5, abs=0.02)
    assert value["recovery"]["steps"] == 2
    assert "/" not in value["recovery"]["out"]
    assert 0 <= value["times"]["busy"] <= 1
    assert not session.store.find("measure"), "what the user measured is another matter"

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("it was measured again")

    for name in ("impact", "recover", "gallery_times", "gallery_plan"):
        monkeypatch.setattr(bench, name, forbidden)
    again = bench.bench_gallery(session)
    assert Path(again["out"]).is_relative_to(session.store.root)
    assert gallery.read(again["out"]) == value


@pytest.mark.usefixtures("hasty")
def test_what_was_stopped_goes_on_where_it_was(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def part(name: str, fails: bool = False) -> Any:
        def work(_: Session) -> dict[str, Any]:
            asked.append(name)
            if fails:
                raise PruningError("the machine went off")
            return {}

        return work

    monkeypatch.setattr(bench, "_parts", lambda: {"one": part("one"), "two": part("two", fails=True)})
    for _ in range(2):
        with pytest.raises(PruningError, match="went off"):
            bench.bench_gallery(session)
    assert asked == ["one", "two", "two"]


def test_another_version_measures_for_itself() -> None:
    names = {bench._folder(text) for text in ("commit 1a2b3c4", "commit 1a2b3c4 with changes", "version 1.0")}
    assert names == {"commit-1a2b3c4", "commit-1a2b3c4-with-changes", "version-1.0"}


def test_a_plan_that_the_model_does_not_allow_is_left_out(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Session) -> plans.Planned:
        raise PruningError("Its heads do not come apart.")

    monkeypatch.setitem(plans.PLANS, "heads", refused)
    assert plans.gallery_plan(session, "heads") is None


def test_prompts_are_those_that_the_dashboard_has_ready() -> None:
    ready = list(READY_PROMPTS.values())
    assert list(plans.PROMPTS[:2]) == ready[:2]
    assert set(plans.PROMPTS) <= set(ready)


def test_the_share_of_others_is_a_share() -> None:
    assert 0.0 <= times.share_of_others(lambda: sum(range(10_000)) and None) <= 1.0
