"""The task behind the first look: smaller by the share asked for, stored apart, and the model as it was."""

import pytest
import torch

from pruning.errors import PruningError
from pruning.tasks.context.session import FITTING_TOKENS, Session
from pruning.tasks.first_look import first_look
from pruning.tasks.measure import measure


def test_the_file_is_as_much_smaller_and_no_forecast_learns_of_it(session: Session) -> None:
    before = {name: weight.clone() for name, weight in session.model.state_dict().items()}
    found = first_look(session, 0.05, "The river", 4)
    assert found["file_bytes"] <= 0.95 * found["dense_bytes"]
    assert found["answer"]["prompt"] == "The river"
    assert found["data_fingerprint"] == session.windows.fingerprint, "pages look for it by the whole text"
    assert len(found["answer"]["pruned_tokens"]) <= 4
    assert session.store.find("measure") == [], "measurements are of 16,384 tokens"
    after = session.model.state_dict()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())


def test_the_same_is_not_done_twice(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    found = first_look(session, 0.05, "The river", 4)
    monkeypatch.setattr("pruning.tasks.first_look._look", lambda *_: pytest.fail("it is stored"))
    assert first_look(session, 0.05, "The river", 4) == found


def test_a_measurement_after_it_fits_to_all_of_the_text(session: Session) -> None:
    """Who measures the plan next must not get the weights that were fitted to less."""
    found = first_look(session, 0.05, "The river", 4)
    assert session.made.change is not None
    assert session.made.change[0]["fitting_tokens"] == 2048
    measure(session, found["settings"])
    assert session.made.change[0]["fitting_tokens"] == FITTING_TOKENS


@pytest.mark.parametrize("smaller", [0.0, 0.95, -1.0])
def test_a_share_that_cannot_be_is_refused(session: Session, smaller: float) -> None:
    with pytest.raises(PruningError, match="smaller cannot be"):
        first_look(session, smaller)


def test_an_empty_prompt_is_refused(session: Session) -> None:
    with pytest.raises(PruningError, match="prompt is empty"):
        first_look(session, 0.1, "  ")
