from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, cast

from pymongo import ASCENDING, IndexModel, ReturnDocument, UpdateOne

from omnihub.store.database import Database, Doc, Session, now
from omnihub.store.presence import PROCESS

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "errands": (
        IndexModel([("due", ASCENDING)]),
        IndexModel([("process", ASCENDING)], partialFilterExpression={"process": {"$exists": True}}),
    )
}

ERRANDS = "errands"


class Errand(TypedDict):
    """Something to be done once after a transaction. `_id` names the deed, so that it is noted once."""

    _id: str
    kind: str
    data: dict[str, Any]
    due: datetime
    attempts: int


class Errands:
    """Noted in the transaction that makes them necessary; done afterwards, by whoever takes them first."""

    def __init__(self, db: Database) -> None:
        self._errands = db["errands"]

    async def add(self, errands: Sequence[Errand], session: Session) -> None:
        writes = [
            UpdateOne(
                {"_id": errand["_id"]},
                {"$setOnInsert": {k: v for k, v in errand.items() if k != "_id"}},
                upsert=True,
            )
            for errand in errands
        ]
        if writes:
            await self._errands.bulk_write(writes, session=session)

    async def take(self, lease_seconds: float, *, but: Sequence[tuple[str, str]] = ()) -> Errand | None:
        """The longest due, not of these kinds for these accounts. It comes again after the lease, or when
        our process dies, unless it is done."""
        at = now()
        query: Doc = {"due": {"$lte": at}}
        if but:
            query["$nor"] = [{"kind": kind, "data.account_id": account_id} for kind, account_id in but]
        found: Doc | None = await self._errands.find_one_and_update(
            query,
            {"$set": {"due": at + timedelta(seconds=lease_seconds), "process": PROCESS}, "$inc": {"attempts": 1}},
            sort=[("due", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return cast("Errand | None", found)

    async def put_off(self, errand_id: str, seconds: float) -> None:
        due = now() + timedelta(seconds=seconds)
        await self._errands.update_one({"_id": errand_id}, {"$set": {"due": due}, "$unset": {"process": 1}})

    async def done(self, errand_id: str) -> None:
        await self._errands.delete_one({"_id": errand_id})
