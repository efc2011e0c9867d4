from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from omnihub.model.documents import ActorDoc, CallBackDoc
from omnihub.model.errors import Conflict, NotFound
from omnihub.store import paging
from omnihub.store.database import Database, Doc, Session, now

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "call_backs": (
        IndexModel(
            [("number", ASCENDING), ("account_id", ASCENDING)],
            unique=True,
            partialFilterExpression={"state": "open"},
        ),
        IndexModel([("message_ids", ASCENDING)]),
        IndexModel([("state", ASCENDING), ("due", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("state", ASCENDING), ("done_at", DESCENDING), ("_id", DESCENDING)]),
    ),
    # What decides about one number goes one after the other; a day later nobody waits for it any more.
    "call_turns": (IndexModel([("at", ASCENDING)], expireAfterSeconds=86_400),),
}

COUNT_LIMIT = 1_000
# A robot that calls for days is still one task; the latest ids are those that further updates may come for.
IDS_KEPT = 500


class CallBacks:
    """Whom to call back. At most one is open per account and number."""

    def __init__(self, db: Database) -> None:
        self._call_backs = db["call_backs"]
        self._turns = db["call_turns"]

    async def take_turn(self, number: str, session: Session) -> None:
        """Of two transactions that decide about one number the later begins anew: a missed call and the one
        that answers it may be taken in side by side, and neither would see the other."""
        change = {"$set": {"at": now()}, "$inc": {"turns": 1}}
        await self._turns.update_one({"_id": number}, change, upsert=True, session=session)

    async def get(self, call_back_id: str, session: Session | None = None) -> CallBackDoc:
        """Raises NotFound."""
        return _found(await self._call_backs.find_one({"_id": call_back_id}, session=session))

    async def page(
        self, state: Literal["open", "done"], cursor: str, limit: int
    ) -> tuple[list[CallBackDoc], str | None]:
        """Open ones: earliest due first. Done ones: newest first."""
        place = paging.decode(cursor)
        if state == "open":
            field, query = "due", {"state": "open"} | _later_than(place)
            order = [("due", ASCENDING), ("_id", ASCENDING)]
        else:
            field, query = "done_at", {"state": "done"} | paging.older_than(place, "done_at")
            order = [("done_at", DESCENDING), ("_id", DESCENDING)]
        found = self._call_backs.find(query).sort(order).limit(limit)
        page = [cast("CallBackDoc", doc) async for doc in found]
        return page, paging.next_cursor(page, limit, field)

    async def open_count(self) -> int:
        """Stops at COUNT_LIMIT."""
        return int(await self._call_backs.count_documents({"state": "open"}, limit=COUNT_LIMIT))

    async def open_of(self, number: str, session: Session) -> list[CallBackDoc]:
        """In all accounts."""
        found = self._call_backs.find({"number": number, "state": "open"}, session=session)
        return [cast("CallBackDoc", doc) async for doc in found]

    async def of_message(self, message_id: str, session: Session) -> CallBackDoc | None:
        """The latest that this call joined."""
        found = await self._call_backs.find_one(
            {"message_ids": message_id}, sort=[("_id", DESCENDING)], session=session
        )
        return cast("CallBackDoc | None", found)

    async def add(self, call_back: CallBackDoc, session: Session) -> None:
        """Raises DuplicateKeyError, or a write conflict, where another is open for this number."""
        await self._call_backs.insert_one(cast("Doc", call_back), session=session)

    async def change(self, call_back_id: str, fields: Mapping[str, Any], session: Session) -> None:
        await self._call_backs.update_one({"_id": call_back_id}, {"$set": dict(fields)}, session=session)

    async def finish(
        self,
        call_back_id: str,
        actor: ActorDoc | None,
        how: Literal["answered", "closed"],
        session: Session | None = None,
    ) -> CallBackDoc | None:
        """The call-back afterwards; None where it was done already, or does not exist."""
        found = await self._call_backs.find_one_and_update(
            {"_id": call_back_id, "state": "open"},
            {"$set": {"state": "done", "done_at": now(), "done_by": actor, "how": how}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cast("CallBackDoc | None", found)

    async def reopen(self, call_back_id: str, session: Session | None = None) -> CallBackDoc:
        """Raises NotFound; Conflict where another one is open for this number. One that is open stays so."""
        known = await self.get(call_back_id, session)
        if known["state"] == "open":
            return known
        taken = {"number": known["number"], "account_id": known["account_id"], "state": "open"}
        if await self._call_backs.find_one(taken, {"_id": 1}, session=session):
            raise Conflict("this number is to be called back already")
        try:
            found = await self._call_backs.find_one_and_update(
                {"_id": call_back_id},
                {"$set": {"state": "open", "done_at": None, "done_by": None, "how": ""}},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
        except DuplicateKeyError as error:  # it was opened at this very moment
            raise Conflict("this number is to be called back already") from error
        return _found(found)


def _later_than(place: paging.Cursor | None) -> Doc:
    if place is None:
        return {}
    at, doc_id = place
    return {"due": {"$gte": at}, "$or": [{"due": {"$gt": at}}, {"due": at, "_id": {"$gt": doc_id}}]}


def _found(doc: Doc | None) -> CallBackDoc:
    if doc is None:
        raise NotFound("this call-back does not exist")
    return cast("CallBackDoc", doc)
