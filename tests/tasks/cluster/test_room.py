"""How many workers there is room for, by hand."""

import pytest

from pruning.errors import PruningError
from pruning.tasks.cluster.room import Room, room_for


@pytest.mark.parametrize(
    ("machines", "device", "asked", "room"),
    [
        ([{"CPU": 2}], "auto", None, Room(1, 2, 0, "cpu")),
        ([{"CPU": 2}], "cpu", 2, Room(2, 1, 0, "cpu")),
        ([{"CPU": 2}], "cpu", 5, Room(2, 1, 0, "cpu", asked=5)),
        ([{"CPU": 16}, {"CPU": 8}, {"CPU": 0}], "auto", None, Room(6, 4, 0, "cpu")),
        ([{"CPU": 16}, {"CPU": 8}], "auto", 3, Room(3, 8, 0, "cpu")),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 8}], "auto", None, Room(2, 8, 1, "cuda")),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 8, "GPU": 1}], "cuda", 4, Room(3, 8, 1, "cuda", asked=4)),
        ([{"CPU": 16, "GPU": 2}], "cpu", None, Room(4, 4, 0, "cpu")),
    ],
)
def test_room(machines: list[dict[str, float]], device: str, asked: int | None, room: Room) -> None:
    assert room_for(machines, device, asked) == room


def test_what_there_is_no_room_for_is_a_sentence() -> None:
    with pytest.raises(PruningError, match=r"no GPU: 2 machines with 12 processors. Choose --device cpu"):
        room_for([{"CPU": 8}, {"CPU": 4}], "cuda", None)
    with pytest.raises(PruningError, match="no processor for a worker"):
        room_for([{"CPU": 0}], "auto", None)
