"""A written model says the truth about its head."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pruning.engine.export.folder import Sample, write_model
from pruning.engine.export.weights import Pruned
from pruning.engine.models.load import load
from tests.support.tiny import tiny_model


@pytest.mark.parametrize(("called_tied", "own_head"), [(True, True), (True, False), (False, True)])
def test_a_head_of_its_own_is_not_called_tied(
    called_tied: bool, own_head: bool, llama_folder: Path, tmp_path: Path
) -> None:
    tokenizer = load(str(llama_folder)).tokenizer
    model: Any = tiny_model("llama")
    model.config.tie_word_embeddings = called_tied
    embedding = model.get_input_embeddings().weight
    model.lm_head.weight = nn.Parameter(embedding.detach() * 2) if own_head else embedding
    sample = torch.arange(3, 35).reshape(2, 16)
    write_model(Pruned(model, tokenizer), tmp_path / "written", {}, Sample(sample))
    config = json.loads((tmp_path / "written" / "config.json").read_text())
    assert config["tie_word_embeddings"] is (called_tied and not own_head)
    assert model.config.tie_word_embeddings is called_tied, "the model in memory is left as it was"
