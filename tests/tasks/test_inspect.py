"""Looking at a model: what it is made of, and how good the dense one is."""

import json
from pathlib import Path
from typing import Any

import pytest

from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from pruning.tasks import TASKS, Session
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.units import why_not_smaller
from pruning.workspace import results
from pruning.workspace.store import Store
from tests.support.tiny import HEADS, INNER, KV_HEADS, tiny_folder

pytestmark = pytest.mark.usefixtures("dense_again")
NINE = {"num_attention_heads": 9, "num_key_value_heads": 3}
EIGHT = {"num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 8}
EVERY = list(range(1, 8))


def test_inspect_counts_what_is_there(session: Session, loaded: Loaded, store: Store) -> None:
    found = TASKS["inspect"](session)
    assert found["layers"] == 3
    assert len(found["groups"]) == 15
    assert found["prunable_parameters"] == sum(group["parameters"] for group in found["groups"])
    assert found["parameters"] > found["prunable_parameters"]
    assert found["units"] == {"neurons": [INNER] * 3, "heads": [HEADS] * 3, "kv_groups": [KV_HEADS] * 3}
    assert found["no_heads"] is None
    assert found["writable"] == {"heads": [2, 3], "kv_groups": [1]}
    assert store.find("inspect", reference=loaded.reference)[0]["value"] == found


def test_inspect_says_why_heads_do_not_come_apart(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def together(*_: Any) -> None:
        raise PruningError("The heads do not come apart.")

    monkeypatch.setattr("pruning.engine.architecture.units.find_heads", together)
    found = TASKS["inspect"](session)
    assert found["units"] == {"neurons": [INNER] * 3}
    assert found["no_heads"] == "The heads do not come apart."
    assert found["writable"] == {}


@pytest.mark.parametrize(
    ("family", "shape", "expected"),
    [
        # SmolLM2's nine heads in three groups: a head from each, or whole groups, or all but one.
        ("llama", {"hidden_size": 72, **NINE}, {"heads": [3, 6, 8], "kv_groups": [1, 2]}),
        # Llama insists that the number of heads divides the width, but not of layers that have their own.
        ("llama", {"hidden_size": 64, **EIGHT}, {"heads": EVERY, "kv_groups": EVERY}),
        ("mistral", {"hidden_size": 64, **EIGHT}, {"heads": EVERY, "kv_groups": EVERY}),
        # No configuration for a head of another size than the width over their number.
        ("gpt2", {}, {"heads": [], "kv_groups": []}),
    ],
)
def test_what_can_be_written_smaller_is_counted(
    store: Store,
    text: str,
    tmp_path: Path,
    family: str,
    shape: dict[str, int],
    expected: dict[str, list[int]],
) -> None:
    session = Session(load(str(tiny_folder(tmp_path / family, family, **shape))), store, text)
    found = TASKS["inspect"](session)
    assert found["writable"] == expected
    for kind, counts in expected.items():
        for count in range(1, found["units"][kind][0]):
            settings = [f"{kind}={count / found['units'][kind][0]:.6f}"]
            spec = spec_of(session, settings, "l2", {"structure": kind})
            assert (why_not_smaller(session, spec) is None) == (count in counts)


def test_looking_at_a_text_says_what_is_read_of_it(session: Session, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"messages": [{"role": "user", "content": f"Row {n} says so. " * 40}]} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, [*rows, rows[0], {"messages": []}])))
    found = TASKS["text"](session.on(f"demo:1,{path}:1"))
    demo, chat = found["sources"]
    assert (demo["share"], demo["fields"], chat["fields"]) == (0.5, {}, {"messages": 13})
    assert (chat["rows"], chat["duplicates"], chat["unread"]) == (14, 1, 1)
    assert found["data_fingerprint"] == session.on(f"demo:1,{path}:1").windows.fingerprint
    about = results.latest_subject(store, session.loaded.computed, f"demo:1,{path}:1")
    assert results.about(store, "text_preview", about)[0]["value"] == found
    path.write_text("Changed since.")
    assert results.latest_subject(store, session.loaded.computed, f"demo:1,{path}:1") is None


def test_baseline_measures_quality_size_and_speed(session: Session, loaded: Loaded) -> None:
    found = TASKS["baseline"](session)
    assert found["perplexity"] > 1
    assert 0 <= found["accuracy"] <= 1
    assert found["prefill_ms"] > 0
    assert found["decode_ms"] > 0
    assert found["bytes"] == sum(4 * p.numel() for p in loaded.model.parameters())
    assert len(found["probes"]) == 5
    assert all(0 <= share <= 1 for share in found["probes"].values())
