"""Tables in half the bytes compute what the widened ones do, forwards and backwards."""

import torch
from torch import nn

from pruning.engine.models import wide_tables
from pruning.engine.models.wide_tables import compute_in


def test_a_narrow_embedding_looks_up_what_the_widened_one_does() -> None:
    narrow = nn.Embedding(50, 8, dtype=torch.bfloat16).requires_grad_(False)
    ids = torch.tensor([[3, 3, 49], [0, 7, 3]])
    expected = narrow.weight.float()[ids]
    compute_in(narrow, torch.float32)
    assert torch.equal(narrow(ids), expected)
    assert narrow.weight.dtype == torch.bfloat16
    assert narrow.weight.shape == (50, 8)


def test_a_narrow_head_has_the_widened_ones_logits_and_gradients() -> None:
    head = nn.Linear(8, 3 * 7 + 2, dtype=torch.bfloat16).requires_grad_(False)
    wide = nn.Linear(8, 3 * 7 + 2).requires_grad_(False)
    wide.load_state_dict({name: values.float() for name, values in head.state_dict().items()})
    compute_in(head, torch.float32)
    rows, wide_tables.ROWS = wide_tables.ROWS, 7
    try:
        states = torch.randn(4, 8, requires_grad=True)
        same = states.detach().clone().requires_grad_(True)
        sent = torch.randn(4, 23)
        (head(states) * sent).sum().backward()
        (wide(same) * sent).sum().backward()
        torch.testing.assert_close(head(states), wide(same))
        torch.testing.assert_close(states.grad, same.grad)
    finally:
        wide_tables.ROWS = rows
