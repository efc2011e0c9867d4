"""What changed of the things that are found by words, in the order in which it was committed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.change_stream import DatabaseChangeStream
from pymongo.errors import OperationFailure

from omnihub.store.database import Database, Doc
from omnihub.store.events import FeedGap

# Capped position lost, invalid resume token, change stream history lost, token unknown.
_HISTORY_LOST = {136, 222, 260, 280, 286, 40576}
# What a cursor that was never ours is refused with.
_NO_CURSOR = {2, 9, 40647, 50811}

# What an entry is made from: a change of anything else is none to us.
_FIELDS = (
    *("text", "visible_text", "subject", "attachments", "ticket_id", "contact_id", "at", "extra\\.recalled_at"),
    *("wrap_up", "tags", "contact_name", "merged_into", "name", "identities"),
)
_WATCHED = ("messages", "tickets", "contacts")
_WAIT_MS = 500
_DEEDS = ("insert", "update", "replace", "delete")
_CHANGED = {
    "$concatArrays": [
        {
            "$map": {
                "input": {"$objectToArray": {"$ifNull": ["$updateDescription.updatedFields", {}]}},
                "in": "$$this.k",
            }
        },
        {"$ifNull": ["$updateDescription.removedFields", []]},
    ]
}
_PIPELINE: list[Doc] = [
    {"$match": {"ns.coll": {"$in": list(_WATCHED)}, "operationType": {"$in": list(_DEEDS)}}},
    {"$project": {"operationType": 1, "ns.coll": 1, "documentKey._id": 1, "clusterTime": 1, "fields": _CHANGED}},
    {
        "$match": {
            "$or": [
                {"operationType": {"$ne": "update"}},
                {"fields": {"$regex": rf"^({'|'.join(_FIELDS)})(\.|$)"}},
            ]
        }
    },
]


@dataclass(slots=True, frozen=True, kw_only=True)
class Changes:
    """The ids that changed, per collection. `cursor` stands after them; `at`: when the last was committed, None
    where nothing more is known to wait."""

    ids: Mapping[str, Sequence[str]]
    cursor: str
    at: datetime | None
    count: int


class ChangeFeed:
    """Reads changes many at a time: one by one they would cost more than what is made of them."""

    def __init__(self, db: Database) -> None:
        self._db = db.db.delegate
        self._stream: DatabaseChangeStream[Doc] | None = None

    async def open(self, cursor: str | None) -> None:
        """From this cursor on, or from now on. Raises FeedGap."""
        after = {"_data": cursor} if cursor else None
        try:
            self._stream = await _in_thread(
                lambda: self._db.watch(_PIPELINE, resume_after=after, max_await_time_ms=_WAIT_MS, batch_size=1000)
            )
        except OperationFailure as error:
            if _is_gap(error, resuming=cursor is not None):
                raise FeedGap(str(error)) from error
            raise

    async def take(self, limit: int) -> Changes:
        """What has come since, at most `limit`; waits half a second for it. Raises FeedGap."""
        stream = self._stream
        assert stream is not None
        try:
            taken: Changes = await _in_thread(lambda: _taken(stream, limit))
        except OperationFailure as error:
            if _is_gap(error, resuming=False):
                raise FeedGap(str(error)) from error
            raise
        return taken

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await _in_thread(stream.close)


def _is_gap(error: OperationFailure, *, resuming: bool) -> bool:
    return error.code in _HISTORY_LOST or (resuming and error.code in _NO_CURSOR)


def _taken(stream: "DatabaseChangeStream[Doc]", limit: int) -> Changes:
    ids: dict[str, dict[str, None]] = {}
    count, last = 0, None
    while count < limit and (change := stream.try_next()) is not None:
        ids.setdefault(change["ns"]["coll"], {})[change["documentKey"]["_id"]] = None
        last = change["clusterTime"]
        count += 1
    token: Mapping[str, Any] = stream.resume_token or {}
    at = last.as_datetime() if last is not None and count == limit else None
    found = {name: list(some) for name, some in ids.items()}
    return Changes(ids=found, cursor=token["_data"], at=at, count=count)


async def _in_thread(work: Any) -> Any:
    """Whoever is cancelled meanwhile waits for the thread: nobody else may use the stream before."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()  # nobody waits for its outcome any more
        raise
