"""The sweep: it streams, resumes, and refuses what the model has not."""

from typing import Any

import pytest

from pruning.engine.models.load import Loaded, fingerprint
from pruning.errors import Cancelled, PruningError
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store

pytestmark = pytest.mark.usefixtures("dense_again")
LEVELS = [0.3, 0.6]


def test_sweep_streams_stores_and_resumes(session: Session, loaded: Loaded, store: Store) -> None:
    chosen = {"criterion": "magnitude", "levels": LEVELS, "kinds": ["up", "down"]}
    seen: list[dict[str, Any]] = []

    def stop_after_three(done: float, total: float, note: str = "", partial: Any = None) -> None:
        if partial:
            seen.append(partial["point"])
            if len(seen) == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["sweep"](session.reporting(stop_after_three), **chosen)
    assert fingerprint(loaded.model) == loaded.fingerprint
    assert len(store.find("sweep_point", fingerprint=loaded.fingerprint)) == 3
    found = TASKS["sweep"](session, **chosen)
    assert found["measured"] == 12 - 3
    assert len(found["points"]) == 12
    assert [point for point in found["points"] if point in seen] != []
    assert TASKS["sweep"](session, **chosen)["measured"] == 0


def test_sweep_refuses_what_the_model_has_not(session: Session) -> None:
    with pytest.raises(PruningError, match="no layer 7"):
        TASKS["sweep"](session, layers=[7])
    with pytest.raises(PruningError, match="no group gates"):
        TASKS["sweep"](session, kinds=["gates"])
    with pytest.raises(PruningError, match="1.2 is outside"):
        TASKS["sweep"](session, levels=[1.2])


def test_sweep_and_generate_take_options(session: Session) -> None:
    chosen = {"criterion": "magnitude", "structure": "block", "block": "8x8"}
    asked = {"levels": [0.5], "layers": [0], "kinds": ["up"], "criterion": "magnitude"}
    single = TASKS["sweep"](session, **asked)["points"][0]["kl"]
    blocks = TASKS["sweep"](session, **{**asked, **chosen})
    assert blocks["measured"] == 1
    assert blocks["points"][0]["kl"] != single
    words = {"prompts": ["The river"], "plans": [["all=0.9"]], "max_new_tokens": 3}
    row = TASKS["generate"](session, **words, **chosen)["answers"][0]
    assert (row["structure"], row["block"]) == ("block", "8x8")


def test_units_are_swept_in_whole_numbers(session: Session) -> None:
    asked = {"levels": [0.1, 0.3, 0.5], "kinds": ["heads", "layers", "up"], "layers": [0, 1]}
    points = TASKS["sweep"](session, **asked)["points"]
    levels = {(row["layer"], row["kind"]): set() for row in points}
    for row in points:
        levels[row["layer"], row["kind"]].add(row["level"])
    assert levels[1, "heads"] == {0.25, 0.5}, "a tenth of four heads is none"
    assert levels[0, "layers"] == {1.0}
    assert levels[0, "up"] == {0.1, 0.3, 0.5}
    assert all(row["kl"] > 0 for row in points)
    whole = TASKS["measure"](session, settings=["heads@1=0.5"])
    swept = next(row for row in points if (row["layer"], row["kind"], row["level"]) == (1, "heads", 0.5))
    assert swept["kl"] == pytest.approx(whole["kl"], rel=0.2), "every second token is scored"
