from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import cast

from pymongo import ASCENDING, DESCENDING, IndexModel

from omnihub.model.documents import AccessDoc
from omnihub.model.ids import id_from
from omnihub.store.database import Database, now

_SITTING = timedelta(minutes=10)
_MOST = 500

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "accesses": (
        IndexModel([("attachment_id", ASCENDING), ("user_id", ASCENDING), ("at", DESCENDING)]),
        IndexModel([("message_id", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
    )
}


class Accesses:
    """Who listened to which recording."""

    def __init__(self, db: Database) -> None:
        self._accesses = db["accesses"]

    async def note(self, *, attachment_id: str, message_id: str, ticket_id: str, user_id: str, name: str) -> None:
        """On disk when it returns. What the same user asks for within ten minutes counts as one."""
        at = now()
        again = {"$inc": {"requests": 1}, "$max": {"last_at": at}}
        sitting = {"attachment_id": attachment_id, "user_id": user_id, "at": {"$gt": at - _SITTING}}
        if (await self._accesses.update_one(sitting, again)).matched_count:
            return
        # A player asks for several pieces at once: the first of them meet under one id.
        of_ten_minutes = str(int(at.timestamp() // _SITTING.total_seconds()))
        begun = {
            "attachment_id": attachment_id,
            "message_id": message_id,
            "ticket_id": ticket_id,
            "user_id": user_id,
            "name": name,
            "at": at,
        }
        found = {"_id": id_from("access", attachment_id, user_id, of_ten_minutes)}
        await self._accesses.update_one(found, {**again, "$setOnInsert": begun}, upsert=True)

    async def of_message(self, message_id: str) -> list[AccessDoc]:
        """Newest first; the latest of very many."""
        found = self._accesses.find({"message_id": message_id})
        found = found.sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(_MOST)
        return [cast("AccessDoc", doc) async for doc in found]
