from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from omnihub.store.database import Database
from omnihub.store.presence import process_of

# What a killed process left behind, and nobody freed, goes after a day.
INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "leases": (IndexModel([("until", ASCENDING)], expireAfterSeconds=86_400), IndexModel([("process", ASCENDING)]))
}


class Leases:
    """Who alone may do a thing for a while: listen to a mailbox, send for a conversation. `holder` is named by
    `presence.holder_name`: with its process the lease ends. Time is the database's, so that clocks of
    different machines do not matter."""

    def __init__(self, db: Database) -> None:
        self._leases = db["leases"]

    async def take(self, name: str, holder: str, seconds: float) -> bool:
        """Takes or renews. False while somebody else holds it."""
        # A missing `until` sorts below every time: a lease that nobody has had yet is free.
        free = {
            "$or": [
                {"$eq": ["$holder", holder]},
                {"$lt": [{"$ifNull": ["$until", datetime.min.replace(tzinfo=UTC)]}, "$$NOW"]},
            ]
        }
        until = {"$add": ["$$NOW", int(seconds * 1000)]}
        try:
            found = await self._leases.find_one_and_update(
                {"_id": name},
                [
                    {"$set": {"free": free}},
                    {
                        "$set": {
                            "holder": {"$cond": ["$free", holder, "$holder"]},
                            "process": {"$cond": ["$free", process_of(holder), "$process"]},
                            "until": {"$cond": ["$free", until, "$until"]},
                        }
                    },
                    {"$unset": "free"},
                ],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:  # somebody else made it at this very moment
            return False
        return bool(found["holder"] == holder)

    async def release(self, name: str, holder: str) -> None:
        await self._leases.delete_one({"_id": name, "holder": holder})
