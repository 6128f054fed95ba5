"""What there is on this machine, and how fast it is found to be."""

from pathlib import Path

from pruning.planning.cost.given.machine import free_disk, this_machine
from pruning.planning.cost.given.published import DEMO
from pruning.planning.cost.given.quick_probe import quick_speeds
from pruning.planning.cost.given.shape import shape_of


def test_memory_of_this_process_counts_where_it_is_asked_for(tmp_path: Path) -> None:
    machine, own = this_machine(tmp_path), this_machine(tmp_path, own=True)
    assert 0 < machine.available < own.available <= machine.memory


def test_a_folder_that_is_not_there_yet_is_on_the_disk_of_its_parent(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "not" / "yet") > 0


def test_speeds_are_found_and_nothing_is_left(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(5 * 2**20))
    speeds = quick_speeds(shape_of(DEMO), [file], tmp_path / "work", seconds=0.01)
    assert min(speeds.operations, speeds.elements, speeds.read, speeds.write) > 0
    assert list((tmp_path / "work").iterdir()) == []


def test_without_files_a_usual_speed_is_taken(tmp_path: Path) -> None:
    assert quick_speeds(shape_of(DEMO), [], tmp_path, seconds=0.01).read == 500e6
