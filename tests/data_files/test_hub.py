"""Data sets of the hub: their splits and columns; no network, the loading is stood in for."""

from pathlib import Path
from typing import Any

import datasets
import pytest

from pruning.data_files.documents import read_source
from pruning.data_files.source import Source
from pruning.errors import PruningError

TEXTS = [f"Row {n} of a data set that is large enough to be read." for n in range(8)]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A hub whose data sets all have a train and a test split that share a row; what was asked of it."""
    asked: list[tuple[Any, ...]] = []

    def load(name: str, configuration: str | None) -> datasets.DatasetDict:
        asked.append((name, configuration))
        chats = [[{"role": "user", "content": text}] for text in TEXTS]
        train = datasets.Dataset.from_dict({"messages": chats[:5], "id": list(range(5))})
        if configuration == "train-only":
            return datasets.DatasetDict({"train": train})
        test = datasets.Dataset.from_dict({"messages": chats[4:], "id": list(range(4))})
        return datasets.DatasetDict({"train": train, "test": test})

    monkeypatch.setattr(datasets, "load_dataset", load)
    return asked


def test_train_and_test_are_the_parts_and_share_no_row(hub: list[tuple[Any, ...]]) -> None:
    found = read_source(Source("owner/name:config"))
    assert hub == [("owner/name", "config")]
    assert [document.words for document in found.calibration] == TEXTS[:5]
    assert [document.words for document in found.evaluation] == TEXTS[5:]
    assert found.account.duplicates == 1


def test_one_split_is_cut_in_two(hub: list[tuple[Any, ...]]) -> None:
    found = read_source(Source("owner/name:train-only"))
    assert [document.words for document in found.calibration + found.evaluation] == TEXTS[:5]
    assert hub == [("owner/name", "train-only")]


def test_wikitext_is_known_by_a_short_name(hub: list[tuple[Any, ...]]) -> None:
    read_source(Source("wikitext"))
    assert hub == [("Salesforce/wikitext", "wikitext-2-raw-v1")]


@pytest.mark.usefixtures("hub")
def test_a_column_that_is_not_there_is_said() -> None:
    with pytest.raises(PruningError, match="no column body; there are messages, id"):
        read_source(Source("owner/name", ("body",)))


def test_a_hub_that_cannot_be_reached_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(PruningError, match=r"wikitext.*could not be loaded"):
        read_source(Source("wikitext"))
