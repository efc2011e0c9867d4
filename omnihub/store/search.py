"""The index that search reads: one document per thing that can be found, with the tokens that find it.

Whatever stands here was made from tickets, messages and contacts, and can be made again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast, get_args

from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, ReplaceOne, UpdateOne
from pymongo.write_concern import WriteConcern

from omnihub.store import paging
from omnihub.store.database import Database, Doc

Kind = Literal["tickets", "messages", "contacts", "files"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_ORDER = [("at", DESCENDING), ("_id", DESCENDING)]
BY_TOKEN = "by_token"
BY_TICKET = "by_ticket"
INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "search": (
        IndexModel([("kind", ASCENDING), ("tokens", ASCENDING), *_ORDER], name=BY_TOKEN),
        IndexModel([("ticket_id", ASCENDING), ("kind", ASCENDING), *_ORDER], name=BY_TICKET),
    ),
    "search_words": (),
    "search_state": (),
}
# What is lost here is made again, so that nothing waits for the disk.
_LIGHT = WriteConcern(w=1, j=False)
_HIGHEST = "\U0010ffff"
# Most documents that one question looks at before it says that there may be more.
SCANNED = 20_000
# Most documents that are looked at for a number's beginning: they are not in the order of time.
RANGED = 2_000
_WORDS_LOOKED_AT = 2_000


@dataclass(slots=True, frozen=True, kw_only=True)
class Entry:
    """`id` is that of the thing itself; a message and the files in it share it."""

    kind: Kind
    id: str
    at: datetime
    ticket_id: str
    tokens: Sequence[str]


@dataclass(slots=True, frozen=True, kw_only=True)
class Term:
    """One of these tokens, or one that begins so, must be there."""

    tokens: tuple[str, ...]
    prefix: str = ""

    def query(self) -> Doc:
        among: Doc = {"tokens": {"$in": list(self.tokens)} if len(self.tokens) > 1 else self.tokens[0]}
        if not self.prefix:
            return among
        # One token must lie in the range: without $elemMatch two different ones would do.
        begun = {"tokens": {"$elemMatch": {"$gte": self.prefix, "$lt": self.prefix + _HIGHEST}}}
        return {"$or": [among, begun]} if not _starts(self) else begun


def _starts(term: Term) -> bool:
    return all(token.startswith(term.prefix) for token in term.tokens)


@dataclass(slots=True, frozen=True, kw_only=True)
class Found:
    """`at` and `id` order it among the others of its kind."""

    id: str
    at: datetime
    ticket_id: str
    key: str = ""


@dataclass(slots=True, kw_only=True)
class Portion:
    """`end`: where the next portion begins; None when this is all. `certain`: nothing was left out before."""

    found: list[Found] = field(default_factory=list)
    end: paging.Cursor | None = None
    certain: bool = True


@dataclass(slots=True, frozen=True, kw_only=True)
class Leading:
    """The term that fewest documents have, and how many: at most SCANNED, or RANGED of a prefix."""

    term: Term
    count: int

    @property
    def bound(self) -> int:
        return RANGED if self.term.prefix else SCANNED

    @property
    def is_all(self) -> bool:
        return self.count < self.bound


class SearchIndex:
    def __init__(self, db: Database) -> None:
        self._entries = db["search"].with_options(write_concern=_LIGHT)
        self._words = db["search_words"].with_options(write_concern=_LIGHT)

    # — written by the feeder —

    async def put(self, entries: Sequence[Entry], gone: Iterable[tuple[Kind, str]], turn: int) -> None:
        """`turn`: of which rebuild these are. Harmless when repeated."""
        writes: list[ReplaceOne[Doc] | DeleteOne] = [
            ReplaceOne({"_id": _key(one.kind, one.id)}, _doc(one, turn), upsert=True) for one in entries
        ]
        writes += [DeleteOne({"_id": _key(kind, thing)}) for kind, thing in gone]
        if writes:
            await self._entries.bulk_write(writes, ordered=False)

    async def count_words(self, counts: Mapping[str, int]) -> None:
        """The dictionary: what beginnings go on to, and what Chinese is made of."""
        writes = [UpdateOne({"_id": word}, {"$inc": {"n": count}}, upsert=True) for word, count in counts.items()]
        for at in range(0, len(writes), 5_000):
            await self._words.bulk_write(writes[at : at + 5_000], ordered=False)

    async def forget_older(self, after: str, turn: int, step: int) -> str:
        """Of the next `step` entries after this one removes those of earlier rebuilds. Returns where it stopped,
        "" at the end."""
        boundary = self._entries.find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", 1).skip(step).limit(1)
        last = [doc["_id"] async for doc in boundary]
        span = {"$gt": after, "$lte": last[0]} if last else {"$gt": after}
        await self._entries.delete_many({"_id": span, "turn": {"$lt": turn}})
        return last[0] if last else ""

    async def size(self) -> int:
        return int(await self._entries.estimated_document_count())

    # — the dictionary —

    async def words_among(self, candidates: Iterable[str]) -> dict[str, int]:
        """Those that are known, with how often they were used."""
        query = {"_id": {"$in": list(candidates)}}
        return {doc["_id"]: doc["n"] async for doc in self._words.find(query)}

    async def words_from(self, prefix: str, limit: int) -> tuple[list[str], bool]:
        """The most used of those that begin so; True when these are all of them."""
        query = {"_id": {"$gte": prefix, "$lt": prefix + _HIGHEST}}
        found = [(doc["n"], doc["_id"]) async for doc in self._words.find(query).limit(_WORDS_LOOKED_AT)]
        best = sorted(found, reverse=True)[:limit]
        return [word for _, word in best], len(found) <= limit

    # — asked —

    async def leading(self, kind: Kind, terms: Sequence[Term]) -> Leading:
        """Which term to begin with: the rarest. One that stands alone need not be counted."""
        if len(terms) == 1 and not terms[0].prefix:
            return Leading(term=terms[0], count=SCANNED)
        best: Leading | None = None
        for term in terms:
            bound = RANGED if term.prefix else SCANNED
            count = await self._entries.count_documents(
                {"kind": kind, **term.query()}, limit=min(bound, best.count) if best else bound, hint=BY_TOKEN
            )
            if best is None or count < best.count:
                best = Leading(term=term, count=count)
        assert best is not None
        return best

    async def portion(
        self, kind: Kind, terms: Sequence[Term], lead: Leading, after: paging.Cursor | None, want: int
    ) -> Portion:
        """The next `want`, newest first."""
        rest = [term.query() for term in terms if term is not lead.term]
        begun = {"kind": kind, **lead.term.query()}
        if lead.term.prefix:  # in the order of its tokens, so that all of it has to be looked at
            pipeline: list[Doc] = [{"$match": begun}, {"$limit": RANGED}, {"$match": paging.older_than(after, "at")}]
            if rest:
                pipeline.append({"$match": {"$and": rest}})
            pipeline.append({"$sort": dict(_ORDER)})
        else:
            pipeline = [{"$match": begun | paging.older_than(after, "at")}, {"$sort": dict(_ORDER)}]
            if rest:
                pipeline += [{"$limit": SCANNED}, {"$match": {"$and": rest}}]
        pipeline += [{"$limit": want}, {"$project": {"at": 1, "ticket_id": 1}}]
        found = [_found(doc) async for doc in self._entries.aggregate(pipeline, hint=BY_TOKEN)]
        if len(found) == want:
            return Portion(found=found, end=(found[-1].at, found[-1].key))
        if lead.term.prefix:
            return Portion(found=found, certain=lead.is_all)
        if not rest or lead.is_all:
            return Portion(found=found)
        end = await self._place(begun, after)
        return Portion(found=found, end=end, certain=end is None)

    async def _place(self, begun: Doc, after: paging.Cursor | None) -> paging.Cursor | None:
        """Where looking stopped; None when it did not have to."""
        query = begun | paging.older_than(after, "at")
        last = self._entries.find(query, {"at": 1}, hint=BY_TOKEN).sort(_ORDER).skip(SCANNED - 1).limit(1)
        return next(((doc["at"], doc["_id"]) for doc in await last.to_list(1)), None)

    async def within(
        self, kind: Kind, terms: Sequence[Term], ticket_ids: Sequence[str], after: paging.Cursor | None, want: int
    ) -> Portion:
        """The same among what these tickets hold."""
        query: Doc = {"ticket_id": {"$in": list(ticket_ids)}, "kind": kind} | paging.older_than(after, "at")
        query["$and"] = [term.query() for term in terms]
        docs = self._entries.find(query, {"at": 1, "ticket_id": 1}, hint=BY_TICKET).sort(_ORDER).limit(want)
        found = [_found(doc) async for doc in docs]
        return Portion(found=found, end=(found[-1].at, found[-1].key) if len(found) == want else None)

    async def explain(self, kind: Kind, terms: Sequence[Term], want: int = 50) -> Doc:
        """What the database does for a first page."""
        lead = await self.leading(kind, terms)
        query = {"kind": kind, **lead.term.query()}
        rest = [term.query() for term in terms if term is not lead.term]
        if rest:
            query["$and"] = rest
        found = self._entries.find(query, {"at": 1, "ticket_id": 1}, hint=BY_TOKEN).sort(_ORDER).limit(want)
        return cast("Doc", await found.explain())


_INITIAL: Mapping[Kind, str] = {"tickets": "t", "messages": "m", "contacts": "c", "files": "f"}


def _key(kind: Kind, thing: str) -> str:
    return f"{_INITIAL[kind]}:{thing}"


def _doc(entry: Entry, turn: int) -> Doc:
    return {
        "_id": _key(entry.kind, entry.id),
        "kind": entry.kind,
        "at": entry.at,
        "ticket_id": entry.ticket_id,
        "turn": turn,
        "tokens": list(entry.tokens),
    }


def _found(doc: Mapping[str, Any]) -> Found:
    return Found(id=doc["_id"][2:], at=doc["at"], ticket_id=doc["ticket_id"], key=doc["_id"])
