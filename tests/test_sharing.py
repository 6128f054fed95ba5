"""Pieces of a task, one by one, and results by their numbers."""

from pruning.sharing import ONE_BY_ONE, Piece, in_order


def test_pieces_are_done_in_their_order_by_what_begin_returns() -> None:
    begun: list[tuple[str, int]] = []

    def begin(session: str, factor: int):
        begun.append((session, factor))
        return lambda value: factor * value

    pieces = [Piece("two", 2), Piece("three", 3)]
    assert list(ONE_BY_ONE("session", begin, pieces, (10,))) == [(0, 20), (1, 30)]
    assert begun == [("session", 10)]


def test_results_that_come_early_wait() -> None:
    taken: list[int] = []

    def results():
        for number in (2, 0, 3, 1):
            taken.append(number)
            yield number, str(number)

    ordered = in_order(results())
    assert next(ordered) == "0"
    assert taken == [2, 0]
    assert list(ordered) == ["1", "2", "3"]
