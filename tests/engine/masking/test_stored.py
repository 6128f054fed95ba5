"""Undoing a change without copies: what the model's files hold is read from them again, bit for bit."""

from pathlib import Path

import pytest
import torch

from pruning.engine.architecture.groups import group_weight
from pruning.engine.architecture.stored_weights import stored_weights
from pruning.engine.masking.change import WeightChange, applied_change, put_weight
from pruning.engine.models.fingerprint import fingerprint
from pruning.engine.models.load import load
from tests.support.tiny import tiny_folder


@pytest.mark.parametrize(
    ("family", "dtype"),
    # In bfloat16 the numbers of the files are rounded again as they were when the model was loaded.
    [("llama", "float32"), ("gpt2", "float32"), ("llama", "bfloat16")],
)
def test_what_the_files_hold_is_not_copied(family: str, dtype: str, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model", family)
    loaded = load(str(folder), dtype)
    model, groups, before = loaded.model, loaded.groups, fingerprint(loaded.model)
    zeros = {group.key: torch.zeros_like(group_weight(model, group)) for group in groups}
    with stored_weights(loaded.path) as stored:
        saved = put_weight(model, groups[0], group_weight(model, groups[0]), stored)
        held = [each for undo in saved for each in getattr(undo.args[1], "args", ())]  # type: ignore[attr-defined]
        assert not any(isinstance(each, torch.Tensor) for each in held)
        with applied_change(model, groups, WeightChange({}, zeros), stored):
            assert fingerprint(model) != before
            for path in folder.glob("*.safetensors"):
                path.unlink()
    assert fingerprint(model) == before


def test_what_the_files_do_not_hold_is_copied(tmp_path: Path) -> None:
    loaded = load(str(tiny_folder(tmp_path / "model")))
    model, groups = loaded.model, loaded.groups
    # Another value, another sign of zero, and a part whose file lacks it.
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] += 1
    model.model.layers[1].mlp.down_proj.weight.data[0, 0] = -0.0
    before = fingerprint(model)
    masks = {group.key: torch.ones_like(group_weight(model, group), dtype=torch.bool) for group in groups}
    with stored_weights(loaded.path) as stored, applied_change(model, groups, WeightChange(masks), stored):
        pass
    assert fingerprint(model) == before
    with (
        stored_weights(None) as nothing,
        pytest.raises(ZeroDivisionError),
        applied_change(model, groups, WeightChange(masks), nothing),
    ):
        _ = 1 / 0
    assert fingerprint(model) == before
