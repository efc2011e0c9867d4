import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from bson import Binary
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError, PyMongoError

from omnihub.model.errors import NotFound
from omnihub.model.ids import new_id
from omnihub.model.raw import RawEvent, RawRequest
from omnihub.store.bell import Bell
from omnihub.store.blobs import Blobs
from omnihub.store.database import Database, Doc, Session, now
from omnihub.store.pressure import Pressure

log = structlog.get_logger("omnihub.store")

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "raw_events": (
        IndexModel(
            [("account_id", ASCENDING), ("source_key", ASCENDING)],
            unique=True,
            partialFilterExpression={"source_key": {"$gt": ""}},
        ),
        IndexModel([("state", ASCENDING), ("received_at", ASCENDING)]),
        IndexModel([("state", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("account_id", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("blob", ASCENDING)], partialFilterExpression={"blob": {"$exists": True}}),
    )
}

INTAKE = "intake"
_GROUP_LIMIT = 500
_INLINE_BYTES = 262_144
_DUPLICATE_KEY = 11000
_PORTION_BYTES = 33_554_432
_SHOWN_BYTES = 1_048_576
# A body stored within this time may be about to be named by an event that is not written yet.
_SETTLING_SECONDS = 3600


class JournalUnavailable(Exception):
    """The raw event is not on disk: whoever handed it over must hand it over again."""


class JournalFull(JournalUnavailable):
    """It takes nothing more until the intake has caught up, or there is room on the disk again."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Entry:
    """`repeated`: this source key was journaled before, with a body of digest `digest`."""

    id: str
    repeated: bool
    digest: str


@dataclass(slots=True, frozen=True, kw_only=True)
class DeadLetter:
    """Of a large event only the beginning is shown; `size` is that of the whole."""

    event: RawEvent
    error: str
    received_at: datetime
    size: int


class Journal:
    """Raw events, byte for byte, on disk before anybody is told that we have them.

    Concurrent appends share one insert: while one group is being written the next gathers, so that load
    makes groups larger instead of queues longer.
    """

    def __init__(self, db: Database, bell: Bell, blobs: Blobs, pressure: Pressure) -> None:
        self._events = db["raw_events"]
        self._pressure = pressure
        self._bell = bell
        self._blobs = blobs
        self._pending: list[tuple[Doc, asyncio.Future[Entry]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(
        self, account_id: str, request: RawRequest, *, silent: bool = False, ring: bool = True
    ) -> Entry:
        """Without a ring the caller takes it in itself. Raises JournalUnavailable."""
        if self._pressure.closed:
            raise JournalFull(self._pressure.closed)
        doc = await self._document(account_id, request, silent)
        doc["ring"] = ring
        future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._pending.append((doc, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_groups())
        return await future

    async def append_many(
        self, account_id: str, requests: Sequence[RawRequest], *, silent: bool = False, ring: bool = True
    ) -> list[Entry]:
        appends = (self.append(account_id, request, silent=silent, ring=ring) for request in requests)
        return list(await asyncio.gather(*appends))

    async def _document(self, account_id: str, request: RawRequest, silent: bool) -> Doc:
        doc: Doc = {
            "_id": new_id(),
            "account_id": account_id,
            "source": request.source,
            "source_key": _storable(request.source_key),
            "method": request.method,
            "tail": _storable(request.tail),
            "query": _pairs(request.query),
            "headers": _pairs(request.headers),
            "remote": request.remote,
            "meta": dict(request.meta),
            "size": len(request.body),
            "digest": hashlib.sha256(request.body).hexdigest(),
            "received_at": request.received_at,
            "silent": silent,
            "state": "new",
            "attempts": 0,
            "error": "",
        }
        if len(request.body) <= _INLINE_BYTES:
            doc["body"] = Binary(request.body)
            return doc
        try:
            doc["blob"] = (await self._blobs.put([request.body]))[0]
        except PyMongoError as error:
            raise JournalUnavailable(str(error)) from error
        return doc

    async def _write_groups(self) -> None:
        while self._pending:
            group, self._pending = self._pending[:_GROUP_LIMIT], self._pending[_GROUP_LIMIT:]
            quiet = {doc["_id"] for doc, _ in group if not doc.pop("ring")}
            try:
                entries = await self._write([doc for doc, _ in group])
            except Exception as error:
                # Whoever waits must hear of it, whatever it was: an open call would hang, and its sender
                # would not hand the event over again.
                log.error("journal.unavailable", count=len(group), error=str(error))
                for _, future in group:
                    if not future.done():
                        future.set_exception(JournalUnavailable(str(error)))
                continue
            for (_, future), entry in zip(group, entries, strict=True):
                if not future.done():
                    future.set_result(entry)
            await self._bell.ring(INTAKE, [e.id for e in entries if not e.repeated and e.id not in quiet])

    async def _write(self, docs: list[Doc]) -> list[Entry]:
        repeated: set[int] = set()
        try:
            await self._events.insert_many(docs, ordered=False)
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if error.details.get("writeConcernErrors") or any(e["code"] != _DUPLICATE_KEY for e in failures):
                raise
            repeated = {int(e["index"]) for e in failures}
        return [
            await self._earlier(doc)
            if index in repeated
            else Entry(id=doc["_id"], repeated=False, digest=doc["digest"])
            for index, doc in enumerate(docs)
        ]

    async def _earlier(self, doc: Doc) -> Entry:
        found = await self._events.find_one(
            {"account_id": doc["account_id"], "source_key": doc["source_key"]}, {"digest": 1}
        )
        if found is None:
            raise PyMongoError("a raw event was refused as a repeat, but its first copy is gone")
        return Entry(id=found["_id"], repeated=True, digest=found["digest"])

    async def load(self, ids: Sequence[str]) -> list[RawEvent]:
        """Those of `ids` that still wait, oldest first. One whose body is gone becomes a dead letter."""
        found = self._events.find({"_id": {"$in": list(ids)}, "state": "new"}).sort("_id", ASCENDING)
        loaded = []
        async for doc in found:
            try:
                loaded.append(await self._event(doc))
            except NotFound as error:
                await self.fail(doc["_id"], str(error), dead=True)
        return loaded

    async def portions(self, ids: Sequence[str]) -> AsyncIterator[list[RawEvent]]:
        """As `load`, in parts that memory and one transaction can hold."""
        query = {"_id": {"$in": list(ids)}, "state": "new"}
        sizes = [(d["_id"], d["size"]) async for d in self._events.find(query, {"size": 1}).sort("_id", ASCENDING)]
        part: list[str] = []
        held = 0
        for one, size in sizes:
            if part and held + size > _PORTION_BYTES:
                yield await self.load(part)
                part, held = [], 0
            part.append(one)
            held += size
        if part:
            yield await self.load(part)

    async def waiting(self, older_than_seconds: float, limit: int) -> list[str]:
        """Ids of events that nobody has taken in yet, oldest first."""
        before = now() - timedelta(seconds=older_than_seconds)
        found = self._events.find({"state": "new", "received_at": {"$lte": before}}, {"_id": 1})
        return [doc["_id"] async for doc in found.sort("received_at", ASCENDING).limit(limit)]

    async def _event(self, doc: Doc) -> RawEvent:
        return _event(doc, bytes(doc["body"]) if "body" in doc else await self._blobs.get(doc["blob"]))

    async def get(self, event_id: str) -> RawEvent:
        """Raises NotFound: retention may have removed it."""
        doc = await self._events.find_one({"_id": event_id})
        if doc is None:
            raise NotFound("the original is no longer kept")
        return await self._event(doc)

    async def find(self, ids: Sequence[str]) -> list[RawEvent]:
        """Those of `ids` that are kept, taken in or not, oldest first."""
        found = self._events.find({"_id": {"$in": list(ids)}}).sort("_id", ASCENDING)
        return [await self._event(doc) async for doc in found]

    async def _beginning(self, doc: Doc) -> bytes:
        """Of the body as much as a person looks at; nothing where it is gone."""
        if "body" in doc:
            return bytes(doc["body"])
        begun = b""
        try:
            async for chunk in self._blobs.stream(doc["blob"]):
                begun += chunk
                if len(begun) >= _SHOWN_BYTES:
                    break
        except NotFound as error:
            log.warning("journal.body_lost", event_id=doc["_id"], error=str(error))
        return begun[:_SHOWN_BYTES]

    async def settle(self, ids: Sequence[str], session: Session) -> None:
        await self._events.update_many(
            {"_id": {"$in": list(ids)}}, {"$set": {"state": "done", "error": ""}}, session=session
        )

    async def fail(self, event_id: str, error: str, *, dead: bool) -> None:
        """Another attempt will follow, unless it is dead: then an admin decides."""
        change: Doc = {"$inc": {"attempts": 1}, "$set": {"error": error[:4000]}}
        if dead:
            change["$set"] |= {"state": "dead", "died_at": now()}
        await self._events.update_one({"_id": event_id, "state": "new"}, change)

    async def dead(self, *, before: str = "", limit: int = 50) -> list[DeadLetter]:
        """Newest first; `before` is the id that the last page ended with."""
        query: Doc = {"state": "dead"} | ({"_id": {"$lt": before}} if before else {})
        found = self._events.find(query).sort("_id", DESCENDING).limit(limit)
        return [await self._dead_letter(doc) async for doc in found]

    async def dead_letter(self, event_id: str) -> DeadLetter:
        doc = await self._events.find_one({"_id": event_id, "state": "dead"})
        if doc is None:
            raise NotFound("this is not a dead letter, or no longer one")
        return await self._dead_letter(doc)

    async def _dead_letter(self, doc: Doc) -> DeadLetter:
        return DeadLetter(
            event=_event(doc, await self._beginning(doc)),
            error=doc["error"],
            received_at=doc["received_at"],
            size=doc["size"],
        )

    async def replay(self, *, ids: Sequence[str] | None = None, states: Sequence[str] = ("dead",)) -> int:
        """Puts events back to be taken in: the given ones, or all in these states. Harmless when repeated."""
        query: Doc = {"state": {"$in": list(states)}}
        if ids is not None:
            query["_id"] = {"$in": list(ids)}
        result = await self._events.update_many(query, {"$set": {"state": "new", "attempts": 0, "error": ""}})
        await self._bell.ring(INTAKE, list(ids or ()))
        return int(result.modified_count)

    async def discard(self, event_id: str) -> None:
        result = await self._events.update_one(
            {"_id": event_id, "state": "dead"}, {"$set": {"state": "discarded", "discarded_at": now()}}
        )
        if not result.matched_count:
            raise NotFound("this is not a dead letter, or no longer one")

    async def counts(self) -> dict[str, Any]:
        oldest = await self._events.find_one({"state": "new"}, {"received_at": 1}, sort=[("received_at", 1)])
        return {
            "waiting": await self._events.count_documents({"state": "new"}, limit=100_000),
            "dead": await self._events.count_documents({"state": "dead"}, limit=100_000),
            "oldest_seconds": max(0.0, (now() - oldest["received_at"]).total_seconds()) if oldest else 0.0,
        }

    async def count_dead(self, ids: Sequence[str]) -> int:
        return int(await self._events.count_documents({"_id": {"$in": list(ids)}, "state": "dead"}))

    async def count_stored(self, account_id: str) -> int:
        return int(await self._events.count_documents({"account_id": account_id}))

    async def purge(self, *, done_before: datetime, dead_before: datetime) -> int:
        """Retention: removes settled events and old dead letters, and bodies that nothing else holds. Returns
        how many events went."""
        query = {
            "$or": [
                {"state": {"$in": ["done", "discarded"]}, "received_at": {"$lt": done_before}},
                {"state": "dead", "received_at": {"$lt": dead_before}},
            ]
        }
        bodies = {
            doc["blob"] async for doc in self._events.find({**query, "blob": {"$exists": True}}, {"blob": 1})
        }
        gone = int((await self._events.delete_many(query)).deleted_count)
        for digest in bodies:
            if not await self._events.find_one({"blob": digest}, {"_id": 1}):
                await self._blobs.forget(digest, unused_since=now() - timedelta(seconds=_SETTLING_SECONDS))
        return gone

    async def all_ids(self, account_id: str) -> AsyncIterator[str]:
        async for doc in self._events.find({"account_id": account_id}, {"_id": 1}).sort("_id", ASCENDING):
            yield doc["_id"]

    async def close(self) -> None:
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=10)

    async def oldest_waiting(self) -> dict[str, datetime]:
        """Per account since when its oldest event has waited; of a long queue only the oldest part is read."""
        pipeline: list[Doc] = [
            {"$match": {"state": "new"}},
            {"$sort": {"received_at": 1}},
            {"$limit": 10_000},
            {"$group": {"_id": "$account_id", "since": {"$min": "$received_at"}}},
        ]
        return {doc["_id"]: doc["since"] async for doc in self._events.aggregate(pipeline)}


def _event(doc: Doc, body: bytes) -> RawEvent:
    return RawEvent(
        id=doc["_id"],
        account_id=doc["account_id"],
        attempts=doc["attempts"],
        silent=doc["silent"],
        request=RawRequest(
            source=doc["source"],
            source_key=doc["source_key"],
            body=body,
            received_at=doc["received_at"],
            method=doc["method"],
            tail=doc["tail"],
            query=dict(doc["query"]),
            headers=dict(doc["headers"]),
            remote=doc["remote"],
            meta=doc["meta"],
        ),
    )


def _pairs(values: Mapping[str, str]) -> list[list[str]]:
    """Pairs, for names may hold dots and dollars; bytes that are no UTF-8 cannot be kept in strings."""
    return [[_storable(name), _storable(value)] for name, value in values.items()]


def _storable(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
