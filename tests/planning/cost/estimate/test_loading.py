"""Which way a model is loaded for a task."""

from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.planning.cost.estimate.loading import way_to_load
from pruning.planning.cost.given.machine import Machine

ROOMY, TIGHT = (Machine(memory, memory, 10**12) for memory in (10**11, 10**8))


def test_with_room_all_is_in_memory(llama_folder: Path) -> None:
    assert way_to_load(str(llama_folder), "map", {}, {}, ROOMY) == {"stream": "no"}


def test_what_was_chosen_is_kept(llama_folder: Path) -> None:
    how = {"stream": "yes", "dtype": "float32"}
    assert way_to_load(str(llama_folder), "map", how, {}, ROOMY) == how
    assert way_to_load(str(llama_folder), "inspect", how, {}, TIGHT) == how


@pytest.mark.parametrize("task", ["map", "recover", "export", "measure", "generate"])
def test_without_room_nothing_is_loaded(llama_folder: Path, task: str) -> None:
    with pytest.raises(PruningError, match="this machine has 100 MB free"):
        way_to_load(str(llama_folder), task, {}, {}, TIGHT)


def test_what_is_wrong_is_for_loading_to_say(tmp_path: Path) -> None:
    assert way_to_load(str(tmp_path), "map", {"stream": "auto"}, {}, TIGHT) == {"stream": "auto"}
    assert way_to_load("no/such-model", "map", {}, {}, TIGHT) == {}


def test_weight_updates_count(llama_folder: Path) -> None:
    # Enough for masks, and not for what a weight update holds besides.
    for memory in range(430, 900, 2):
        machine = Machine(memory * 10**6, memory * 10**6, 10**12)
        try:
            way_to_load(str(llama_folder), "measure", {"stream": "no"}, {}, machine)
        except PruningError:
            continue
        break
    with pytest.raises(PruningError):
        way_to_load(str(llama_folder), "measure", {"stream": "no"}, {"criterion": "corrected"}, machine)
