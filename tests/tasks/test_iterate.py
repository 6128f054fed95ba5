"""The ladder of levels and the lottery as tasks: where they stop, what they tell, what they refuse."""

from typing import Any

import pytest

from pruning.engine.models.load import Loaded
from pruning.errors import Cancelled, PruningError
from pruning.progress import silent
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store

pytestmark = pytest.mark.usefixtures("dense_again")
FEW = {"steps": 4, "batch": 4, "learning_rate": 2e-3, "warmup": 1, "evaluate_every": 4}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("workspace"))


def ladder(session: Session, listen: Any = silent, **more: Any) -> dict[str, Any]:
    chosen = {"levels": [0.2, 0.4, 0.6, 0.8], "criterion": "magnitude", **more}
    return TASKS["progressive"](session.reporting(listen), **chosen)


@pytest.fixture(scope="module")
def kls(loaded: Loaded, store: Store, text: str) -> list[float]:
    """Measured KL at 20, 40, 60 and 80 %."""
    session = Session(loaded, store, text)
    return [row["kl"] for row in ladder(session, max_kl=1e9)["rows"]]


def test_the_ladder_stops_by_itself_at_the_budget(session: Session, store: Store, kls: list[float]) -> None:
    assert kls == sorted(kls)
    streamed, heard = [], []

    def listen(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        heard.extend([done / total] if partial else [])
        streamed.extend([partial["row"]] if partial else [])

    found = ladder(session, listen, max_kl=(kls[1] + kls[2]) / 2)
    assert [row["level"] for row in found["rows"]] == [0.2, 0.4, 0.6]
    assert found["rows"] == streamed
    assert found["best"] == found["rows"][1]
    assert found["ended"] == "budget"
    assert heard == [0.25, 0.5, 0.75]
    [kept] = store.find("ladder", kl=found["budget"]["kl"])
    assert kept["value"] == found
    everything = ladder(session, max_kl=1e9)
    assert (everything["ended"], everything["best"]["level"]) == ("levels", 0.8)
    nothing = ladder(session, max_perplexity=1.0)
    assert (nothing["best"], len(nothing["rows"])) == (None, 1)


def test_training_lifts_a_level_back_into_the_budget(session: Session, kls: list[float]) -> None:
    found = ladder(session, levels=[0.2, 0.4], max_kl=0.999 * kls[1], recovery=FEW)
    assert [row["recovered"] for row in found["rows"]] == [False, True]
    assert found["rows"][0]["kl"] == kls[0]
    assert found["rows"][1]["kl"] < kls[1]
    assert found["best"]["level"] == 0.4


def test_a_ladder_that_was_cancelled_keeps_its_levels(session: Session, store: Store) -> None:
    def stop(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        if partial and partial["row"]["level"] == 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        ladder(session, stop, max_kl=1e8)
    [kept] = store.find("ladder", kl=1e8)
    assert [row["level"] for row in kept["value"]["rows"]] == [0.2, 0.4]
    assert kept["value"]["ended"] is None


def test_a_ladder_needs_levels(session: Session) -> None:
    with pytest.raises(PruningError, match="levels above 0"):
        ladder(session, levels=[0.0], max_kl=1.0)


def test_a_ladder_needs_an_end(session: Session) -> None:
    with pytest.raises(PruningError, match="max_kl"):
        ladder(session)


def test_the_lottery_has_a_random_ticket_beside_it(session: Session) -> None:
    told = []

    def listen(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        told.extend([partial["draw"]["name"]] if partial else [])

    asked = {"settings": ["all=0.8"], "rounds": 2, "rewind": 1, "recovery": FEW}
    found = TASKS["lottery"](session.reporting(listen), **asked)
    assert told == ["dense", "round 1", "ticket", "random"]
    assert found["sparsity"] == pytest.approx(0.8, abs=0.001)
    assert found["recovery"]["loss"] == "task"
    assert found["ticket_wins"] == (found["ticket"]["perplexity"] < found["random"]["perplexity"])
    assert found["dense"]["perplexity"] < found["random"]["perplexity"]
    told.clear()
    assert TASKS["lottery"](session.reporting(listen), **asked) == found
    assert told == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"settings": []}, "no ticket"),
        ({"rounds": 0}, "at least 1"),
        ({"rewind": 4}, "before the last"),
        ({"recovery": {**FEW, "schedule": "linear"}}, "between its rounds"),
    ],
)
def test_a_lottery_that_cannot_be(session: Session, wrong: dict[str, Any], words: str) -> None:
    asked = {"settings": ["all=0.5"], "recovery": FEW, **wrong}
    with pytest.raises(PruningError, match=words):
        TASKS["lottery"](session, **asked)
