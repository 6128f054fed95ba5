"""Numbers of things in words."""

from pruning.wording import counted


def test_one_thing_is_no_plural() -> None:
    assert counted(1, "thread") == "1 thread"
    assert [counted(number, "thread") for number in (0, 2, 1200)] == [
        "0 threads",
        "2 threads",
        "1,200 threads",
    ]
    assert [counted(number, "copy", "copies") for number in (1, 3)] == ["1 copy", "3 copies"]
