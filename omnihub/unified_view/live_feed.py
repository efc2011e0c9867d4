import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import cast

import structlog

from omnihub.model.documents import EventDoc
from omnihub.store.database import PyMongoError
from omnihub.store.events import Change, FeedGap
from omnihub.store.store import Store
from omnihub.unified_view import views

log = structlog.get_logger("omnihub.unified_view")

# Events that come within this time travel together, and share one read of their tickets' rows.
_GATHER_SECONDS = 0.004
_BATCH = 500
_RING_BYTES = 33_554_432
_LONGEST_PAUSE = 5.0
_FIRST_PAUSE = 0.1


class Behind(Exception):
    """What follows this cursor is no longer at hand here."""


@dataclass(slots=True, frozen=True)
class Batch:
    """Events in commit order, each with its cursor. `start` is the cursor before the first."""

    start: str
    end: str
    events: tuple[tuple[str, EventDoc], ...]
    tickets: Sequence[views.Doc]
    text: str

    def after(self, position: str) -> str:
        """The frame for a client that knows everything up to `position`."""
        if position <= self.start:
            return self.text
        rest = [event for cursor, event in self.events if cursor > position]
        return _frame(self.end, rest, self.tickets)


async def batch_of(store: Store, start: str, changes: Sequence[Change]) -> Batch:
    """With the rows of the tickets concerned, read once."""
    events = tuple((change.cursor, change.event) for change in changes if change.event is not None)
    ids = {event["ticket_id"] for _, event in events if event["ticket_id"]}
    rows = await store.tickets.get_many(ids) if ids else {}
    tickets = [views.ticket(row) for row in rows.values()]
    end = changes[-1].cursor
    return Batch(start, end, events, tickets, _frame(end, [event for _, event in events], tickets))


def _frame(cursor: str, events: Sequence[EventDoc], tickets: Sequence[views.Doc]) -> str:
    shown = [views.event(event) for event in events]
    return views.dumps({"type": "events", "cursor": cursor, "events": shown, "tickets": tickets}).decode()


class Feed:
    """The process's one follower of the database's events, and the ring of the latest that all clients read.

    `generation` changes when the thread was lost and everybody must start afresh."""

    def __init__(self, store: Store, capacity: int = 2_000) -> None:
        self._store = store
        self._capacity = capacity
        self._ring: deque[Batch] = deque()
        self._size = 0
        self._base = ""
        self._bells: set[asyncio.Event] = set()
        self._pause = _FIRST_PAUSE
        self.cursor: str | None = None
        self.generation = 0

    def subscribe(self, bell: asyncio.Event) -> None:
        self._bells.add(bell)

    def unsubscribe(self, bell: asyncio.Event) -> None:
        self._bells.discard(bell)

    def covers(self, position: str) -> bool:
        return self.cursor is not None and position >= self._base

    def after(self, position: str) -> list[Batch]:
        """Raises Behind."""
        if not self.covers(position):
            raise Behind
        newer: list[Batch] = []
        for batch in reversed(self._ring):
            if batch.end <= position:
                break
            newer.append(batch)
        return newer[::-1]

    async def run(self) -> None:
        """Until cancelled. Comes back by itself, from where it was, when the database was away."""
        while True:
            try:
                await self._follow()
            except FeedGap as gap:
                log.warning("live.gap", error=str(gap))
                self._start_afresh()
                await self._rest()
            except PyMongoError as error:
                log.warning("live.interrupted", error=str(error), retry_in=self._pause)
                await self._rest()
            except Exception:
                log.exception("live.failed", retry_in=self._pause)
                await self._rest()

    async def _rest(self) -> None:
        await asyncio.sleep(self._pause)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2)

    def _start_afresh(self) -> None:
        self._ring.clear()
        self._size = 0
        self.cursor, self._base = None, ""
        self.generation += 1

    async def _follow(self) -> None:
        stream = _Ahead(cast("AsyncGenerator[Change, None]", self._store.events.follow(self.cursor)))
        try:
            while True:
                await self._take(await _gathered(stream))
        except StopAsyncIteration:
            raise FeedGap("the collection of events was dropped") from None
        finally:
            await stream.close()

    async def _take(self, changes: Sequence[Change]) -> None:
        end = changes[-1].cursor
        if self.cursor is None:
            # What follows is complete from the first change on, which itself may not be the first of its moment.
            self._base = end
        elif any(change.event for change in changes):
            self._keep(await batch_of(self._store, self.cursor, changes))
        self.cursor = end
        self._pause = _FIRST_PAUSE
        for bell in self._bells:
            bell.set()

    def _keep(self, batch: Batch) -> None:
        self._ring.append(batch)
        self._size += len(batch.text)
        while len(self._ring) > self._capacity or (self._size > _RING_BYTES and len(self._ring) > 1):
            oldest = self._ring.popleft()
            self._size -= len(oldest.text)
            self._base = oldest.end


class _Ahead:
    """Asks for the next change while the last is at work, so that one can wait for it with a deadline: a
    generator that is cancelled half-way is lost."""

    def __init__(self, stream: AsyncGenerator[Change, None]) -> None:
        self._stream = stream
        self._next: asyncio.Future[Change] = asyncio.ensure_future(anext(stream))

    async def next(self) -> Change:
        change = await self._next
        self._next = asyncio.ensure_future(anext(self._stream))
        return change

    async def has_more_by(self, end: float) -> bool:
        await asyncio.wait({self._next}, timeout=max(0.0, end - asyncio.get_running_loop().time()))
        return self._next.done()

    async def close(self) -> None:
        self._next.cancel()
        await asyncio.gather(self._next, return_exceptions=True)
        await self._stream.aclose()


async def _gathered(stream: _Ahead) -> list[Change]:
    """The next change and, when it tells of something, those that come within a moment."""
    changes = [await stream.next()]
    end = asyncio.get_running_loop().time() + _GATHER_SECONDS
    while changes[0].event is not None and len(changes) < _BATCH and await stream.has_more_by(end):
        changes.append(await stream.next())
    return changes
