"""What the raw engine does for the same minimal writes, measured in the same run as what it is compared with.

For one message: its document is inserted and its ticket's row updated, majority and journaled as the hub writes.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import InsertOne, MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database

from bench.documents import Sizes, message, rows, ticket
from bench.figures import Report, spread
from omnihub.model.ids import new_id
from omnihub.store import messages, tickets
from omnihub.store.database import DURABLE

Doc = dict[str, Any]
BATCH = 200
_TICKETS = 500


@contextmanager
def scratch(uri: str) -> Iterator[Database[Doc]]:
    with MongoClient[Doc](uri) as client:
        name = f"floor{new_id()}"
        try:
            yield client.get_database(name, write_concern=DURABLE)
        finally:
            client.drop_database(name)


class Writes:
    """Prepared documents, so that only their writing is measured."""

    def __init__(self, db: Database[Doc], *, indexed: bool) -> None:
        self._messages: Collection[Doc] = db["messages"]
        self._tickets: Collection[Doc] = db["tickets"]
        if indexed:
            self._messages.create_indexes(list(messages.INDEXES["messages"]))
            self._tickets.create_indexes(list(tickets.INDEXES["tickets"]))
        else:
            self._messages.create_index([("account_id", 1), ("external_id", 1)], unique=True)
        self._ids = [f"ticket-{number}" for number in range(_TICKETS)]
        made = rows(Sizes(tickets=_TICKETS, messages=0))
        self._tickets.insert_many({**row, "_id": one} for row, one in zip(made, self._ids, strict=True))

    def prepared(self, count: int) -> list[tuple[Doc, Doc, Doc]]:
        found = []
        for number in range(count):
            at = datetime.now(UTC) + timedelta(milliseconds=number)  # each moves its ticket's row in the lists
            owner = ticket(number % _TICKETS, at) | {"_id": self._ids[number % _TICKETS]}
            doc = message(owner, new_id(), number, at)
            changes = {"last_message_at": at, "last_inbound_id": doc["_id"], "waiting_since": at, "updated_at": at}
            update = {"$set": changes, "$inc": {"message_count": 1, "version": 1}}
            found.append((doc, {"_id": owner["_id"]}, update))
        return found

    def one_by_one(self, count: int) -> float:
        """Messages a second."""
        made = self.prepared(count)
        began = time.monotonic()
        for doc, query, update in made:
            self._messages.insert_one(doc)
            self._tickets.update_one(query, update)
        return count / (time.monotonic() - began)

    def in_batches(self, count: int) -> float:
        """Messages a second, in batches of 200."""
        made = list(batches(self.prepared(count)))
        began = time.monotonic()
        for batch in made:
            self._messages.bulk_write([InsertOne(doc) for doc, _, _ in batch], ordered=False)
            self._tickets.bulk_write([UpdateOne(query, update) for _, query, update in batch], ordered=False)
        return count / (time.monotonic() - began)


def batches(made: list[tuple[Doc, Doc, Doc]]) -> Iterator[tuple[tuple[Doc, Doc, Doc], ...]]:
    for start in range(0, len(made), BATCH):
        yield tuple(made[start : start + BATCH])


async def write_floors(report: Report, uri: str, *, singles: int, batched_messages: int) -> None:
    """Into the report, as messages/s. `minimal` has the one index that keeps messages apart; `indexed` all
    that the hub declares, which it needs to serve its lists."""

    def measure() -> None:
        for name, indexed in (("minimal", False), ("indexed", True)):
            with scratch(uri) as db:
                writes = Writes(db, indexed=indexed)
                writes.in_batches(BATCH)  # opens files and connections
                report.floors[f"{name}_batched_per_s"] = writes.in_batches(batched_messages)
                writes = Writes(db.client.get_database(f"{db.name}one", write_concern=DURABLE), indexed=indexed)
                report.floors[f"{name}_one_by_one_per_s"] = writes.one_by_one(singles)
                db.client.drop_database(f"{db.name}one")

    await asyncio.to_thread(measure)


def timed(work: Callable[[int], object], count: int) -> list[float]:
    """Seconds of each."""
    taken = []
    for number in range(count):
        began = time.monotonic()
        work(number)
        taken.append(time.monotonic() - began)
    return taken


async def journal_floor(report: Report, uri: str, count: int) -> None:
    """What one durable insert of a small document takes: no acknowledgement can be faster."""

    def measure() -> list[float]:
        with scratch(uri) as db:
            events = db["raw_events"]
            events.insert_one({"_id": "first"})
            body = b"x" * 700
            return timed(lambda number: events.insert_one({"_id": number, "body": body}), count)

    taken = await asyncio.to_thread(measure)
    report.floors |= {f"durable_insert_{name}": value for name, value in spread(taken).items()}


async def feed_floor(report: Report, uri: str, count: int) -> None:
    """From before a durable insert until the database's own change stream tells of it."""

    def measure() -> list[float]:
        with scratch(uri) as db:
            events = db["events"]
            events.insert_one({"_id": "first"})
            with events.watch(max_await_time_ms=1000) as stream:

                def once(number: int) -> None:
                    events.insert_one({"_id": number})
                    next(stream)

                return timed(once, count)

    taken = await asyncio.to_thread(measure)
    report.floors |= {f"insert_to_feed_{name}": value for name, value in spread(taken).items()}
