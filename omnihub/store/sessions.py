import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from omnihub.model.errors import NotFound
from omnihub.model.ids import new_id
from omnihub.store.database import Database, Doc, Session, now
from omnihub.store.presence import PROCESS

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "sessions": (IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0), IndexModel([("user_id", 1)])),
    "api_tokens": (IndexModel([("digest", 1)], unique=True),),
    "idempotency": (
        IndexModel([("at", ASCENDING)], expireAfterSeconds=86_400),
        IndexModel([("process", ASCENDING)], partialFilterExpression={"process": {"$exists": True}}),
    ),
}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Browser sessions, API tokens and remembered answers. Of every secret only its hash is kept."""

    def __init__(self, db: Database) -> None:
        self._sessions = db["sessions"]
        self._tokens = db["api_tokens"]
        self._answers = db["idempotency"]

    async def start(self, user_id: str, hours: float) -> tuple[str, str]:
        """The session's token and its CSRF token."""
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        at = now()
        await self._sessions.insert_one(
            {
                "_id": _digest(token),
                "user_id": user_id,
                "csrf": csrf,
                "created_at": at,
                "expires_at": at + timedelta(hours=hours),
            }
        )
        return token, csrf

    async def find(self, token: str) -> Doc | None:
        """{user_id, csrf, …} while the session lives."""
        found = await self._sessions.find_one({"_id": _digest(token)})
        return found if found and found["expires_at"] > now() else None

    async def end(self, token: str) -> None:
        await self._sessions.delete_one({"_id": _digest(token)})

    async def end_all(self, user_id: str, *, but: str = "") -> None:
        await self._sessions.delete_many({"user_id": user_id, "_id": {"$ne": _digest(but)}})

    async def add_token(self, user_id: str, name: str, scopes: Sequence[str]) -> tuple[Doc, str]:
        token = f"oh_{secrets.token_urlsafe(32)}"
        doc: Doc = {
            "_id": new_id(),
            "digest": _digest(token),
            "user_id": user_id,
            "name": name,
            "scopes": list(scopes),
            "created_at": now(),
        }
        await self._tokens.insert_one(doc)
        return doc, token

    async def find_token(self, token: str) -> Doc | None:
        return await self._tokens.find_one({"digest": _digest(token)})

    async def tokens(self) -> list[Doc]:
        return [doc async for doc in self._tokens.find({}, {"digest": 0}).sort("_id", 1)]

    async def remove_token(self, token_id: str) -> None:
        result = await self._tokens.delete_one({"_id": token_id})
        if not result.deleted_count:
            raise NotFound("this token does not exist")

    async def begin_once(self, key: str, digest: str) -> Doc | None:
        """None: the caller is the first, or takes up what the first left behind, and must `finish_once`. Else
        what was kept: {digest, status?, body?}; without a status the first is still at work."""
        try:
            await self._answers.insert_one({"_id": key, "digest": digest, "at": now(), "process": PROCESS})
        except DuplicateKeyError:
            found = await self._answers.find_one({"_id": key})
            if found is None:
                return await self.begin_once(key, digest)
            if found["digest"] == digest and "status" not in found and await self._take_up(found):
                return None
            return found
        return None

    async def _take_up(self, found: Doc) -> bool:
        """Where the first caller's process died at it, or has not been heard of for a minute."""
        if "process" in found and (now() - found["at"]).total_seconds() < 60:
            return False
        known = {"_id": found["_id"], "at": found["at"], "process": found.get("process")}
        ours = {"$set": {"at": now(), "process": PROCESS}}
        return bool((await self._answers.update_one(known, ours)).modified_count)

    async def bind_once(self, key: str, made_id: str, session: Session) -> bool:
        """What was made under the key, in the transaction that makes it. False where something was before."""
        query = {"_id": key, "made_id": {"$exists": False}}
        return bool(
            (await self._answers.update_one(query, {"$set": {"made_id": made_id}}, session=session)).matched_count
        )

    async def made_once(self, key: str) -> str | None:
        """The id of what an earlier attempt under this key made, though nobody was told so."""
        found = await self._answers.find_one({"_id": key}, {"made_id": 1})
        return found.get("made_id") if found else None

    async def finish_once(self, key: str, status: int, body: bytes) -> None:
        done = {"$set": {"status": status, "body": body}, "$unset": {"process": 1}}
        await self._answers.update_one({"_id": key}, done)

    async def forget_once(self, key: str) -> None:
        """The first attempt failed in a way that may be tried again."""
        await self._answers.delete_one({"_id": key, "made_id": {"$exists": False}})
        await self._answers.update_one({"_id": key}, {"$unset": {"process": 1}})


def answer_of(doc: Doc) -> tuple[int, bytes]:
    return int(doc["status"]), bytes(cast("Any", doc["body"]))
