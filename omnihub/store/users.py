from collections.abc import Mapping, Sequence
from typing import Any, cast

from pymongo import IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from omnihub.model.documents import Role, TeamDoc, UserDoc
from omnihub.model.errors import Conflict, NotFound
from omnihub.model.ids import new_id
from omnihub.store.database import Database, Doc, now

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "users": (IndexModel([("email", 1)], unique=True),),
    "teams": (IndexModel([("name", 1)], unique=True),),
}


class Users:
    def __init__(self, db: Database) -> None:
        self._users = db["users"]
        self._teams = db["teams"]

    async def add(self, *, email: str, name: str, role: Role, password_hash: str, locale: str = "en") -> UserDoc:
        """Raises Conflict when the address is taken."""
        user = UserDoc(
            _id=new_id(),
            email=email.strip().lower(),
            name=name,
            role=role,
            locale=locale,
            active=True,
            password_hash=password_hash,
            created_at=now(),
        )
        try:
            await self._users.insert_one(cast("Doc", user))
        except DuplicateKeyError as error:
            raise Conflict(f"a user with the address {email} exists already") from error
        return user

    async def get(self, user_id: str) -> UserDoc:
        """Raises NotFound."""
        return _user(await self._users.find_one({"_id": user_id}))

    async def by_email(self, email: str) -> UserDoc | None:
        found = await self._users.find_one({"email": email.strip().lower()})
        return cast("UserDoc", found) if found else None

    async def all(self) -> list[UserDoc]:
        return [cast("UserDoc", doc) async for doc in self._users.find().sort("name", 1)]

    async def count_admins(self) -> int:
        return int(await self._users.count_documents({"role": "admin", "active": True}))

    async def change(self, user_id: str, changes: Mapping[str, Any]) -> UserDoc:
        """Raises NotFound."""
        return _user(
            await self._users.find_one_and_update(
                {"_id": user_id}, {"$set": dict(changes)}, return_document=ReturnDocument.AFTER
            )
        )

    async def teams(self) -> list[TeamDoc]:
        return [cast("TeamDoc", doc) async for doc in self._teams.find().sort("name", 1)]

    async def team(self, team_id: str) -> TeamDoc:
        """Raises NotFound."""
        return _team(await self._teams.find_one({"_id": team_id}))

    async def add_team(self, name: str, member_ids: Sequence[str]) -> TeamDoc:
        """Raises Conflict when the name is taken."""
        team = TeamDoc(_id=new_id(), name=name, member_ids=list(member_ids), created_at=now())
        try:
            await self._teams.insert_one(cast("Doc", team))
        except DuplicateKeyError as error:
            raise Conflict(f"a team named {name} exists already") from error
        return team

    async def change_team(self, team_id: str, changes: Mapping[str, Any]) -> TeamDoc:
        """Raises NotFound or Conflict."""
        try:
            found = await self._teams.find_one_and_update(
                {"_id": team_id}, {"$set": dict(changes)}, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError as error:
            raise Conflict("a team of this name exists already") from error
        return _team(found)

    async def remove_team(self, team_id: str) -> None:
        await self._teams.delete_one({"_id": team_id})


def _user(found: Doc | None) -> UserDoc:
    if found is None:
        raise NotFound("this user does not exist")
    return cast("UserDoc", found)


def _team(found: Doc | None) -> TeamDoc:
    if found is None:
        raise NotFound("this team does not exist")
    return cast("TeamDoc", found)
