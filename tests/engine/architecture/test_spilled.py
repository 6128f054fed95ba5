"""Tensors in files are the tensors that were given, and the files go with them."""

import gc
from pathlib import Path

import pytest
import torch

from pruning.engine.architecture import spilled
from pruning.engine.architecture.spilled import Batches, GroupTensors, group_tensors
from pruning.errors import PruningError


@pytest.mark.parametrize("on_disk", [False, True])
def test_batches_come_back_bit_for_bit(
    on_disk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilled, "KEPT_BYTES", 100)
    given = [torch.randn(3, 4) for _ in range(5)]
    batches = Batches(tmp_path if on_disk else None)
    for each in given:
        batches.append(each)
    # Two of 48 bytes stay in memory.
    assert len(list(tmp_path.iterdir())) == (3 if on_disk else 0)
    assert len(batches) == 5
    assert all(torch.equal(a, b) for a, b in zip(batches, given, strict=True))
    assert torch.equal(batches[-1], given[-1])
    assert [torch.equal(a, b) for a, b in zip(batches[1:3], given[1:3], strict=True)] == [True, True]
    del batches
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_masks_take_a_bit_and_weights_stay_what_they_are(tmp_path: Path) -> None:
    masks = GroupTensors(tmp_path)
    mask, weight = torch.rand(64, 640) > 0.5, torch.randn(6, 7)
    masks[0, "up"], masks[1, "up"] = mask, weight
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert min(sizes) < max(sizes) < mask.numel() / 8 + 200
    assert torch.equal(masks[0, "up"], mask)
    assert masks[0, "up"].dtype == torch.bool
    assert torch.equal(masks[1, "up"], weight)
    masks[0, "up"] = ~mask
    assert torch.equal(masks[0, "up"], ~mask)
    assert list(masks) == [(0, "up"), (1, "up")]
    assert len(masks) == 2
    del masks[0, "up"]
    assert (0, "up") not in masks
    assert len(list(tmp_path.iterdir())) == 1


def test_in_memory_it_is_a_dictionary_and_a_missing_disk_is_a_sentence(tmp_path: Path) -> None:
    assert group_tensors(None) == {}
    gone = group_tensors(tmp_path / "gone")
    with pytest.raises(PruningError, match="Make room on that disk"):
        gone[0, "up"] = torch.ones(2)
