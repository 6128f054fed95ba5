"""The workers on a cluster, and who of them does which piece.

Workers are Ray's actors. Ray places them, gives each its processors or its GPU, and starts one again that was
lost; here a piece is handed to a worker that is free, and once more where its worker was lost over it.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pruning.errors import PruningError
from pruning.sharing import Piece
from pruning.tasks.cluster.address import Address, answers
from pruning.tasks.cluster.room import Room, room_for
from pruning.tasks.cluster.sent import sent_work

# Ray starts a lost worker again so often; a piece is given up after as many tries.
RESTARTS = TRIES = 3
# How long there may be no worker at all (on a busy machine one starts in a minute), and how long the head may
# be silent.
ROOM_SECONDS, SILENT_SECONDS = 180.0, 5.0
LOOK_SECONDS = 1.0
# So many workers are named when it is told who works on what.
NAMED = 3


@dataclass(eq=False)
class _Placed:
    """One worker, as the asking machine knows it; `piece` is what it works on, None until it has a place."""

    number: int
    actor: Any
    host: str = ""
    piece: int | None = None

    @property
    def name(self) -> str:
        return f"worker {self.number} on {self.host}" if self.host else f"worker {self.number}"


@dataclass
class _Course:
    """How far the pieces of one task are: which wait, and whom Ray was asked for what."""

    task: int
    pieces: Sequence[Piece]
    work: list[Any]
    waiting: deque[int]
    asked: dict[Any, _Placed] = field(default_factory=dict)
    free: list[_Placed] = field(default_factory=list)
    tries: Counter[int] = field(default_factory=Counter)


@dataclass
class Team:
    """Hands pieces to the workers of a cluster; see `pruning.sharing.Each`.

    `ray` is the library, connected; `kind` is the class that its actors are of.
    """

    ray: Any
    kind: type
    head: Address
    device: str
    wanted: int | None
    here: bool = False
    room: Room = field(init=False)
    team: list[_Placed] = field(default_factory=list)
    tasks: int = 0
    # When there was a worker last, when the head was last asked, and when it answered.
    manned: float = 0.0
    looked: float = 0.0
    answered: float = 0.0

    @property
    def workers(self) -> int:
        return self.room.workers

    def place(self) -> None:
        """Ask Ray for the workers. Raises PruningError where there is no room for any."""
        machines = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        room = self.room = room_for(machines, self.device, self.wanted)
        given = {"num_cpus": room.processors, "num_gpus": room.gpus}
        kind = self.ray.remote(max_restarts=RESTARTS, max_task_retries=0, **given)(self.kind)
        numbers = range(1, room.workers + 1)
        self.team = [_Placed(number, kind.remote(room.device, room.processors)) for number in numbers]

    def __call__(
        self,
        session: Any,
        begin: Callable[..., Callable[[Any], Any]],
        pieces: Sequence[Piece],
        common: Sequence[Any] = (),
        say: Callable[[str], None] = lambda note: None,
    ) -> Iterator[tuple[int, Any]]:
        if not self.team:
            self.place()
        self.tasks += 1
        work = [self.ray.put(sent_work(session, begin, common))]
        course = _Course(self.tasks, pieces, work, deque(range(len(pieces))))
        self.manned = self.looked = self.answered = time.monotonic()
        for worker in self.team:
            self._ask_where(course, worker)
        finished = False
        try:
            yield from self._shared_out(course, say)
            finished = True
        finally:
            if not finished:
                self._dismiss()

    def _dismiss(self) -> None:
        """Let the workers go: each would go on to the end of a piece that nobody waits for."""
        if answers(self.head):
            for worker in self.team:
                self.ray.kill(worker.actor)
        self.team = []

    def _shared_out(self, course: _Course, say: Callable[[str], None]) -> Iterator[tuple[int, Any]]:
        done = 0
        while done < len(course.pieces):
            while course.waiting and course.free:
                self._give(course, course.free.pop(), course.waiting.popleft())
            say(self._note(course.pieces))
            ready, _ = self.ray.wait([*course.asked], timeout=LOOK_SECONDS)
            self._check()
            for answer in ready:
                worker = course.asked.pop(answer)
                piece, worker.piece = worker.piece, None
                try:
                    value = self.ray.get(answer)
                except self.ray.exceptions.RayTaskError as error:
                    raise _told(worker, error) from error
                except self.ray.exceptions.RayError as error:
                    self._lost(course, worker, piece, error)
                    continue
                course.free.append(worker)
                if piece is None:
                    worker.host = value
                else:
                    done += 1
                    yield piece, value

    def _give(self, course: _Course, worker: _Placed, piece: int) -> None:
        worker.piece = piece
        value = course.pieces[piece].value
        course.asked[worker.actor.do.remote(course.task, course.work, value)] = worker

    def _ask_where(self, course: _Course, worker: _Placed) -> None:
        """Answered once the worker runs in its place, after a loss too."""
        worker.host, worker.piece = "", None
        course.asked[worker.actor.where.options(max_task_retries=-1).remote()] = worker

    def _lost(self, course: _Course, worker: _Placed, piece: int | None, error: Exception) -> None:
        """A worker was lost: its piece is done again, and Ray starts it again; three times, both."""
        if piece is not None:
            course.tries[piece] += 1
            if course.tries[piece] == TRIES:
                raise PruningError(
                    f"{TRIES} workers were lost over {course.pieces[piece].name}, {worker.name} last. Most "
                    "likely memory ran out there: ask for fewer workers (--ray-workers)."
                ) from error
            course.waiting.appendleft(piece)
        if isinstance(error, self.ray.exceptions.ActorDiedError):
            self.team.remove(worker)
            if not self.team:
                text = [line for line in str(error).splitlines() if line.strip()][-1].strip()
                raise PruningError(
                    f"The cluster has no worker any more: {text} Each machine needs prunescope[ray]."
                ) from error
            return
        self._ask_where(course, worker)

    def _check(self) -> None:
        """Raise PruningError where the cluster's head is gone, or nobody gets a place any more."""
        now = time.monotonic()
        if now - self.looked > LOOK_SECONDS:
            self.looked = now
            self.answered = now if answers(self.head) else self.answered
        if now - self.answered > SILENT_SECONDS:
            raise PruningError(
                f"The head of the cluster at {self.head[0]}:{self.head[1]} does not answer any more. What "
                "was finished before is kept: start the cluster again, then the same command."
            )
        if any(worker.host for worker in self.team):
            self.manned = now
        elif now - self.manned > ROOM_SECONDS:
            raise PruningError(
                f"No worker got a place on the cluster in {ROOM_SECONDS:.0f} seconds: others use its "
                "processors, or its machines are gone. `ray status` says which."
            )

    def _note(self, pieces: Sequence[Piece]) -> str:
        """Who works on what, and where there are fewer workers than were asked for."""
        busy = [
            f"{worker.name}: {pieces[worker.piece].name}" for worker in self.team if worker.piece is not None
        ]
        if not busy:
            return "Waiting for a place on the cluster"
        more = f" and {len(busy) - NAMED} more" if len(busy) > NAMED else ""
        room = self.room
        short = "" if room.asked is None else f"room for {room.workers} of {room.asked} workers; "
        return f"{short}{', '.join(busy[:NAMED])}{more}"


def _told(worker: _Placed, error: Any) -> Exception:
    """What a worker raised: what the user can mend as a sentence, anything else as it is."""
    cause = error.cause
    return PruningError(f"{worker.name}: {cause}") if isinstance(cause, PruningError) else error
