from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pymongo import ASCENDING, DESCENDING, IndexModel, InsertOne, UpdateOne

from omnihub.model.documents import ContactDoc, IdentityDoc
from omnihub.model.errors import NotFound
from omnihub.store import paging
from omnihub.store.database import Database, Doc, Session, now

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "identities": (
        IndexModel([("contact_id", ASCENDING)]),
        IndexModel([("claims", ASCENDING)], partialFilterExpression={"claims.0": {"$exists": True}}),
    ),
    "contacts": (
        IndexModel([("merged_into", ASCENDING), ("updated_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("words", ASCENDING), ("updated_at", DESCENDING)]),
    ),
}


def search_words(contact: Mapping[str, Any]) -> list[str]:
    """What a contact is found by: the lower-cased name, its words, and its handles with and without prefix."""
    name = str(contact["name"]).casefold()
    handles = [key.rpartition(":")[2].casefold() for key in contact["identities"]]
    return sorted({name, *name.split(), *handles} - {""})


class Contacts:
    """People and their handles. A handle's document has the handle as its id, which makes it unique."""

    def __init__(self, db: Database) -> None:
        self._contacts = db["contacts"]
        self._identities = db["identities"]

    async def identities(self, keys: Iterable[str], session: Session | None = None) -> dict[str, IdentityDoc]:
        found = self._identities.find({"_id": {"$in": list(keys)}}, session=session)
        return {doc["_id"]: cast("IdentityDoc", doc) async for doc in found}

    async def identities_of(self, contact_id: str, session: Session | None = None) -> list[IdentityDoc]:
        found = self._identities.find({"contact_id": contact_id}, session=session).sort("created_at", 1)
        return [cast("IdentityDoc", doc) async for doc in found]

    async def claims_of(self, contact_ids: Iterable[str], session: Session | None = None) -> dict[str, set[str]]:
        """Per contact, the handles that it named as its own and has not proven."""
        query = {"contact_id": {"$in": list(contact_ids)}, "claims.0": {"$exists": True}}
        claims: dict[str, set[str]] = {}
        async for doc in self._identities.find(query, {"contact_id": 1, "claims": 1}, session=session):
            claims.setdefault(doc["contact_id"], set()).update(doc["claims"])
        return claims

    async def claimants(self, key: str, limit: int) -> list[IdentityDoc]:
        """The handles of those who named this one as theirs without proving it."""
        found = self._identities.find({"claims": key, "claims.0": {"$exists": True}}).limit(limit)
        return [cast("IdentityDoc", doc) async for doc in found]

    async def get(self, contact_id: str, session: Session | None = None) -> ContactDoc:
        """Raises NotFound."""
        found = await self._contacts.find_one({"_id": contact_id}, {"words": 0}, session=session)
        if found is None:
            raise NotFound("this contact does not exist")
        return cast("ContactDoc", found)

    async def final(self, contact_id: str, session: Session | None = None) -> ContactDoc:
        """The contact, or the one that it was merged into. Raises NotFound."""
        contact = await self.get(contact_id, session)
        while contact["merged_into"]:
            contact = await self.get(contact["merged_into"], session)
        return contact

    async def get_many(self, ids: Iterable[str], session: Session | None = None) -> dict[str, ContactDoc]:
        found = self._contacts.find({"_id": {"$in": list(ids)}}, {"words": 0}, session=session)
        return {doc["_id"]: cast("ContactDoc", doc) async for doc in found}

    async def save(
        self,
        new_contacts: Sequence[ContactDoc],
        new_identities: Sequence[IdentityDoc],
        session: Session,
    ) -> None:
        """Raises DuplicateKeyError or a write conflict when somebody else made one of the identities."""
        if new_contacts:
            writes = [InsertOne({**c, "words": search_words(c)}) for c in new_contacts]
            await self._contacts.bulk_write(writes, ordered=False, session=session)
        if new_identities:
            await self._identities.insert_many(cast("list[Doc]", list(new_identities)), session=session)

    async def change(self, contact_id: str, changes: Mapping[str, Any], session: Session) -> ContactDoc:
        contact = {**await self.get(contact_id, session), **changes, "updated_at": now()}
        fields = {**changes, "updated_at": contact["updated_at"], "words": search_words(contact)}
        await self._contacts.update_one({"_id": contact_id}, {"$set": fields}, session=session)
        return cast("ContactDoc", contact)

    async def add_handles(self, handles: Mapping[str, Sequence[str]], session: Session) -> None:
        """Per contact id, further handles that are its own now; they are found by them too."""
        writes = [
            UpdateOne(
                {"_id": contact_id},
                {
                    "$addToSet": {
                        "identities": {"$each": list(keys)},
                        "words": {"$each": [key.rpartition(":")[2].casefold() for key in keys]},
                    },
                    "$set": {"updated_at": now()},
                },
            )
            for contact_id, keys in handles.items()
        ]
        if writes:
            await self._contacts.bulk_write(writes, ordered=False, session=session)

    async def rename_identities(self, names: Mapping[str, str], session: Session) -> None:
        writes = [UpdateOne({"_id": key}, {"$set": {"name": name}}) for key, name in names.items()]
        if writes:
            await self._identities.bulk_write(writes, ordered=False, session=session)

    async def add_claims(self, key: str, claims: Sequence[str], session: Session) -> None:
        added = {"$addToSet": {"claims": {"$each": list(claims)}}}
        await self._identities.update_one({"_id": key}, added, session=session)

    async def move_identities(self, keys: Sequence[str], contact_id: str, evidence: str, session: Session) -> None:
        await self._identities.update_many(
            {"_id": {"$in": list(keys)}},
            {"$set": {"contact_id": contact_id, "evidence": evidence}},
            session=session,
        )

    async def restore_identities(self, identities: Sequence[Mapping[str, Any]], session: Session) -> None:
        writes = [
            UpdateOne({"_id": i["_id"]}, {"$set": {"contact_id": i["contact_id"], "evidence": i["evidence"]}})
            for i in identities
        ]
        if writes:
            await self._identities.bulk_write(writes, ordered=False, session=session)

    async def page(self, words: str, cursor: str, limit: int) -> tuple[list[ContactDoc], str | None]:
        """Most recently seen first; `words` matches the beginnings of names and handles."""
        query: Doc = {"merged_into": None} | paging.older_than(paging.decode(cursor), "updated_at")
        prefix = words.strip().casefold()
        if prefix:
            # One word must lie in the range: without $elemMatch two different words would do.
            query["words"] = {"$elemMatch": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}}
        order = [("updated_at", DESCENDING), ("_id", DESCENDING)]
        found = self._contacts.find(query, {"words": 0}).sort(order).limit(limit)
        page = [cast("ContactDoc", doc) async for doc in found]
        return page, paging.next_cursor(page, limit, "updated_at")
