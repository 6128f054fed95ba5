"""Early exit: the last layer is the model, the lens is norm and head, and exits go by confidence."""

from pathlib import Path

import pytest
import torch

from pruning.engine.architecture.forward import head_of, hidden_states, run
from pruning.engine.evaluation import early_exit as module
from pruning.engine.evaluation.early_exit import (
    Exits,
    after_each_layer,
    at_confidence,
    at_depth,
    exits,
    finished,
)
from pruning.engine.evaluation.metrics import compare
from pruning.engine.models.load import fingerprint, load
from pruning.errors import PruningError
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import FAMILIES, LAYERS, VOCABULARY, tiny_model


def windows(count: int = 3, length: int = 20) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (count, length), generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("family", FAMILIES)
def test_leaving_after_the_last_layer_is_the_model(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 7)
    # More than the 1,024 tokens of one batch.
    model, text = tiny_model(family), windows(60)
    name, head = fingerprint(model), head_of(model)
    dense = run(model, text)
    measured = exits(model, head, dense, text)
    assert measured.kl.shape == (LAYERS, 60 * 19)
    last, whole = at_depth(measured, LAYERS), compare(head, dense, dense, text)
    assert last.kl == pytest.approx(0, abs=1e-5)
    assert last.agreement == 1.0
    assert last.cross_entropy == pytest.approx(whole.cross_entropy, rel=1e-4)
    assert last.accuracy == whole.accuracy
    assert at_depth(measured, 1).kl > 10 * last.kl + 1e-3
    assert fingerprint(model) == name
    assert torch.equal(run(model, text), dense)


def test_the_lens_is_the_last_norm_and_the_head() -> None:
    model, ids = tiny_model("llama"), windows(2, 9)
    with torch.no_grad():
        with after_each_layer(model) as states:
            hidden_states(model, ids)
        expected = model.model.norm(states[0])
        torch.testing.assert_close(finished(model, ids, states[0]), expected)
        logits = model.lm_head(expected)[:, :-1].flatten(0, 1)
        dense = model(input_ids=ids).logits[:, :-1].flatten(0, 1)
    p, q = torch.log_softmax(dense, -1), torch.log_softmax(logits, -1)
    measured = exits(model, head_of(model), run(model, ids), ids)
    torch.testing.assert_close(measured.kl[0], (p.exp() * (p - q)).sum(-1), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(measured.confidence[0], q.exp().max(-1).values)
    assert torch.equal(measured.same[0].bool(), p.argmax(-1) == q.argmax(-1))
    assert torch.equal(measured.hit[0].bool(), q.argmax(-1) == ids[:, 1:].flatten())


def test_each_token_exits_once_the_model_is_confident() -> None:
    confidence = torch.tensor([[0.2, 0.9, 0.4], [0.6, 0.1, 0.5], [0.3, 0.3, 0.3]])
    kl = torch.tensor([[3.0, 2.0, 1.0], [0.3, 0.2, 0.1], [0.03, 0.02, 0.01]])
    zeros = torch.zeros(3, 3)
    measured = Exits(kl, kl, zeros, zeros, confidence)
    used, quality = at_confidence(measured, 0.5)
    # The tokens leave after layers 2, 1 and 2.
    assert used == pytest.approx(5 / 3)
    assert quality.kl == pytest.approx((0.3 + 2.0 + 0.1) / 3)
    used, quality = at_confidence(measured, 0.95)
    assert used == 3
    assert quality.kl == pytest.approx(0.02)
    assert at_confidence(measured, 0.01)[0] == 1


def test_the_task_goes_with_a_pruned_model(llama_folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(
        "\n\n".join(f"The river had risen {n} times over the path and the boats. " * 8 for n in range(40))
    )
    loaded, store = load(str(llama_folder)), Store(tmp_path / "workspace")
    session = Session(loaded, store, str(text))
    dense = TASKS["early_exit"](session, thresholds=[0.01, 1.0])
    assert [row["depth"] for row in dense["depths"]] == [1, 2, 3]
    assert dense["depths"][-1]["kl"] == pytest.approx(0, abs=1e-5)
    first, last = dense["sure"]
    assert (first["layers"], last["layers"]) == (1.0, 3.0)
    assert first["kl"] == pytest.approx(dense["depths"][0]["kl"])
    assert last["kl"] == pytest.approx(dense["depths"][-1]["kl"], abs=1e-9)
    asked = {"settings": ["all=0.5"], "criterion": "magnitude"}
    pruned = TASKS["early_exit"](session, **asked)
    measured = TASKS["measure"](session, **asked)
    assert pruned["depths"][-1]["kl"] == pytest.approx(measured["kl"], rel=1e-4)
    assert pruned["depths"][-1]["perplexity"] == pytest.approx(measured["perplexity"], rel=1e-4)
    assert fingerprint(loaded.model) == loaded.fingerprint
    assert len(store.find("early_exit")) == 2
    with pytest.raises(PruningError, match="a probability"):
        TASKS["early_exit"](session, thresholds=[1.5])
