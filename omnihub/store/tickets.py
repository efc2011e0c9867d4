from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from pymongo import ASCENDING, DESCENDING, IndexModel, InsertOne, UpdateOne

from omnihub.model.documents import OPEN_STATUSES, STATUSES, TicketDoc
from omnihub.model.errors import NotFound
from omnihub.store import paging
from omnihub.store.database import Database, Doc, Session, now

_NEWEST = [("last_message_at", DESCENDING), ("_id", DESCENDING)]

# `bucket` folds status, snooze, spam and merge into one equality, so that every list is one index scan.
INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel([("number", ASCENDING)], unique=True),
        IndexModel([("bucket", ASCENDING), *_NEWEST]),
        IndexModel([("bucket", ASCENDING), ("assignee_id", ASCENDING), *_NEWEST]),
        IndexModel([("bucket", ASCENDING), ("team_id", ASCENDING), *_NEWEST]),
        IndexModel([("bucket", ASCENDING), ("account_ids", ASCENDING), *_NEWEST]),
        IndexModel([("bucket", ASCENDING), ("channels", ASCENDING), *_NEWEST]),
        IndexModel([("bucket", ASCENDING), ("tags", ASCENDING), *_NEWEST]),
        IndexModel([("bucket", ASCENDING), ("waiting_since", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("bucket", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("status", ASCENDING), ("bucket", ASCENDING), *_NEWEST]),
        IndexModel([("contact_id", ASCENDING), *_NEWEST]),
        IndexModel([("last_message_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("snoozed_until", ASCENDING)], partialFilterExpression={"snoozed_until": {"$type": "date"}}),
    )
}

Bucket = Literal["active", "snoozed", "resolved", "closed", "spam", "merged"]
View = Literal["mine", "unassigned", "all"]
Sort = Literal["last_message_at", "waiting_since", "created_at"]
COUNT_LIMIT = 10_000


def bucket_of(ticket: Mapping[str, Any]) -> Bucket:
    if ticket["merged_into"]:
        return "merged"
    if ticket["spam"]:
        return "spam"
    if ticket["status"] not in OPEN_STATUSES:
        return cast("Bucket", ticket["status"])
    return "snoozed" if ticket["snoozed_until"] else "active"


@dataclass(slots=True, frozen=True, kw_only=True)
class Filter:
    """`status`: a status, "active" (open and not snoozed), "snoozed" or "any"."""

    view: View = "all"
    user_id: str = ""
    status: str = "active"
    channel: str = ""
    account_id: str = ""
    assignee_id: str = ""
    team_id: str = ""
    tag: str = ""
    contact_id: str = ""
    spam: bool = False
    sort: Sort = "last_message_at"


def _query(wanted: Filter) -> Doc:
    query: Doc = {}
    if wanted.spam:
        query["bucket"] = "spam"
    elif wanted.status in ("active", "snoozed"):
        query["bucket"] = wanted.status
    elif wanted.status in OPEN_STATUSES:
        query |= {"status": wanted.status, "bucket": {"$in": ["active", "snoozed"]}}
    elif wanted.status in STATUSES:
        query["bucket"] = wanted.status
    else:
        query["bucket"] = {"$in": ["active", "snoozed", "resolved", "closed"]}
    if wanted.view == "mine":
        query["assignee_id"] = wanted.user_id
    elif wanted.view == "unassigned":
        query["assignee_id"] = None
    if wanted.assignee_id:
        query["assignee_id"] = wanted.assignee_id
    exact = {"team_id": wanted.team_id, "contact_id": wanted.contact_id}
    query |= {name: value for name, value in exact.items() if value}
    within = {"channels": wanted.channel, "account_ids": wanted.account_id, "tags": wanted.tag}
    return query | {name: value for name, value in within.items() if value}


class Tickets:
    def __init__(self, db: Database) -> None:
        self._tickets = db["tickets"]

    async def page(self, wanted: Filter, cursor: str, limit: int) -> tuple[list[TicketDoc], str | None]:
        """Newest first, except by `waiting_since`: who has waited longest comes first."""
        query = _query(wanted)
        place = paging.decode(cursor)
        if wanted.sort == "waiting_since":
            order = [("waiting_since", ASCENDING), ("_id", ASCENDING)]
            query |= {"waiting_since": {"$gt": datetime.min}} if place is None else _longer(place)
        else:
            order = [(wanted.sort, DESCENDING), ("_id", DESCENDING)]
            query |= paging.older_than(place, wanted.sort)
        found = self._tickets.find(query).sort(order).limit(limit)
        page = [cast("TicketDoc", doc) async for doc in found]
        return page, paging.next_cursor(page, limit, wanted.sort)

    async def counts(self, user_id: str) -> dict[str, Any]:
        """Counts stop at COUNT_LIMIT: beyond that nobody reads the figure, and counting would cost."""

        async def count(query: Doc) -> int:
            return int(await self._tickets.count_documents(query, limit=COUNT_LIMIT))

        counted = {
            "mine": await count({"bucket": "active", "assignee_id": user_id}),
            "unassigned": await count({"bucket": "active", "assignee_id": None}),
            "all": await count({"bucket": "active"}),
            "snoozed": await count({"bucket": "snoozed"}),
            "spam": await count({"bucket": "spam"}),
        }
        by_status = {status: await count(_query(Filter(status=status))) for status in STATUSES}
        return {**counted, "by_status": by_status}

    async def get(self, ticket_id: str, session: Session | None = None) -> TicketDoc:
        """Raises NotFound."""
        return _ticket(await self._tickets.find_one({"_id": ticket_id}, session=session))

    async def final(self, ticket_id: str, session: Session | None = None) -> TicketDoc:
        """The ticket, or the one that it was merged into. Raises NotFound."""
        ticket = await self.get(ticket_id, session)
        while ticket["merged_into"]:
            ticket = await self.get(ticket["merged_into"], session)
        return ticket

    async def find(self, id_or_number: str) -> TicketDoc:
        """Raises NotFound."""
        number = id_or_number.removeprefix("#")
        query: Doc = {"number": int(number)} if number.isdigit() and len(number) < 15 else {"_id": id_or_number}
        return _ticket(await self._tickets.find_one(query))

    async def get_many(self, ids: Iterable[str], session: Session | None = None) -> dict[str, TicketDoc]:
        found = self._tickets.find({"_id": {"$in": list(ids)}}, session=session)
        return {doc["_id"]: cast("TicketDoc", doc) async for doc in found}

    async def by_numbers(self, numbers: Iterable[int], session: Session | None = None) -> dict[int, TicketDoc]:
        found = self._tickets.find({"number": {"$in": list(numbers)}}, session=session)
        return {doc["number"]: cast("TicketDoc", doc) async for doc in found}

    async def of_contacts(
        self, contact_ids: Iterable[str], session: Session | None = None
    ) -> dict[str, list[TicketDoc]]:
        """Their open tickets, newest first."""
        query = {"contact_id": {"$in": list(contact_ids)}, "bucket": {"$in": ["active", "snoozed"]}}
        tickets: dict[str, list[TicketDoc]] = {}
        async for doc in self._tickets.find(query, session=session).sort(_NEWEST):
            tickets.setdefault(doc["contact_id"], []).append(cast("TicketDoc", doc))
        return tickets

    async def save(
        self, new: Sequence[TicketDoc], changed: Mapping[str, Mapping[str, Any]], session: Session
    ) -> None:
        """`changed` holds per ticket the whole new state of the fields that changed, bucket included."""
        writes: list[InsertOne[Doc] | UpdateOne] = [
            InsertOne({**ticket, "bucket": bucket_of(cast("Doc", ticket))}) for ticket in new
        ]
        writes += [
            UpdateOne({"_id": ticket_id}, {"$set": {**fields, "updated_at": now()}, "$inc": {"version": 1}})
            for ticket_id, fields in changed.items()
        ]
        if writes:
            await self._tickets.bulk_write(writes, ordered=False, session=session)

    async def change(self, ticket_id: str, changes: Mapping[str, Any], session: Session) -> TicketDoc:
        """Sets fields and keeps the bucket right. Raises NotFound."""
        ticket = {**await self.get(ticket_id, session), **changes}
        fields = {**changes, "bucket": bucket_of(ticket)}
        await self.save((), {ticket_id: fields}, session)
        return await self.get(ticket_id, session)

    async def ids_of_contact(self, contact_id: str, session: Session | None = None) -> list[str]:
        found = self._tickets.find({"contact_id": contact_id}, {"_id": 1}, session=session)
        return [doc["_id"] async for doc in found]

    async def latest_of_contact(self, contact_id: str, limit: int) -> list[TicketDoc]:
        found = self._tickets.find({"contact_id": contact_id, "merged_into": None}).sort(_NEWEST).limit(limit)
        return [cast("TicketDoc", doc) async for doc in found]

    async def move_to_contact(
        self, ticket_ids: Sequence[str], contact_id: str, name: str, session: Session
    ) -> None:
        await self._tickets.update_many(
            {"_id": {"$in": list(ticket_ids)}},
            {"$set": {"contact_id": contact_id, "contact_name": name}, "$inc": {"version": 1}},
            session=session,
        )

    async def rename_contact(self, contact_id: str, name: str, session: Session) -> None:
        await self._tickets.update_many(
            {"contact_id": contact_id}, {"$set": {"contact_name": name}}, session=session
        )

    async def due_to_wake(self, limit: int) -> list[str]:
        found = self._tickets.find({"bucket": "snoozed", "snoozed_until": {"$lte": now()}}, {"_id": 1}).limit(
            limit
        )
        return [doc["_id"] async for doc in found]


def _longer(place: paging.Cursor) -> Doc:
    at, doc_id = place
    return {
        "waiting_since": {"$gte": at},
        "$or": [{"waiting_since": {"$gt": at}}, {"waiting_since": at, "_id": {"$gt": doc_id}}],
    }


def _ticket(found: Doc | None) -> TicketDoc:
    if found is None:
        raise NotFound("this ticket does not exist")
    return cast("TicketDoc", found)
