"""How the pieces of a task are done: one after the other here, or by workers on other machines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Piece:
    """One piece of a task: what people call it, such as "layer 14 gate", and what is to be done."""

    name: str
    value: Any


class Each(Protocol):
    """Does the pieces of a task, each by itself.

    Attributes
    ----------
    workers
        How many pieces are done at the same time.
    here
        They are done by this process.
    """

    @property
    def workers(self) -> int: ...

    @property
    def here(self) -> bool: ...

    def __call__(
        self,
        session: Any,
        begin: Callable[..., Callable[[Any], Result]],
        pieces: Sequence[Piece],
        common: Sequence[Any] = (),
        say: Callable[[str], None] = lambda note: None,
    ) -> Iterator[tuple[int, Result]]:
        """Each piece's number and result as soon as it is done, in any order.

        Parameters
        ----------
        session
            The model with its text.
        begin
            A function of a module. `begin(session, *common)` is called once by every worker, with a session
            of its own, and returns what does one piece's value.
        pieces
            What is to be done.
        common
            The same for all pieces.
        say
            Told in plain words who works on what, again and again; it may raise `Cancelled`.
        """
        ...


@dataclass(frozen=True)
class OneByOne:
    """The pieces in their order, by this process, with the session itself."""

    workers: int = 1
    here: bool = True

    def __call__(
        self,
        session: Any,
        begin: Callable[..., Callable[[Any], Result]],
        pieces: Sequence[Piece],
        common: Sequence[Any] = (),
        say: Callable[[str], None] = lambda note: None,
    ) -> Iterator[tuple[int, Result]]:
        work = begin(session, *common)
        for number, piece in enumerate(pieces):
            yield number, work(piece.value)


ONE_BY_ONE = OneByOne()


def in_order(results: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """The results by their numbers, 0 first: one that comes early waits for those before it."""
    early: dict[int, Result] = {}
    following = 0
    for number, result in results:
        early[number] = result
        while following in early:
            yield early.pop(following)
            following += 1
