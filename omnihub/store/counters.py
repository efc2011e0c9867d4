from collections.abc import Mapping, Sequence

from pymongo import IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from omnihub.store.database import Database

INDEXES: Mapping[str, Sequence[IndexModel]] = {"counters": ()}


class Counters:
    def __init__(self, db: Database) -> None:
        self._counters = db["counters"]

    async def take(self, name: str, count: int, start: int) -> range:
        """`count` numbers that nobody else gets. Numbers taken and not used are gaps, never repeats."""
        while True:
            try:
                found = await self._counters.find_one_and_update(
                    {"_id": name},
                    [{"$set": {"value": {"$add": [{"$ifNull": ["$value", start - 1]}, count]}}}],
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError:  # two processes created the counter at once
                continue
            last = int(found["value"])
            return range(last - count + 1, last + 1)

    async def give_back(self, name: str, unused: range | list[int]) -> None:
        """Returns the last numbers taken, unless somebody took more since: then they stay gaps."""
        if unused:
            await self._counters.update_one({"_id": name, "value": unused[-1]}, {"$set": {"value": unused[0] - 1}})
