import asyncio
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

# `bucket` folds status, snooze, spam and merge into one equality, and `lists` names every list that a ticket
# stands in, so that each is one scan of one index: within a transaction an update costs by the number of
# indexes, far more than by the number of keys in one.
INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel([("number", ASCENDING)], unique=True),
        IndexModel([("lists", ASCENDING), *_NEWEST]),
        IndexModel([("bucket", ASCENDING), ("waiting_since", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("bucket", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("contact_id", ASCENDING), *_NEWEST]),
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


def lists_of(ticket: Mapping[str, Any]) -> list[str]:
    """The lists that the ticket stands in, by bucket and by what narrows it."""
    bucket = bucket_of(ticket)
    narrower = [f"u:{ticket['assignee_id'] or ''}"]
    narrower += [f"t:{ticket['team_id']}"] if ticket["team_id"] else []
    narrower += [f"a:{one}" for one in ticket["account_ids"]]
    narrower += [f"c:{one}" for one in ticket["channels"]]
    narrower += [f"g:{one}" for one in ticket["tags"]]
    found = [bucket, *(f"{bucket}/{one}" for one in narrower)]
    return [*found, f"s:{ticket['status']}"] if bucket in ("active", "snoozed") else found


def places_of(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept with a ticket for its lists."""
    return {"bucket": bucket_of(ticket), "lists": lists_of(ticket)}


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


def _buckets(wanted: Filter) -> list[str]:
    if wanted.spam:
        return ["spam"]
    if wanted.status in ("active", "snoozed"):
        return [wanted.status]
    if wanted.status in OPEN_STATUSES:
        return ["active", "snoozed"]
    if wanted.status in STATUSES:
        return [wanted.status]
    return ["active", "snoozed", "resolved", "closed"]


def _query(wanted: Filter) -> Doc:
    """Without the place in a list by which it is found."""
    buckets = _buckets(wanted)
    query: Doc = {"bucket": buckets[0] if len(buckets) == 1 else {"$in": buckets}}
    if wanted.status in OPEN_STATUSES and not wanted.spam:
        query["status"] = wanted.status
    if (assignee := _assignee(wanted)) is not None:
        query["assignee_id"] = assignee or None
    exact = {"team_id": wanted.team_id, "contact_id": wanted.contact_id}
    query |= {name: value for name, value in exact.items() if value}
    within = {"channels": wanted.channel, "account_ids": wanted.account_id, "tags": wanted.tag}
    return query | {name: value for name, value in within.items() if value}


def _assignee(wanted: Filter) -> str | None:
    """ "" for nobody, None for anybody."""
    if wanted.assignee_id:
        return wanted.assignee_id
    return {"mine": wanted.user_id, "unassigned": ""}.get(wanted.view)


def _listed(wanted: Filter) -> Doc:
    """As `_query`, by way of the shortest list that holds them all. What the list's name says is not said twice:
    nothing leads the planner to an index of another order."""
    query = _query(wanted)
    if wanted.contact_id:
        return query
    del query["bucket"]
    assignee = _assignee(wanted)
    narrower = (
        f"u:{assignee}" if assignee else "",
        f"g:{wanted.tag}" if wanted.tag else "",
        f"t:{wanted.team_id}" if wanted.team_id else "",
        f"a:{wanted.account_id}" if wanted.account_id else "",
        f"c:{wanted.channel}" if wanted.channel else "",
        "u:" if assignee == "" else "",
    )
    chosen = next(filter(None, narrower), "")
    if chosen:
        names = [f"{bucket}/{chosen}" for bucket in _buckets(wanted)]
    else:
        names = [f"s:{query.pop('status')}"] if "status" in query else _buckets(wanted)
    return query | {"lists": names[0] if len(names) == 1 else {"$in": names}}


class Tickets:
    def __init__(self, db: Database) -> None:
        self._tickets = db["tickets"]

    async def page(self, wanted: Filter, cursor: str, limit: int) -> tuple[list[TicketDoc], str | None]:
        """Newest first, except by `waiting_since`: who has waited longest comes first."""
        query = _listed(wanted) if wanted.sort == "last_message_at" else _query(wanted)
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

        async def count(name: str) -> int:
            return int(await self._tickets.count_documents({"lists": name}, limit=COUNT_LIMIT))

        names = {
            "mine": f"active/u:{user_id}",
            "unassigned": "active/u:",
            "all": "active",
            "snoozed": "snoozed",
            "spam": "spam",
        }
        names |= {status: f"s:{status}" if status in OPEN_STATUSES else status for status in STATUSES}
        counted = dict(zip(names, await asyncio.gather(*map(count, names.values())), strict=True))
        by_status = {status: counted.pop(status) for status in STATUSES}
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
        """`changed` holds per ticket the whole new state of the fields that changed, `places_of` included."""
        writes: list[InsertOne[Doc] | UpdateOne] = [
            InsertOne({**ticket, **places_of(cast("Doc", ticket))}) for ticket in new
        ]
        writes += [
            UpdateOne({"_id": ticket_id}, {"$set": {**fields, "updated_at": now()}, "$inc": {"version": 1}})
            for ticket_id, fields in changed.items()
        ]
        if writes:
            await self._tickets.bulk_write(writes, ordered=False, session=session)

    async def change(self, ticket_id: str, changes: Mapping[str, Any], session: Session) -> TicketDoc:
        """Sets fields and keeps its lists right. Raises NotFound."""
        ticket = {**await self.get(ticket_id, session), **changes}
        fields = {**changes, **places_of(ticket)}
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


_PLACED_BY = dict.fromkeys(
    (
        "status",
        "spam",
        "snoozed_until",
        "merged_into",
        "assignee_id",
        "team_id",
        "account_ids",
        "channels",
        "tags",
    ),
    1,
)
_BATCH = 1_000


async def name_lists(db: Database) -> None:
    """Of tickets that were stored when each list had an index of its own. Harmless when repeated."""
    tickets = db["tickets"]
    waiting: list[UpdateOne] = []
    async for ticket in tickets.find({"lists": {"$exists": False}}, _PLACED_BY):
        waiting.append(UpdateOne({"_id": ticket["_id"]}, {"$set": places_of(ticket)}))
        if len(waiting) == _BATCH:
            await tickets.bulk_write(waiting, ordered=False)
            waiting = []
    if waiting:
        await tickets.bulk_write(waiting, ordered=False)
    wanted = {str(model.document["name"]) for model in INDEXES["tickets"]} | {"_id_"}
    for name in set(await tickets.index_information()) - wanted:
        await tickets.drop_index(name)
