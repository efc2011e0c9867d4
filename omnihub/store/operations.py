from collections.abc import Mapping, Sequence
from typing import cast

from pymongo import DESCENDING, IndexModel

from omnihub.model.documents import OperationDoc
from omnihub.model.errors import Conflict, NotFound
from omnihub.store.database import Database, Doc, Session, now

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "operations": (
        IndexModel([("ticket_ids", 1), ("_id", DESCENDING)]),
        IndexModel([("contact_ids", 1), ("_id", DESCENDING)]),
    )
}


class Operations:
    def __init__(self, db: Database) -> None:
        self._operations = db["operations"]

    async def add(self, operation: OperationDoc, session: Session) -> None:
        await self._operations.insert_one(cast("Doc", operation), session=session)

    async def get(self, operation_id: str, session: Session | None = None) -> OperationDoc:
        """Raises NotFound."""
        found = await self._operations.find_one({"_id": operation_id}, session=session)
        if found is None:
            raise NotFound("this operation does not exist")
        return cast("OperationDoc", found)

    async def of_ticket(self, ticket_id: str) -> list[OperationDoc]:
        found = self._operations.find({"ticket_ids": ticket_id}).sort("_id", DESCENDING).limit(50)
        return [cast("OperationDoc", doc) async for doc in found]

    async def of_contact(self, contact_id: str) -> list[OperationDoc]:
        found = self._operations.find({"contact_ids": contact_id}).sort("_id", DESCENDING).limit(50)
        return [cast("OperationDoc", doc) async for doc in found]

    async def mark_undone(self, operation_id: str, session: Session) -> None:
        """Raises Conflict when it is undone already."""
        result = await self._operations.update_one(
            {"_id": operation_id, "undone_at": None}, {"$set": {"undone_at": now()}}, session=session
        )
        if not result.matched_count:
            raise Conflict("this has been undone already")
