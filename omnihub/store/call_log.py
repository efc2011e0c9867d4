"""The calls among the messages, as they are looked for."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import ExecutionTimeout

from omnihub.model.documents import MessageDoc
from omnihub.model.errors import TryLater
from omnihub.store import paging
from omnihub.store.database import Database, Doc

_NEWEST = [("at", DESCENDING), ("_id", DESCENDING)]
_CALLS: Doc = {"kind": "call"}
_BY_TIME, _BY_STATE, _BY_NUMBER = "calls_by_time", "calls_by_state", "calls_by_number"
# What is asked beside the time stands in the first index as well: a rare answer is found among its keys,
# without reading the calls themselves. Among 300,000 calls that takes a second where nothing at all is found.
INDEXES: Sequence[IndexModel] = (
    IndexModel(
        [
            *_NEWEST,
            ("extra.call.state", ASCENDING),
            ("extra.call.direction", ASCENDING),
            ("extra.call.outcome", ASCENDING),
            ("extra.call.queue", ASCENDING),
            ("account_id", ASCENDING),
            ("sender.key", ASCENDING),
            ("extra.call.customer", ASCENDING),
        ],
        name=_BY_TIME,
        partialFilterExpression=_CALLS,
    ),
    IndexModel([("extra.call.state", ASCENDING), *_NEWEST], name=_BY_STATE, partialFilterExpression=_CALLS),
    IndexModel([("sender.key", ASCENDING), *_NEWEST], name=_BY_NUMBER, partialFilterExpression=_CALLS),
    IndexModel([("extra.call.agents", ASCENDING), *_NEWEST], partialFilterExpression=_CALLS),
    IndexModel([("extra.call.answered_by", ASCENDING), *_NEWEST], partialFilterExpression=_CALLS),
    IndexModel([("attachments.id", ASCENDING)], partialFilterExpression=_CALLS),
)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_GOING_ON = ("ringing", "queued", "talking", "held", "parked")
_BATCH = 500
# What a table of calls is made of.
_TABLE = (
    "account_id",
    "contact_id",
    "ticket_id",
    "sender",
    "attachments",
    "extra.call",
    "wrap_up",
    "sent_at",
    "at",
)
_LONGEST_MS = 15_000
# National numbers are this long at least: before that a leading zero belongs to the piece that is looked for.
_NATIONAL = 7


@dataclass(slots=True, frozen=True, kw_only=True)
class CallFilter:
    """`number`: one number as +4930…, or the digits that it ends with. `extension` rang or answered.
    From `since` on, and before `until`."""

    state: Literal["active", "ended", "any"] = "any"
    outcome: str = ""
    direction: str = ""
    account_id: str = ""
    number: str = ""
    extension: str = ""
    queue: str = ""
    since: datetime | None = None
    until: datetime | None = None


def digits_of(number: str) -> str:
    """Of a piece of a number. A whole one without its country code ends like the whole one with it."""
    digits = re.sub(r"[^0-9]", "", number)
    return digits.lstrip("0") if len(digits) >= _NATIONAL else digits


def is_whole(number: str) -> bool:
    return number.startswith("+")


def whole_number(number: str) -> str:
    return "+" + re.sub(r"[^0-9]", "", number)


def _query(wanted: CallFilter, place: paging.Cursor | None) -> Doc:
    """Where one of two fields will do, all of it stands in both branches: each is a scan by itself, and the two
    are merged in order."""
    whole = is_whole(wanted.number)
    every = [
        _CALLS,
        _exact(wanted),
        _of_state(wanted.state),
        _of_time(wanted, place),
        {"sender.key": f"phone:{wanted.number}"} if whole else {},
    ]
    either = [one for one in (_of_extension(wanted.extension), [] if whole else _of_ending(wanted.number)) if one]
    every += [{"$or": one} for one in either[1:]]
    common = [clause for clause in every if clause]
    if not either:
        return {"$and": common}
    return {"$or": [{"$and": [*common, one]} for one in either[0]]}


def _exact(wanted: CallFilter) -> Doc:
    exact = {
        "extra.call.outcome": wanted.outcome,
        "extra.call.direction": wanted.direction,
        "extra.call.queue": wanted.queue,
        "account_id": wanted.account_id,
    }
    return {name: value for name, value in exact.items() if value}


def _of_time(wanted: CallFilter, place: paging.Cursor | None) -> Doc:
    """Always bounded, as an index is entered by its first field only."""
    limits: Doc = {"$gte": wanted.since or _LONG_AGO}
    if wanted.until:
        limits["$lt"] = wanted.until
    if place is None:
        return {"at": limits}
    at, doc_id = place
    # Said without an "or": the planner would make branches of it.
    return {"at": {**limits, "$lte": at}, "$nor": [{"at": at, "_id": {"$gte": doc_id}}]}


def _of_state(state: str) -> Doc:
    if state == "active":
        return {"extra.call.state": {"$in": list(_GOING_ON)}}
    return {"extra.call.state": "ended"} if state == "ended" else {}


def _of_ending(number: str) -> list[Doc]:
    """An internal number is no identity: it stands in the call alone."""
    if not number:
        return []
    ending = {"$regex": f"{digits_of(number)}$"}
    return [{"sender.key": ending}, {"extra.call.customer": ending}]


def _of_extension(extension: str) -> list[Doc]:
    return [{"extra.call.agents": extension}, {"extra.call.answered_by": extension}] if extension else []


def _index_of(wanted: CallFilter) -> str | None:
    """Named rather than left to the planner, which judges by a trial of the moment. Two serve an extension,
    merged in order."""
    if wanted.number and is_whole(wanted.number):
        return _BY_NUMBER
    if wanted.extension:
        return None
    return _BY_STATE if wanted.state == "active" else _BY_TIME


class CallLog:
    def __init__(self, db: Database) -> None:
        self._messages = db["messages"]

    async def page(self, wanted: CallFilter, cursor: str, limit: int) -> tuple[list[MessageDoc], str | None]:
        """Newest first. Raises TryLater where looking takes too long."""
        page = await self._read(wanted, paging.decode(cursor), limit)
        return page, paging.next_cursor(page, limit, "at")

    async def batches(self, wanted: CallFilter, most: int) -> AsyncIterator[list[MessageDoc]]:
        """The same, to the end, with the fields of a table only. Each batch is asked for by itself: a database
        cursor would end while a slow reader takes the last."""
        place, left = None, most
        while left > 0:
            batch = await self._read(wanted, place, min(_BATCH, left), dict.fromkeys(_TABLE, 1))
            if batch:
                yield batch
                place = (batch[-1]["at"], batch[-1]["_id"])
            if len(batch) < _BATCH:
                return
            left -= len(batch)

    async def _read(
        self, wanted: CallFilter, place: paging.Cursor | None, limit: int, fields: Mapping[str, int] | None = None
    ) -> list[MessageDoc]:
        found = self._messages.find(_query(wanted, place), fields).sort(_NEWEST).limit(limit)
        found = found.max_time_ms(_LONGEST_MS)
        if index := _index_of(wanted):
            found = found.hint(index)
        try:
            return [cast("MessageDoc", doc) async for doc in found]
        except ExecutionTimeout as error:
            raise TryLater("this takes too long: choose a shorter time") from error

    async def with_file(self, attachment_id: str) -> MessageDoc | None:
        """The call that this is the recording of."""
        found = await self._messages.find_one({**_CALLS, "attachments.id": attachment_id})
        return cast("MessageDoc", found) if found else None
