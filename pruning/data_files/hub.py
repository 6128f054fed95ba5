"""Rows of a data set of the hub, by its splits."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pruning.data_files.files import MOST_ROWS
from pruning.errors import PruningError

HUB_NAMES = {"wikitext": ("Salesforce/wikitext", "wikitext-2-raw-v1")}
# Whose rows are lines of running text, headings and all.
RUNNING_TEXT = {"Salesforce/wikitext"}


def hub_splits(data: str) -> tuple[dict[str, Iterator[Any]], bool]:
    """The rows of every split of a data set, and whether they are lines of running text.

    Parameters
    ----------
    data
        `wikitext`, `owner/name` or `owner/name:configuration`.

    Raises
    ------
    PruningError
        The hub cannot be reached, or has no data set of this name.
    """
    import datasets

    name, _, configuration = data.partition(":")
    name, configuration = HUB_NAMES.get(name, (name, configuration))
    try:
        splits = datasets.load_dataset(name, configuration or None)
    except Exception as error:  # the library raises its own, requests' and fsspec's errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PruningError(
            f"The dataset {name} could not be loaded ({reason}). Check the name and the connection, "
            "or give a text, JSONL, CSV or parquet file."
        ) from None
    return {key: islice(split, MOST_ROWS + 1) for key, split in splits.items()}, name in RUNNING_TEXT
