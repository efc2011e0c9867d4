from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pymongo import DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from omnihub.model.documents import ActorDoc, EventDoc
from omnihub.model.ids import new_id
from omnihub.store import paging
from omnihub.store.database import Database, Doc, Session, now

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "events": (IndexModel([("ticket_id", 1), ("at", DESCENDING), ("_id", DESCENDING)]),)
}

SYSTEM = ActorDoc(kind="system", id="", name="omnihub")
# Capped position lost, invalid resume token, change stream history lost, token unknown.
_HISTORY_LOST = {136, 222, 260, 280, 286, 40576}
_IDLE_MS = 1_000


class FeedGap(Exception):
    """The cursor is older than what the database remembers of its changes: start afresh."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Change:
    """`cursor` sorts in commit order. Without an event it only moves the cursor on."""

    cursor: str
    event: EventDoc | None


def event(
    kind: str,
    ticket_id: str,
    *,
    actor: ActorDoc = SYSTEM,
    message_id: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> EventDoc:
    return EventDoc(
        _id=new_id(),
        type=kind,
        ticket_id=ticket_id,
        message_id=message_id,
        actor=actor,
        data=dict(data or {}),
        at=now(),
    )


class Events:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._events = db["events"]

    async def add(self, events: Sequence[EventDoc], session: Session | None = None) -> None:
        if events:
            await self._events.insert_many(cast("list[Doc]", list(events)), session=session)

    async def page(self, ticket_id: str, before: paging.Cursor | None, limit: int) -> list[EventDoc]:
        """Newest first."""
        query: Doc = {"ticket_id": ticket_id} | paging.older_than(before, "at")
        found = self._events.find(query).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [cast("EventDoc", doc) async for doc in found]

    async def follow(self, cursor: str | None) -> AsyncIterator[Change]:
        """Every event committed after `cursor`, in commit order, and on; from this moment on for None.

        The database's change stream gives the order: ids and times taken before a commit would let a slow
        transaction slip in behind a reader. Raises FeedGap.
        """
        after: Any = {"_data": cursor} if cursor else None
        pipeline = [{"$match": {"operationType": "insert"}}]
        try:
            async with self._events.watch(pipeline, resume_after=after, max_await_time_ms=_IDLE_MS) as stream:
                while stream.alive:
                    change = await stream.try_next()
                    token = cast("dict[str, str]", stream.resume_token)["_data"]
                    document = cast("EventDoc", change["fullDocument"]) if change else None
                    yield Change(cursor=token, event=document)
        except OperationFailure as error:
            if error.code in _HISTORY_LOST or (cursor and error.code in (2, 9, 40647, 50811)):
                raise FeedGap(str(error)) from error
            raise

    async def trail(
        self, ticket_id: str, before: paging.Cursor | None, limit: int, *, but: Sequence[str]
    ) -> list[EventDoc]:
        """Newest first, without the events of the types `but`."""
        query: Doc = {"ticket_id": ticket_id, "type": {"$nin": list(but)}} | paging.older_than(before, "at")
        found = self._events.find(query).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [cast("EventDoc", doc) async for doc in found]
