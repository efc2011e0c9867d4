from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from pymongo import ASCENDING, DESCENDING, ReturnDocument

from omnihub.model.documents import MessageDoc
from omnihub.store import paging
from omnihub.store.database import Database, Doc, Session, now
from omnihub.store.presence import PROCESS

OPEN_STATES = ("queued", "sending", "failed", "uncertain")
OUTBOUND = "outbound"
_RANK = {"queued": 0, "sending": 1, "uncertain": 2, "sent": 3, "failed": 4, "delivered": 5, "read": 6}


class Outbox:
    """Outbound messages by the state of their delivery. Its indexes stand with the messages."""

    def __init__(self, db: Database) -> None:
        self._messages = db["messages"]

    async def due(
        self, *, but_accounts: Sequence[str], but_conversations: Sequence[str] = (), limit: int
    ) -> list[tuple[str, str]]:
        """(account id, conversation id) of what should go out now, the longest due first."""
        query: Doc = {"delivery.state": "queued", "delivery.due": {"$lte": now()}}
        if but_accounts:
            query["account_id"] = {"$nin": list(but_accounts)}
        if but_conversations:
            query["conversation_id"] = {"$nin": list(but_conversations)}
        found = self._messages.find(query, {"account_id": 1, "conversation_id": 1})
        found = found.sort([("delivery.due", ASCENDING), ("_id", ASCENDING)]).limit(limit)
        return list(dict.fromkeys([(d["account_id"], d["conversation_id"]) async for d in found]))

    async def next_due(self, after: datetime | None = None) -> float | None:
        """Seconds until something falls due (of what falls due later than `after`); None when nothing waits."""
        query: Doc = {"delivery.state": "queued"} | ({"delivery.due": {"$gt": after}} if after else {})
        found = await self._messages.find_one(query, {"delivery.due": 1}, sort=[("delivery.due", ASCENDING)])
        return (found["delivery"]["due"] - now()).total_seconds() if found else None

    async def head(self, conversation_id: str) -> MessageDoc | None:
        """The first unsent message of a conversation; those behind it wait, so that order is kept."""
        found = await self._messages.find_one(
            {"conversation_id": conversation_id, "delivery.state": {"$in": ["queued", "sending"]}},
            sort=[("at", ASCENDING), ("_id", ASCENDING)],
        )
        return cast("MessageDoc | None", found)

    async def start(self, message_id: str, lease_seconds: float) -> MessageDoc | None:
        """queued and due → sending. None when it is no longer either."""
        at = now()
        found = await self._messages.find_one_and_update(
            {"_id": message_id, "delivery.state": "queued", "delivery.due": {"$lte": at}},
            {
                "$set": {
                    "delivery.state": "sending",
                    "delivery.lease_until": at + timedelta(seconds=lease_seconds),
                    "delivery.process": PROCESS,
                    "delivery.updated_at": at,
                },
                "$unset": {"delivery.abandoned": 1},
                "$inc": {"delivery.attempts": 1},
            },
            return_document=ReturnDocument.AFTER,
        )
        return cast("MessageDoc | None", found)

    async def abandoned(self, limit: int) -> list[MessageDoc]:
        """Those whose sender vanished between sending and saying so."""
        lost = [{"delivery.lease_until": {"$lt": now()}}, {"delivery.abandoned": True}]
        query = {"delivery.state": "sending", "$or": lost}
        return [cast("MessageDoc", doc) async for doc in self._messages.find(query).limit(limit)]

    async def change(
        self,
        message_id: str,
        from_states: Sequence[str],
        fields: Mapping[str, Any],
        session: Session | None = None,
    ) -> MessageDoc | None:
        """Sets delivery fields (and whole fields where the name holds no dot prefix `delivery`), only from one
        of these states. None when the message is in another."""
        found = await self._messages.find_one_and_update(
            {"_id": message_id, "delivery.state": {"$in": list(from_states)}},
            {"$set": {**fields, "delivery.updated_at": now()}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cast("MessageDoc | None", found)

    async def report(
        self, account_id: str, external_id: str, state: str, words: str, session: Session
    ) -> MessageDoc | None:
        """A provider's later word. Reports may come late and out of order: none takes a state back."""
        lower = [name for name, rank in _RANK.items() if rank < _RANK[state]]
        found = await self._messages.find_one_and_update(
            {
                "account_id": account_id,
                "direction": "outbound",
                "$or": [
                    {"external_id": external_id},
                    {"aliases": external_id, "aliases.0": {"$exists": True}},
                ],
                "delivery.state": {"$in": lower},
            },
            {
                "$set": {
                    "delivery.state": state,
                    "delivery.updated_at": now(),
                    **({"delivery.words": words} if words else {}),
                }
            },
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cast("MessageDoc | None", found)

    async def page(self, states: Sequence[str], cursor: str, limit: int) -> tuple[list[MessageDoc], str | None]:
        """Newest first."""
        query: Doc = {"delivery.state": {"$in": list(states)}}
        query |= paging.older_than(paging.decode(cursor), "at")
        found = self._messages.find(query).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        page = [cast("MessageDoc", doc) async for doc in found]
        return page, paging.next_cursor(page, limit, "at")

    async def counts(self) -> dict[str, int]:
        return {
            state: int(await self._messages.count_documents({"delivery.state": state}, limit=100_000))
            for state in OPEN_STATES
        }

    async def count_undelivered(self, ticket_id: str, session: Session) -> int:
        query = {"ticket_id": ticket_id, "delivery.state": {"$in": ["failed", "uncertain"]}}
        return int(await self._messages.count_documents(query, session=session))

    async def waiting_without(self, account_id: str, words: str, limit: int) -> list[str]:
        """Ids of an account's due messages that do not yet say why they wait."""
        query = {
            "account_id": account_id,
            "delivery.state": "queued",
            "delivery.due": {"$lte": now()},
            "delivery.words": {"$ne": words},
        }
        return [doc["_id"] async for doc in self._messages.find(query, {"_id": 1}).limit(limit)]

    async def page_of(
        self, user_id: str, states: Sequence[str], cursor: str, limit: int
    ) -> tuple[list[MessageDoc], str | None]:
        """What this user wrote, newest first."""
        query: Doc = {"delivery.state": {"$in": list(states)}, "sender.user_id": user_id}
        query |= paging.older_than(paging.decode(cursor), "at")
        found = self._messages.find(query).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        page = [cast("MessageDoc", doc) async for doc in found]
        return page, paging.next_cursor(page, limit, "at")
