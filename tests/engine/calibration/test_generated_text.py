"""Self-generated calibration text: repeatable, kept in parts, and trained on where text is short."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.calibration.data import load_windows
from pruning.engine.calibration.generated_text import PROMPT, sample_windows
from pruning.engine.models.load import Loaded
from pruning.engine.recovery.trainer import split
from pruning.errors import Cancelled, PruningError
from pruning.planning.recipe.training import Training
from pruning.tasks import TASKS, Session
from pruning.tasks.context import generated_text as writing
from pruning.tasks.context.generated_text import generated_windows
from pruning.workspace.store import Store

pytestmark = pytest.mark.usefixtures("dense_again")


@pytest.fixture
def windows(loaded: Loaded, text: str) -> torch.Tensor:
    return split(load_windows(loaded.tokenizer, text).calibration)[0]


def test_it_begins_with_the_text_and_goes_on_as_the_model_predicts(
    loaded: Loaded, windows: torch.Tensor
) -> None:
    short = windows[:, :64]
    generated = sample_windows(loaded.model, short, 12, seed=3)
    assert generated.shape == (12, 64)
    pieces = {tuple(piece.tolist()) for row in short for piece in row.unfold(0, PROMPT, 1)}
    assert all(tuple(row[:PROMPT].tolist()) in pieces for row in generated)
    assert torch.equal(generated, sample_windows(loaded.model, short, 12, seed=3))
    assert not torch.equal(generated, sample_windows(loaded.model, short, 12, seed=4))
    with torch.no_grad():
        logs = loaded.model(input_ids=generated).logits[:, PROMPT - 1 : -1].log_softmax(-1)
    drawn = logs.gather(2, generated[:, PROMPT:, None]).squeeze(2)
    # What is drawn from a distribution is as unlikely as its entropy says, within chance.
    entropy = -(logs.exp() * logs).sum(-1)
    assert float((drawn + entropy).mean().abs()) < 4 * float(drawn.std()) / drawn.numel() ** 0.5


def test_what_is_lacking_grows_with_the_training_and_only_where_the_model_is_followed() -> None:
    training = Training(steps=200, batch=4)
    assert training.lacking(0) == 400
    assert training.lacking(51) == 349
    assert Training(steps=5000).lacking(51) == 1024, "nobody waits for hours before the first step"
    assert training.lacking(400) == Training(steps=1).lacking(51) == 0
    assert Training(loss="task").lacking(1) == Training(loss="both").lacking(1) == 0
    assert Training(written=0).lacking(1) == 0
    assert Training(loss="task", written=7).lacking(1000) == 7
    with pytest.raises(PruningError, match="written"):
        Training(written=-1)


def test_parts_that_were_written_are_kept(
    session: Session, store: Store, text: str, windows: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PART", 4)

    def stop(done: float, total: float, note: str = "", partial: Any = None) -> None:
        assert 0 <= done <= total
        if "4 of 10" in note:
            raise Cancelled

    with pytest.raises(Cancelled):
        generated_windows(session.reporting(stop), windows, 10)
    assert len(store.find("written")) == 1
    found = generated_windows(session, windows, 10)
    assert found.shape == (10, windows.shape[1])
    assert len(store.find("written")) == 3

    def never(*_: Any) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr(writing, "sample_windows", never)
    assert torch.equal(generated_windows(session, windows, 6), found[:6])


def test_recovery_learns_from_it(loaded: Loaded, text: str, tmp_path: Path) -> None:
    asked = {"settings": ["all=0.5"], "criterion": "magnitude"}
    training = {"steps": 4, "batch": 2, "warmup": 1, "evaluate_every": 4}
    losses = {}
    for count in (0, 64):
        store = Store(tmp_path / str(count))
        session = Session(loaded, store, text)
        found = TASKS["recover"](session, **asked, recovery={**training, "written": count})
        losses[count] = [row["loss"] for row in found["losses"]]
        assert len(store.find("written")) == count / 64
    assert losses[0] != losses[64]
