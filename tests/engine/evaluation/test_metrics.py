"""The metrics against their definitions, computed the slow way."""

import math

import pytest
import torch

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.calibration.data import Probe
from pruning.engine.evaluation.metrics import compare, probe_accuracy
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model, tiny_tokenizer

WINDOWS = torch.randint(3, VOCABULARY, (4, 20), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("family", FAMILIES)
def test_quality_is_what_the_definitions_say(family: str) -> None:
    dense, other = tiny_model(family).eval(), tiny_model(family).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.97)
        p = torch.log_softmax(dense(WINDOWS).logits[:, :-1].double(), -1)
        q = torch.log_softmax(other(WINDOWS).logits[:, :-1].double(), -1)
    target = WINDOWS[:, 1:]
    found = compare(head_of(dense), run(dense, WINDOWS), run(dense, WINDOWS), WINDOWS)
    assert found.kl == pytest.approx(0, abs=1e-7)
    assert found.agreement == 1.0
    nll = -p.gather(2, target[..., None]).mean()
    assert found.perplexity == pytest.approx(math.exp(nll), rel=1e-4)
    assert found.accuracy == pytest.approx(float((p.argmax(-1) == target).double().mean()))
    # The second model has its own head; with tied or scaled heads only its own gives its logits.
    moved = compare(head_of(other), run(other, WINDOWS), run(other, WINDOWS), WINDOWS)
    assert moved.cross_entropy == pytest.approx(float(-q.gather(2, target[..., None]).mean()), rel=1e-4)


def test_kl_and_agreement_of_two_different_models() -> None:
    model = tiny_model("llama").eval()
    head, dense = head_of(model), run(model, WINDOWS)
    pruned = dense + 0.3 * torch.randn(dense.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        p = torch.log_softmax(head(dense)[:, :-1].double(), -1)
        q = torch.log_softmax(head(pruned)[:, :-1].double(), -1)
    found = compare(head, dense, pruned, WINDOWS)
    assert found.kl == pytest.approx(float((p.exp() * (p - q)).sum(-1).mean()), rel=1e-4)
    assert found.agreement == pytest.approx(float((p.argmax(-1) == q.argmax(-1)).double().mean()))
    assert found.tokens == 4 * 19
    assert compare(head, dense, pruned, WINDOWS, every=2).tokens == 4 * 9


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "opt"])
def test_questions_are_scored_by_mean_likelihood(family: str) -> None:
    model, tokenizer = tiny_model(family).eval(), tiny_tokenizer()
    head = head_of(model)
    questions = ["The boat", "The boat was", "A long day at the mill", "Rain"]
    choices = (" is here", " sinks", " a small red thing", " stone")
    best = []
    for question in questions:
        scores = []
        start = tokenizer(question)["input_ids"]
        for choice in choices:
            rest = tokenizer(choice, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logs = torch.log_softmax(model(torch.tensor([start + rest])).logits[0].float(), -1)
            picked = [logs[len(start) + i - 1, token] for i, token in enumerate(rest)]
            scores.append(float(sum(picked)) / len(rest))
        best.append(scores.index(max(scores)))
    right = [Probe("facts", q, choices, answer) for q, answer in zip(questions, best, strict=True)]
    wrong = [Probe("lies", q, choices, (answer + 1) % 4) for q, answer in zip(questions, best, strict=True)]
    found = probe_accuracy(model, head, tokenizer, right + wrong)
    assert found == {"facts": 1.0, "lies": 0.0, "all": 0.5}


def test_a_model_that_puts_out_no_numbers_is_as_bad_as_one_that_knows_nothing() -> None:
    """It used to have a KL of 0, that of a perfect copy."""
    head = torch.nn.Linear(4, 8, bias=False).requires_grad_(False)
    states = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    windows = torch.arange(6).unsqueeze(0)
    broken = compare(head, states, torch.full_like(states, float("nan")), windows)
    uniform = compare(head, states, torch.zeros_like(states), windows)
    assert broken.kl == pytest.approx(uniform.kl)
    assert broken.kl > 0
    assert broken.perplexity == pytest.approx(8)
