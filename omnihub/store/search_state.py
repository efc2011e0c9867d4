"""How far the index has come, and the reading that makes it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omnihub.store.database import Database, Doc, now

SOURCES = ("tickets", "contacts", "messages")
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
# A feeder says at least so often that it is there.
BEAT_SECONDS = 5.0
_PRESUMED_GONE_SECONDS = 20.0
_OF_MESSAGES = (
    *("at", "ticket_id", "subject", "text", "visible_text", "attachments.filename"),
    *("extra.recalled_at", "wrap_up.note"),
)
_FIELDS: Mapping[str, Mapping[str, int]] = {
    "messages": dict.fromkeys(_OF_MESSAGES, 1),
    "tickets": dict.fromkeys(("number", "subject", "tags", "contact_name", "created_at", "merged_into"), 1),
    "contacts": dict.fromkeys(("name", "identities", "merged_into", "updated_at"), 1),
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Rebuild:
    """`source` is what is being read, "" once all is done; `after` the last id read of it."""

    turn: int
    source: str
    after: str
    done: int
    total: int
    started_at: datetime
    finished_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None


@dataclass(slots=True, frozen=True, kw_only=True)
class State:
    """`scheme`: how tokens were made. `cursor`: of the changes; None before the first. `lag_seconds` was measured
    at `beat`."""

    scheme: int
    cursor: str | None
    lag_seconds: float
    beat: datetime | None
    rebuild: Rebuild | None

    def lag(self) -> float:
        """How old what is not found yet may be, in seconds. It grows while nobody feeds."""
        if self.beat is None:
            return 0.0
        silent = (now() - self.beat).total_seconds()
        return self.lag_seconds + (silent if silent > _PRESUMED_GONE_SECONDS else 0.0)

    @property
    def is_fed(self) -> bool:
        return self.beat is not None and (now() - self.beat).total_seconds() <= _PRESUMED_GONE_SECONDS


class SearchState:
    """One document, and what the feeder reads."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._state = db["search_state"]

    async def load(self) -> State:
        found = await self._state.find_one({"_id": "feed"}) or {}
        rebuild = found.get("rebuild")
        return State(
            scheme=found.get("scheme", 0),
            cursor=found.get("cursor"),
            lag_seconds=found.get("lag_seconds", 0.0),
            beat=found.get("beat"),
            rebuild=Rebuild(**rebuild) if rebuild else None,
        )

    async def save(self, **fields: Any) -> None:
        if isinstance(rebuild := fields.get("rebuild"), Rebuild):
            fields["rebuild"] = {name: getattr(rebuild, name) for name in Rebuild.__dataclass_fields__}
        await self._state.update_one({"_id": "feed"}, {"$set": fields}, upsert=True)

    async def ask_for_rebuild(self) -> int:
        """Whoever feeds begins anew. Returns the turn that it will be."""
        total = 0
        for name in SOURCES:
            total += int(await self._db[name].estimated_document_count())
        rebuild = (await self.load()).rebuild
        turn = rebuild.turn + 1 if rebuild else 1
        fresh = Rebuild(turn=turn, source=SOURCES[0], after="", done=0, total=total, started_at=now())
        await self.save(rebuild=fresh)
        return turn

    async def read(self, source: str, ids: Iterable[str]) -> list[Doc]:
        """Those of them that are there, as they are now."""
        found = self._db[source].find({"_id": {"$in": list(ids)}}, _FIELDS[source])
        return await found.to_list(None)

    async def read_on(self, source: str, after: str, limit: int) -> list[Doc]:
        """The newest first, for ids sort by time: what is looked for most is found again first."""
        query: Doc = {"_id": {"$lt": after}} if after else {}
        found = self._db[source].find(query, _FIELDS[source]).sort("_id", -1).limit(limit)
        return await found.to_list(None)

    async def touched_since(self, at: datetime) -> dict[str, Sequence[str]]:
        """What was changed after a moment, by the trails of tickets and by contacts: for when the stream of
        changes does not reach back so far. Rather too much than too little."""
        begin = _id_at(at - timedelta(seconds=60))
        told = self._db["events"].find({"_id": {"$gte": begin}}, {"ticket_id": 1, "message_id": 1})
        tickets: dict[str, None] = {}
        messages: dict[str, None] = {}
        async for doc in told:
            tickets[doc["ticket_id"]] = None
            if doc["message_id"]:
                messages[doc["message_id"]] = None
        new = self._db["messages"].find({"_id": {"$gte": begin}}, {"_id": 1})
        messages |= {doc["_id"]: None async for doc in new}
        seen = {"updated_at": {"$gte": at - timedelta(seconds=60)}}
        contacts = [doc["_id"] async for doc in self._db["contacts"].find(seen, {"_id": 1})]
        return {"tickets": list(tickets), "messages": list(messages), "contacts": contacts}

    async def messages_of(self, ticket_ids: Sequence[str]) -> list[str]:
        found = self._db["messages"].find({"ticket_id": {"$in": list(ticket_ids)}}, {"_id": 1})
        return [doc["_id"] async for doc in found]


def _id_at(moment: datetime) -> str:
    """The least id that can have been made then: the first ten letters are milliseconds."""
    left, letters = int(moment.timestamp() * 1000), ""
    for _ in range(10):
        left, digit = divmod(left, 32)
        letters = _LETTERS[digit] + letters
    return letters + "0" * 16
