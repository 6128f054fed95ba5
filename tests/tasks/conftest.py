"""What the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.support.alone import exports_share_a_process, process_alone

__all__ = ["exports_share_a_process", "process_alone", "time_by_weights"]


@pytest.fixture
def time_by_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that goes on by what is multiplied: so small a model's true times say nothing on a busy day."""
    import torch
    from torch import nn

    from pruning.engine.evaluation import timing

    seconds = 0.0

    def work(module: nn.Module, *_: object) -> None:
        nonlocal seconds
        if isinstance(module, nn.Linear):
            seconds += module.weight.numel() * 1e-9

    def now(_: torch.device) -> float:
        nonlocal seconds
        seconds += 1e-9
        return seconds

    hook = nn.modules.module.register_module_forward_hook(work)
    monkeypatch.setattr(timing, "now", now)
    yield
    hook.remove()
