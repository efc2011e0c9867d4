from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from omnihub.model.documents import AttachmentRef, MessageDoc
from omnihub.model.errors import NotFound
from omnihub.store import call_log, paging
from omnihub.store.database import Database, Doc, Session

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "messages": (
        IndexModel(
            [("account_id", ASCENDING), ("external_id", ASCENDING)],
            unique=True,
            partialFilterExpression={"external_id": {"$gt": ""}},
        ),
        IndexModel([("external_id", ASCENDING)]),
        IndexModel(
            [("account_id", ASCENDING), ("aliases", ASCENDING)],
            partialFilterExpression={"aliases.0": {"$exists": True}},
        ),
        IndexModel(
            [("account_id", ASCENDING), ("refs", ASCENDING)],
            partialFilterExpression={"refs.0": {"$exists": True}},
        ),
        IndexModel([("ticket_id", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("conversation_id", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("account_id", ASCENDING), ("at", ASCENDING), ("_id", ASCENDING)]),
        IndexModel(
            [("delivery.state", ASCENDING), ("delivery.due", ASCENDING), ("_id", ASCENDING)],
            partialFilterExpression={"delivery.state": {"$exists": True}},
        ),
        IndexModel([("delivery.state", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("to.key", ASCENDING), ("at", DESCENDING)], partialFilterExpression={"automatic": True}),
        *call_log.INDEXES,
    )
}

_EDITS_KEPT = 20
# Somebody who calls more often within hours is a machine.
_CALLS_OF_ONE = 200
# Of each earlier version: all of them stand in one document.
_EDIT_CHARACTERS = 20_000

# What placing a message needs to know of another one.
_LINK_FIELDS = {
    "account_id": 1,
    "external_id": 1,
    "aliases": 1,
    "refs": 1,
    "conversation_id": 1,
    "ticket_id": 1,
    "sender": 1,
    "to": 1,
    "cc": 1,
    "bulk": 1,
    "direction": 1,
    "fingerprint": 1,
    "at": 1,
}


class Messages:
    def __init__(self, db: Database) -> None:
        self._messages = db["messages"]

    async def get(self, message_id: str, session: Session | None = None) -> MessageDoc:
        """Raises NotFound."""
        found = await self._messages.find_one({"_id": message_id}, session=session)
        if found is None:
            raise NotFound("this message does not exist")
        return cast("MessageDoc", found)

    async def find(self, message_id: str) -> MessageDoc | None:
        found = await self._messages.find_one({"_id": message_id})
        return cast("MessageDoc", found) if found else None

    async def get_many(self, ids: Sequence[str]) -> list[MessageDoc]:
        """Oldest first."""
        found = self._messages.find({"_id": {"$in": list(ids)}}).sort([("at", 1), ("_id", 1)])
        return [cast("MessageDoc", doc) async for doc in found]

    async def known(self, account_id: str, external_ids: Iterable[str]) -> set[str]:
        query = {"account_id": account_id, "external_id": {"$in": list(external_ids)}}
        return {doc["external_id"] async for doc in self._messages.find(query, {"external_id": 1})}

    async def named(self, wanted: Mapping[str, set[str]], session: Session | None = None) -> list[MessageDoc]:
        """Per account id, the messages that go by one of these ids."""
        clauses: list[Doc] = []
        for account_id, ids in wanted.items():
            among = {"$in": list(ids)}
            clauses.append({"account_id": account_id, "external_id": among})
            clauses.append({"account_id": account_id, "aliases": among, "aliases.0": {"$exists": True}})
        return await self._links(clauses, session)

    async def referring(self, wanted: Mapping[str, set[str]], session: Session | None = None) -> list[MessageDoc]:
        """Per account id, the messages that point at one of these ids."""
        clauses: list[Doc] = [
            {"account_id": account_id, "refs": {"$in": list(ids)}, "refs.0": {"$exists": True}}
            for account_id, ids in wanted.items()
            if ids
        ]
        return await self._links(clauses, session)

    async def _links(self, clauses: list[Doc], session: Session | None) -> list[MessageDoc]:
        if not clauses:
            return []
        found = self._messages.find({"$or": clauses}, _LINK_FIELDS, session=session)
        return [cast("MessageDoc", doc) async for doc in found]

    async def copies(self, external_ids: Iterable[str], session: Session | None = None) -> list[MessageDoc]:
        """The same ids in any account: the mail that was sent to two of our mailboxes."""
        query = {"external_id": {"$in": [one for one in external_ids if one]}}
        return [cast("MessageDoc", d) async for d in self._messages.find(query, _LINK_FIELDS, session=session)]

    async def insert(self, docs: Sequence[MessageDoc], session: Session) -> None:
        """Raises BulkWriteError or a write conflict when one of them is stored already."""
        if docs:
            await self._messages.insert_many(cast("list[Doc]", list(docs)), ordered=True, session=session)

    async def page(self, ticket_id: str, before: paging.Cursor | None, limit: int) -> list[MessageDoc]:
        """Newest first."""
        query: Doc = {"ticket_id": ticket_id} | paging.older_than(before, "at")
        found = self._messages.find(query).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [cast("MessageDoc", doc) async for doc in found]

    async def inbound_since(
        self, ticket_id: str, seen: str | None, session: Session | None = None
    ) -> list[MessageDoc]:
        """The customer's messages after the one with id `seen` (all for None), oldest first."""
        query: Doc = {"ticket_id": ticket_id, "direction": "inbound"}
        if seen:
            last = await self.get(seen, session)
            query["$or"] = [{"at": {"$gt": last["at"]}}, {"at": last["at"], "_id": {"$gt": seen}}]
        found = self._messages.find(query, session=session).sort([("at", 1), ("_id", 1)]).limit(50)
        return [cast("MessageDoc", doc) async for doc in found]

    async def thread(self, conversation_id: str, limit: int) -> list[MessageDoc]:
        """The latest of a conversation, oldest first, notes left out."""
        query = {"conversation_id": conversation_id, "direction": {"$ne": "note"}}
        found = self._messages.find(query).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [cast("MessageDoc", doc) async for doc in found][::-1]

    async def move_conversations(self, conversation_ids: Sequence[str], ticket_id: str, session: Session) -> None:
        await self._messages.update_many(
            {"conversation_id": {"$in": list(conversation_ids)}},
            {"$set": {"ticket_id": ticket_id}},
            session=session,
        )

    async def move(self, query: Mapping[str, Any], conversation_id: str, ticket_id: str, session: Session) -> int:
        result = await self._messages.update_many(
            dict(query),
            {"$set": {"conversation_id": conversation_id, "ticket_id": ticket_id}},
            session=session,
        )
        return int(result.modified_count)

    async def ids_of_conversation(self, conversation_id: str, session: Session) -> list[str]:
        found = self._messages.find({"conversation_id": conversation_id}, {"_id": 1}, session=session)
        return [doc["_id"] async for doc in found]

    async def of_ticket(
        self, ticket_id: str, session: Session, fields: Mapping[str, int] | None = None
    ) -> list[MessageDoc]:
        found = self._messages.find({"ticket_id": ticket_id}, fields, session=session)
        return [cast("MessageDoc", doc) async for doc in found.sort([("at", 1), ("_id", 1)])]

    async def of_tickets(
        self, ticket_ids: Sequence[str], session: Session, fields: Mapping[str, int] | None = None
    ) -> list[MessageDoc]:
        """Oldest first."""
        found = self._messages.find({"ticket_id": {"$in": list(ticket_ids)}}, fields, session=session)
        return [cast("MessageDoc", doc) async for doc in found.sort([("at", 1), ("_id", 1)])]

    async def count_of_conversation(self, conversation_id: str, session: Session) -> int:
        return int(await self._messages.count_documents({"conversation_id": conversation_id}, session=session))

    async def ids_of_notes(self, ticket_id: str, session: Session) -> list[str]:
        found = self._messages.find({"ticket_id": ticket_id, "direction": "note"}, {"_id": 1}, session=session)
        return [doc["_id"] async for doc in found]

    async def export(self, account_id: str) -> AsyncIterator[MessageDoc]:
        """All of an account, in the order of time."""
        found = self._messages.find({"account_id": account_id}).sort([("at", 1), ("_id", 1)])
        async for doc in found:
            yield cast("MessageDoc", doc)

    async def count_of_account(self, account_id: str) -> int:
        return int(await self._messages.count_documents({"account_id": account_id}))

    async def set_fields(self, message_id: str, fields: Mapping[str, Any], session: Session) -> None:
        await self._messages.update_one({"_id": message_id}, {"$set": dict(fields)}, session=session)

    async def parts(self, conversation_id: str, reply_id: str, session: Session) -> list[str]:
        """Ids of the messages that one answer went out as."""
        query = {"conversation_id": conversation_id, "extra.reply_id": reply_id}
        return [doc["_id"] async for doc in self._messages.find(query, {"_id": 1}, session=session)]

    async def put_attachment(self, message_id: str, ref: AttachmentRef, session: Session) -> MessageDoc | None:
        """In the place that was kept for it. The message afterwards; None where it has no such place."""
        found = await self._messages.find_one_and_update(
            {"_id": message_id, "attachments.id": ref["id"]},
            {"$set": {"attachments.$": dict(ref)}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cast("MessageDoc | None", found)

    async def add_part(self, message_id: str, part: MessageDoc, session: Session) -> None:
        """What came as another part of the same message, such as the next picture of an album."""
        more: Doc = {
            "attachments": {"$concatArrays": ["$attachments", {"$literal": part["attachments"]}]},
            "aliases": {"$setUnion": ["$aliases", [part["external_id"]]]},
        }
        for name in ("text", "visible_text"):
            if added := part[name]:
                joined = {"$concat": [f"${name}", "\n", {"$literal": added}]}
                more[name] = {"$cond": [{"$eq": [f"${name}", ""]}, {"$literal": added}, joined]}
        await self._messages.update_one({"_id": message_id}, [{"$set": more}], session=session)

    async def amend(self, message_id: str, new: Mapping[str, Any], at: datetime, session: Session) -> bool:
        """The author's new words; the old ones are kept. False where nothing new is said, or a later version
        is known already. What we send is changed by nobody."""
        query = {
            "_id": message_id,
            "delivery": None,
            "$or": [{"extra.edited_at": {"$exists": False}}, {"extra.edited_at": {"$lt": at}}],
        }
        known = {"$ifNull": ["$extra.edits", []]}
        text = {"$substrCP": ["$text", 0, _EDIT_CHARACTERS]}
        version = {"at": {"$ifNull": ["$extra.edited_at", "$at"]}, "text": text}
        added = {"$slice": [{"$concatArrays": [known, [version]]}, -_EDITS_KEPT]}
        same = {"$eq": ["$text", {"$literal": new["text"]}]}
        changes: Doc = {
            "extra.edits": {"$cond": [same, {"$ifNull": ["$extra.edits", "$$REMOVE"]}, added]},
            # Of the same words as well, so that an older version that comes late does not replace them.
            "extra.edited_at": {"$literal": at},
        }
        fields = {name: {"$literal": value} for name, value in new.items()}
        before = await self._messages.find_one_and_update(
            query, [{"$set": changes}, {"$set": fields}], {"text": 1}, session=session
        )
        return before is not None and bool(before["text"] != new["text"])

    async def update_state(
        self, message_id: str, fields: Mapping[str, Any], sequence: int, session: Session
    ) -> bool:
        """How things stand now. False where a later version is known already."""
        query = {
            "_id": message_id,
            "$or": [{"extra.sequence": {"$exists": False}}, {"extra.sequence": {"$lte": sequence}}],
        }
        changes = {**fields, "extra.sequence": sequence}
        result = await self._messages.update_one(query, {"$set": changes}, session=session)
        return bool(result.modified_count)

    async def calls_of(self, key: str, since: datetime, session: Session) -> list[MessageDoc]:
        """The latest calls with this number that were heard of since then, in all accounts; newest first."""
        query = {"kind": "call", "sender.key": key, "at": {"$gte": since}}
        found = self._messages.find(query, session=session).sort([("at", DESCENDING), ("_id", DESCENDING)])
        return [cast("MessageDoc", doc) async for doc in found.limit(_CALLS_OF_ONE)]

    async def begins(self, message: MessageDoc, session: Session) -> bool:
        """Whether nothing else stood in its ticket before it."""
        earlier: Doc = {
            "ticket_id": message["ticket_id"],
            "direction": {"$ne": "note"},
            "$or": [{"at": {"$lt": message["at"]}}, {"at": message["at"], "_id": {"$lt": message["_id"]}}],
        }
        return await self._messages.find_one(earlier, {"_id": 1}, session=session) is None

    async def add_places(self, message_id: str, places: Sequence[AttachmentRef], session: Session) -> None:
        """For further lent files; those that are there already stay as they are."""
        for place in places:
            query = {"_id": message_id, "attachments.id": {"$ne": place["id"]}}
            await self._messages.update_one(query, {"$push": {"attachments": dict(place)}}, session=session)

    async def mark_recalled(self, message_id: str, at: datetime, session: Session) -> bool:
        """False where that is known already."""
        query = {"_id": message_id, "extra.recalled_at": {"$exists": False}}
        result = await self._messages.update_one(query, {"$set": {"extra.recalled_at": at}}, session=session)
        return bool(result.modified_count)

    async def count_automatic(self, key: str, since: datetime) -> int:
        """Automatic answers sent to this handle lately."""
        query = {"to.key": key, "automatic": True, "direction": "outbound", "at": {"$gte": since}}
        return int(await self._messages.count_documents(query, limit=100))

    async def answers_since(
        self, ticket_id: str, after: datetime | None, session: Session | None = None
    ) -> list[MessageDoc]:
        """What people answered, through us or in another program, and did not take back; oldest first."""
        query: Doc = {
            "ticket_id": ticket_id,
            "direction": "outbound",
            "automatic": False,
            "delivery.state": {"$ne": "cancelled"},
        }
        if after is not None:
            query["at"] = {"$gt": after}
        found = self._messages.find(query, session=session).sort([("at", 1), ("_id", 1)]).limit(50)
        return [cast("MessageDoc", doc) async for doc in found]
