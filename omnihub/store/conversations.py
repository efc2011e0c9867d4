from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pymongo import ASCENDING, IndexModel, InsertOne, UpdateOne

from omnihub.model.documents import ConversationDoc
from omnihub.model.errors import NotFound
from omnihub.store.database import Database, Doc, Session

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "conversations": (
        IndexModel(
            [("account_id", ASCENDING), ("thread_key", ASCENDING)],
            unique=True,
            partialFilterExpression={"open": True},
        ),
        IndexModel([("ticket_id", ASCENDING)]),
        IndexModel([("contact_id", ASCENDING), ("account_id", ASCENDING)]),
    )
}


class Conversations:
    def __init__(self, db: Database) -> None:
        self._conversations = db["conversations"]

    async def get(self, conversation_id: str, session: Session | None = None) -> ConversationDoc:
        """Raises NotFound."""
        found = await self._conversations.find_one({"_id": conversation_id}, session=session)
        if found is None:
            raise NotFound("this conversation does not exist")
        return cast("ConversationDoc", found)

    async def get_many(self, ids: Iterable[str], session: Session | None = None) -> dict[str, ConversationDoc]:
        found = self._conversations.find({"_id": {"$in": list(ids)}}, session=session)
        return {doc["_id"]: cast("ConversationDoc", doc) async for doc in found}

    async def of_ticket(self, ticket_id: str, session: Session | None = None) -> list[ConversationDoc]:
        """Without those that were joined into another."""
        query = {"ticket_id": ticket_id, "joined_into": None}
        found = self._conversations.find(query, session=session).sort("_id", ASCENDING)
        return [cast("ConversationDoc", doc) async for doc in found]

    async def open_by_thread(
        self, keys: Iterable[tuple[str, str]], session: Session | None = None
    ) -> dict[tuple[str, str], ConversationDoc]:
        """`keys` are pairs of account id and thread key."""
        wanted: dict[str, list[str]] = {}
        for account_id, thread_key in keys:
            wanted.setdefault(account_id, []).append(thread_key)
        if not wanted:
            return {}
        query = {
            "open": True,
            "$or": [{"account_id": a, "thread_key": {"$in": threads}} for a, threads in wanted.items()],
        }
        found = self._conversations.find(query, session=session)
        return {(doc["account_id"], doc["thread_key"]): cast("ConversationDoc", doc) async for doc in found}

    async def save(
        self, new: Sequence[ConversationDoc], changed: Mapping[str, Mapping[str, Any]], session: Session
    ) -> None:
        # Changes first: one that ends frees its thread key for a new one.
        writes: list[InsertOne[Doc] | UpdateOne] = [
            UpdateOne({"_id": one}, {"$set": dict(fields)}) for one, fields in changed.items()
        ]
        writes += [InsertOne(cast("Doc", doc)) for doc in new]
        if writes:
            await self._conversations.bulk_write(writes, ordered=True, session=session)

    async def move_to_ticket(self, ids: Sequence[str], ticket_id: str, session: Session) -> None:
        """By hand: they are pinned there."""
        await self._conversations.update_many(
            {"_id": {"$in": list(ids)}}, {"$set": {"ticket_id": ticket_id, "pinned": True}}, session=session
        )

    async def unpin(self, ids: Sequence[str], session: Session) -> None:
        await self._conversations.update_many(
            {"_id": {"$in": list(ids)}}, {"$set": {"pinned": False}}, session=session
        )

    async def is_free(self, conversation: ConversationDoc, session: Session) -> bool:
        """Whether no other open conversation has its thread key."""
        key = (conversation["account_id"], conversation["thread_key"])
        taken = (await self.open_by_thread([key], session)).get(key)
        return taken is None or taken["_id"] == conversation["_id"]

    async def final(self, conversation_id: str, session: Session | None = None) -> ConversationDoc:
        """The conversation, or the one that it was joined into. Raises NotFound."""
        conversation = await self.get(conversation_id, session)
        while conversation["joined_into"]:
            conversation = await self.get(conversation["joined_into"], session)
        return conversation

    async def move_to_contact(self, ids: Sequence[str], contact_id: str, session: Session) -> None:
        await self._conversations.update_many(
            {"_id": {"$in": list(ids)}}, {"$set": {"contact_id": contact_id}}, session=session
        )

    async def remove(self, conversation_id: str, session: Session) -> None:
        await self._conversations.delete_one({"_id": conversation_id}, session=session)

    async def of_contact(self, contact_id: str, session: Session | None = None) -> list[ConversationDoc]:
        found = self._conversations.find({"contact_id": contact_id}, session=session)
        return [cast("ConversationDoc", doc) async for doc in found]

    async def confirm(self, conversation_id: str, key: str, session: Session) -> bool:
        """Marks one participant as confirmed. False when there is no such participant."""
        result = await self._conversations.update_one(
            {"_id": conversation_id, "participants.key": key},
            {"$set": {"participants.$.confirmed": True}},
            session=session,
        )
        return bool(result.matched_count)
