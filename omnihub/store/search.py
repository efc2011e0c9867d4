"""The index that search reads: one document per thing that can be found, with the tokens that find it.

Whatever stands here was made from tickets, messages and contacts, and can be made again.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, ReplaceOne, UpdateOne
from pymongo.write_concern import WriteConcern

from omnihub.store.database import Database, Doc
from omnihub.store.tickets import Filter
from omnihub.store.tickets import _query as ticket_query

Kind = Literal["tickets", "messages", "contacts", "files"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_ORDER = [("order", DESCENDING)]
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
SCANNED = 8_000
# A word that more have is common: which of several common ones leads matters little.
COMMON = 4_000
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
    """One of these tokens must be there; with a prefix one that begins so, in place of them."""

    tokens: tuple[str, ...]
    prefix: str = ""

    def query(self) -> Doc:
        if self.prefix:  # one token must lie in the range: without $elemMatch two different ones would do
            return {"tokens": {"$elemMatch": {"$gte": self.prefix, "$lt": self.prefix + _HIGHEST}}}
        return {"tokens": {"$in": list(self.tokens)} if len(self.tokens) > 1 else self.tokens[0]}


@dataclass(slots=True, frozen=True, kw_only=True)
class Found:
    """`order`: newest has the highest."""

    id: str
    order: int
    ticket_id: str


@dataclass(slots=True, kw_only=True)
class Portion:
    """`end`: where the next portion begins; None when this is all. `certain`: nothing was left out before."""

    found: list[Found] = field(default_factory=list)
    end: int | None = None
    certain: bool = True


@dataclass(slots=True, frozen=True, kw_only=True)
class Leading:
    """The term that fewest documents have, and how many: at most COMMON, or RANGED of a prefix. `narrowed`: only
    what is written just so is looked for, not what begins so."""

    term: Term
    count: int
    narrowed: bool = False

    @property
    def is_all(self) -> bool:
        return self.count < _bound(self.term)


def _bound(term: Term) -> int:
    return RANGED if term.prefix else COMMON


_SHOWN = (
    *("ticket_id", "direction", "channel", "kind", "sender", "at"),
    *("subject", "text", "visible_text", "attachments", "wrap_up.note"),
)


class SearchIndex:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._entries = db["search"].with_options(write_concern=_LIGHT)
        self._words = db["search_words"].with_options(write_concern=_LIGHT)

    # — written by the feeder —

    async def put(self, entries: Sequence[Entry], gone: Iterable[tuple[Kind, str]], turn: int) -> None:
        """`turn`: of which rebuild these are. Harmless when repeated."""
        writes: list[ReplaceOne[Doc] | DeleteOne] = [
            ReplaceOne({"_id": _key(one.kind, one.id)}, as_doc(one, turn), upsert=True) for one in entries
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
        return {doc["_id"]: doc["n"] for doc in await self._words.find(query).to_list(None)}

    async def words_from(self, prefix: str, limit: int) -> tuple[list[str], bool]:
        """The most used of those that begin so; True when these are all of them."""
        query = {"_id": {"$gte": prefix, "$lt": prefix + _HIGHEST}}
        docs = await self._words.find(query).limit(_WORDS_LOOKED_AT).to_list(None)
        found = [(doc["n"], doc["_id"]) for doc in docs]
        best = sorted(found, reverse=True)[:limit]
        return [word for _, word in best], len(found) <= limit

    # — asked —

    async def leading(self, kind: Kind, terms: Sequence[Term]) -> Leading:
        """Which term to begin with: the rarest. One that stands alone need not be counted."""
        if len(terms) == 1 and not terms[0].prefix:
            return Leading(term=terms[0], count=SCANNED)
        counts = await asyncio.gather(*(self._count(kind, term) for term in terms))
        counted = [Leading(term=term, count=count) for term, count in zip(terms, counts, strict=True)]
        # Too many that begin so are in no order of time: only another term can lead to the newest of them.
        usable = [one for one in counted if one.is_all or not one.term.prefix]
        return min(
            usable or [_exactly(one) for one in counted], key=lambda one: (one.count, -len(one.term.tokens[0]))
        )

    async def _count(self, kind: Kind, term: Term) -> int:
        query = {"kind": _LETTER[kind], **term.query()}
        return int(await self._entries.count_documents(query, limit=_bound(term), hint=BY_TOKEN))

    async def portion(
        self, kind: Kind, terms: Sequence[Term], lead: Leading, after: int | None, want: int
    ) -> Portion:
        """The next `want`, newest first."""
        rest = [term.query() for term in terms if term != lead.term and term.tokens != lead.term.tokens]
        begun = {"kind": _LETTER[kind], **lead.term.query()}
        if lead.term.prefix:  # in the order of its tokens, so that all of it has to be looked at
            pipeline: list[Doc] = [{"$match": begun}, {"$limit": RANGED}]
            pipeline.append({"$match": _older(after)})
            if rest:
                pipeline.append({"$match": {"$and": rest}})
            pipeline.append({"$sort": dict(_ORDER)})
        else:
            pipeline = [{"$match": begun | _older(after)}, {"$sort": dict(_ORDER)}]
            if rest:
                pipeline += [{"$limit": SCANNED}, {"$match": {"$and": rest}}]
        pipeline += [{"$limit": want}, {"$project": {"order": 1, "ticket_id": 1}}]
        found = [_found(doc) for doc in await self._entries.aggregate(pipeline, hint=BY_TOKEN).to_list(None)]
        if len(found) == want:
            return Portion(found=found, end=found[-1].order)
        if lead.term.prefix:
            return Portion(found=found)
        if not rest or lead.is_all:
            return Portion(found=found, certain=not lead.narrowed)
        end = await self._place(begun, after)
        return Portion(found=found, end=end, certain=end is None)

    async def _place(self, begun: Doc, after: int | None) -> int | None:
        """Where looking stopped; None when it did not have to."""
        query = begun | _older(after)
        last = self._entries.find(query, {"order": 1}, hint=BY_TOKEN).sort(_ORDER).skip(SCANNED - 1).limit(1)
        return next((int(doc["order"]) for doc in await last.to_list(1)), None)

    async def within(
        self, kind: Kind, terms: Sequence[Term], ticket_ids: Sequence[str], after: int | None, want: int
    ) -> Portion:
        """The same among what these tickets hold."""
        query: Doc = {"ticket_id": {"$in": list(ticket_ids)}, "kind": _LETTER[kind]} | _older(after)
        query["$and"] = [term.query() for term in terms]
        docs = self._entries.find(query, {"order": 1, "ticket_id": 1}, hint=BY_TICKET).sort(_ORDER).limit(want)
        found = [_found(doc) for doc in await docs.to_list(None)]
        return Portion(found=found, end=found[-1].order if len(found) == want else None)

    async def tickets_among(self, ids: Iterable[str], wanted: Filter, visible: Mapping[str, Any]) -> set[str]:
        """Those of them that the filter lets through, and the asker may see."""
        query = {"$and": [{"_id": {"$in": list(ids)}}, ticket_query(wanted), dict(visible)]}
        found = await self._db["tickets"].find(query, {"_id": 1}).to_list(None)
        return {doc["_id"] for doc in found}

    async def tickets_of(self, wanted: Filter, visible: Mapping[str, Any], limit: int) -> list[str]:
        query = {"$and": [ticket_query(wanted), dict(visible)]}
        return [doc["_id"] async for doc in self._db["tickets"].find(query, {"_id": 1}).limit(limit)]

    async def messages(self, ids: Iterable[str]) -> dict[str, Doc]:
        """As far as a hit shows them."""
        found = self._db["messages"].find({"_id": {"$in": list(ids)}}, dict.fromkeys(_SHOWN, 1))
        return {doc["_id"]: doc async for doc in found}

    async def explain(self, kind: Kind, terms: Sequence[Term], want: int = 50) -> Doc:
        """What the database does for a first page."""
        lead = await self.leading(kind, terms)
        query = {"kind": _LETTER[kind], **lead.term.query()}
        rest = [term.query() for term in terms if term is not lead.term]
        if rest:
            query["$and"] = rest
        found = self._entries.find(query, {"order": 1, "ticket_id": 1}, hint=BY_TOKEN).sort(_ORDER).limit(want)
        told: Doc = await found.explain()
        return told


def _exactly(lead: Leading) -> Leading:
    return Leading(term=Term(tokens=lead.term.tokens), count=SCANNED, narrowed=True)


_LETTER: Mapping[Kind, str] = {"tickets": "t", "messages": "m", "contacts": "c", "files": "f"}
_TIE_BITS = 20


def order_of(at: datetime, thing: str) -> int:
    """Time, and what tells apart the things of one millisecond: one number, for it stands in the index once for
    every token."""
    tie = int.from_bytes(hashlib.blake2b(thing.encode(), digest_size=4).digest()) >> (32 - _TIE_BITS)
    return int(at.timestamp() * 1000) << _TIE_BITS | tie


def _older(after: int | None) -> Doc:
    return {} if after is None else {"order": {"$lt": after}}


def _key(kind: Kind, thing: str) -> str:
    return f"{_LETTER[kind]}:{thing}"


def as_doc(entry: Entry, turn: int) -> Doc:
    return {
        "_id": _key(entry.kind, entry.id),
        "kind": _LETTER[entry.kind],
        "order": order_of(entry.at, entry.id),
        "ticket_id": entry.ticket_id,
        "turn": turn,
        "tokens": list(entry.tokens),
    }


def _found(doc: Mapping[str, Any]) -> Found:
    return Found(id=doc["_id"][2:], order=doc["order"], ticket_id=doc["ticket_id"])
