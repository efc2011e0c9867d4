import os
import socket
from collections.abc import Mapping, Sequence

from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError

from omnihub.model.ids import new_id
from omnihub.store.database import Database

INDEXES: Mapping[str, Sequence[IndexModel]] = {"leases": ()}


def holder_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()[-8:]}"


class Leases:
    """Who alone may do a thing for a while: listen to a mailbox, send for a conversation.
    Time is the database's, so that clocks of different machines do not matter."""

    def __init__(self, db: Database) -> None:
        self._leases = db["leases"]

    async def take(self, name: str, holder: str, seconds: float) -> bool:
        """Takes or renews. False while somebody else holds it."""
        free = {"$or": [{"$eq": ["$holder", holder]}, {"$lt": ["$until", "$$NOW"]}]}
        until = {"$add": ["$$NOW", int(seconds * 1000)]}
        try:
            await self._leases.update_one(
                {"_id": name, "$expr": free},
                [{"$set": {"holder": holder, "until": until}}],
                upsert=True,
            )
        except DuplicateKeyError:
            return False
        return True

    async def release(self, name: str, holder: str) -> None:
        await self._leases.delete_one({"_id": name, "holder": holder})
