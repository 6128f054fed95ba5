"""What each capability leans on: text with its answers marked, prices, storage, and values in the solver."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.groups import find_groups
from pruning.engine.calibration import fisher as statistics
from pruning.engine.calibration.data import Probe, load_probes
from pruning.engine.models.load import Loaded, fingerprint
from pruning.engine.sensitivity.capability_costs import CODE, capability_texts, checking, scored_text
from pruning.errors import Cancelled, PruningError
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import VOCABULARY, tiny_model, tiny_tokenizer

PROBES = [
    Probe("facts", f"The {word} of Italy is", (" Oslo", " Rome", " Bonn"), 1)
    for word in ("capital", "heart", "largest town", "seat")
]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = "The river had risen over the path and the {} boats knocked against the wall, {} times. "
    path.write_text("\n\n".join(words.format(n, n * n) * 4 for n in range(40)))
    return str(path)


# ---- the text ---------------------------------------------------------------------------------------


def test_the_marks_stand_before_the_tokens_of_right_answers() -> None:
    tokenizer = tiny_tokenizer()
    made = scored_text(tokenizer, PROBES, "facts", rounds=3, length=64)
    assert made.windows.shape == made.scored.shape
    assert made.windows.shape[1] == 64
    assert not made.scored[:, -1].any(), "the last position has no next token"
    answer = tokenizer(" Rome", add_special_tokens=False)["input_ids"]
    seen = 0
    for window, marks in zip(made.windows.tolist(), made.scored.tolist(), strict=True):
        assert any(marks)
        marked = [window[place + 1] for place, mark in enumerate(marks) if mark]
        assert marked == answer * (len(marked) // len(answer))
        seen += len(marked) // len(answer)
    assert seen >= 3 * len(PROBES)
    assert " Oslo" not in tokenizer.decode(made.windows.flatten())


def test_every_window_begins_as_the_tokenizer_begins_a_text() -> None:
    tokenizer = tiny_tokenizer()
    plain = scored_text(tokenizer, PROBES, "facts", length=64)
    assert (plain.windows[:, 0] != tokenizer.bos_token_id).all()

    class Begins:
        bos_token_id = 1

        def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, Any]:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            return {"input_ids": [1, *ids] if add_special_tokens else ids}

    begun = scored_text(Begins(), PROBES, "facts", length=64)
    assert (begun.windows[:, 0] == 1).all()
    assert (begun.windows[:, 1:] != 1).all()


def test_the_questions_that_teach_do_not_check() -> None:
    tokenizer = tiny_tokenizer()
    lessons, checks = capability_texts(tokenizer), checking(tokenizer)
    assert (
        list(lessons) == list(checks) == ["facts", "grammar", "common_sense", "arithmetic", "reading", CODE]
    )
    for name in lessons:
        assert len(lessons[name].windows) >= 2
        assert lessons[name].scored[0::2].any()
        assert lessons[name].scored[1::2].any()
    arithmetic = [probe for probe in load_probes() if probe.capability == "arithmetic"]
    taught = tokenizer.decode(lessons["arithmetic"].windows.flatten())
    for number, probe in enumerate(arithmetic):
        line = f"{probe.question}{probe.choices[probe.answer]}\n"
        assert (line in taught) == (number % 2 == 0), line


def test_a_question_that_is_too_long_is_left_out_and_none_is_explained() -> None:
    tokenizer = tiny_tokenizer()
    long = Probe("facts", "The wall of the boats " * 20 + "is", (" Rome",), 0)
    made = scored_text(tokenizer, [*PROBES, long], "facts", length=64)
    assert "wall" not in tokenizer.decode(made.windows.flatten())
    with pytest.raises(PruningError, match="No question about common sense fits"):
        scored_text(tokenizer, [long], "common_sense", length=64)


# ---- statistics with marked positions ---------------------------------------------------------------


def test_marking_every_second_position_is_what_a_map_does() -> None:
    model = tiny_model()
    windows = torch.randint(3, VOCABULARY, (6, 32), generator=torch.Generator().manual_seed(0))
    groups, marks = find_groups(model), torch.zeros(6, 32, dtype=torch.bool)
    marks[:, 1::2] = True
    usual = statistics.collect(model, groups, windows, "", "")
    marked = statistics.collect(model, groups, windows, "", "", scored_at=marks)
    for key, group in usual.groups.items():
        for name, tensor in vars(group).items():
            assert torch.equal(tensor, getattr(marked.groups[key], name)), (key, name)


def test_only_marked_positions_send_gradients() -> None:
    model = tiny_model()
    windows = torch.randint(3, VOCABULARY, (4, 32), generator=torch.Generator().manual_seed(0))
    marks = torch.zeros(4, 32, dtype=torch.bool)
    marks[:, 10] = True
    found = statistics.collect(model, find_groups(model), windows, "", "", scored_at=marks)
    assert all(int(group.scored) == 2 for group in found.groups.values()), "two windows price"
    # In the last layer's MLP nothing crosses positions: gradients stand at the marked ones alone.
    last = found.groups[2, "down"]
    assert int((last.sample_outputs.abs().sum(1) > 0).sum()) == 2
    # Before that what comes after cannot matter, and what comes before does through attention.
    assert int((found.groups[0, "down"].sample_outputs.abs().sum(1) > 0).sum()) > 2
    with pytest.raises(PruningError, match="no position to score"):
        statistics.collect(model, find_groups(model), windows, "", "", scored_at=torch.zeros_like(marks))


# ---- the task ---------------------------------------------------------------------------------------


def test_costs_are_stored_resumed_and_leave_the_weights(
    session: Session, loaded: Loaded, store: Store, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"levels": [0.3, 0.6]}

    def stop(done: float, total: float, note: str = "", partial: Any = None) -> None:
        assert 0 <= done <= total
        if "arithmetic" in note:
            raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["capabilities"](session.reporting(stop), **arguments)
    assert fingerprint(loaded.model) == loaded.fingerprint
    [row] = store.find("capabilities", fingerprint=loaded.fingerprint, criterion="fisher", data=text)
    assert list(row["value"]["capabilities"]) == ["facts", "grammar", "common_sense"]
    notes: list[str] = []
    out = tmp_path / "costs.json"
    found = TASKS["capabilities"](
        session.reporting(lambda _d, _t, note="", _p=None: notes.append(note)), out=str(out), **arguments
    )
    assert fingerprint(loaded.model) == loaded.fingerprint
    assert {note.partition(" ")[2].removeprefix("about ") for note in notes} == {
        "arithmetic",
        "reading",
        CODE,
    }
    assert found["capabilities"]["facts"] == row["value"]["capabilities"]["facts"]
    assert json.loads(out.read_text())["capabilities"] == found["capabilities"]
    known = CapabilityMap.from_dict(found)
    assert len(known.groups) == 15
    for name, costs in known.costs.items():
        assert costs.shape == (15, 2)
        assert (costs > 0).all()
        assert (costs[:, 1] > costs[:, 0]).all()
        assert known.shares(name, 0.5).sum() == pytest.approx(1)

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a pass was made again")

    monkeypatch.setattr("pruning.tasks.capabilities.capability_costs", forbidden)
    again = TASKS["capabilities"](session, **arguments)
    assert again["capabilities"] == found["capabilities"]
    assert json.loads(Path(again["out"]).read_text())["groups"] == found["groups"]
