"""A question, and what is found."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from omnihub.model.documents import ContactDoc, TicketDoc
from omnihub.model.errors import Invalid
from omnihub.search.ranking import scored
from omnihub.search.terms import Terms, terms_of
from omnihub.search.words import normal
from omnihub.store.database import Doc
from omnihub.store.search import KINDS, Found, Kind, Leading, Portion
from omnihub.store.store import Store
from omnihub.store.tickets import Filter

Sort = Literal["newest", "best"]
ANY = Filter(status="any")
# Counts stop here: beyond it nobody reads the figure, and counting would cost.
COUNTED = 100
# The best are chosen among the newest so many.
RANKED = 200
# Most entries whose tickets are looked up for one page.
_JOINED = 4_000
_CHUNK = 400
# A filter that leaves no more tickets than this is followed from the tickets' side.
_FEW_TICKETS = 2_000
_BEST = "best-"
_APART = "apart-"


@dataclass(slots=True, frozen=True, kw_only=True)
class Question:
    """`visible`: what the asker may see of tickets, as a query; {} is everything. A cursor belongs to one kind."""

    words: str
    kinds: Sequence[Kind] = KINDS
    sort: Sort = "newest"
    filter: Filter = ANY
    visible: Mapping[str, Any] = field(default_factory=dict)
    cursor: str = ""
    limit: int = 5


@dataclass(slots=True, frozen=True, kw_only=True)
class Hit:
    """`message` is that of which the words, or the files, were found."""

    kind: Kind
    id: str
    ticket: TicketDoc | None = None
    message: Doc | None = None
    contact: ContactDoc | None = None


@dataclass(slots=True, kw_only=True)
class Group:
    """`more`: there are more than `count`. `certain`: everything there is was looked at."""

    kind: Kind
    hits: list[Hit] = field(default_factory=list)
    count: int = 0
    more: bool = False
    certain: bool = True
    next: str | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Answer:
    groups: Sequence[Group]
    needles: Sequence[str]


@dataclass(slots=True, kw_only=True)
class _Collected:
    hits: list[Found] = field(default_factory=list)
    end: int | None = None
    certain: bool = True


async def search(store: Store, question: Question) -> Answer:
    """Raises Invalid for a cursor that is none."""
    if question.cursor.startswith(_APART):
        return await _apart(store, replace(question, cursor=question.cursor.removeprefix(_APART)))
    terms = await terms_of(question.words, store.search)
    groups = await _groups(store, question, terms)
    if question.cursor or any(group.count or group.next for group in groups):
        return Answer(groups=groups, needles=terms.needles)
    return await _apart(store, question)


async def _apart(store: Store, question: Question) -> Answer:
    """Where the words as they were cut are nowhere. The pages that follow are cut in the same way."""
    terms = await terms_of(question.words, store.search, apart=True)
    groups = await _groups(store, question, terms)
    for group in groups:
        group.next = group.next and _APART + group.next
    return Answer(groups=groups, needles=terms.needles)


async def _groups(store: Store, question: Question, terms: Terms) -> list[Group]:
    if not terms.terms:
        return [Group(kind=kind) for kind in question.kinds]
    return list(await asyncio.gather(*(_Search(store, question, terms, kind).group() for kind in question.kinds)))


class _Search:
    """Of one kind."""

    def __init__(self, store: Store, question: Question, terms: Terms, kind: Kind) -> None:
        self._store = store
        self._question = question
        self._terms = terms
        self._kind = kind

    async def group(self) -> Group:
        question = self._question
        best = question.sort == "best"
        offset = _offset(question.cursor) if best else 0
        after = None if best or not question.cursor else _place(question.cursor)
        want = RANKED if best else question.limit + 1 if after else max(COUNTED, question.limit) + 1
        collected = await self._collect(after, want)
        certain = collected.certain and not self._terms.cut
        more = collected.end is not None or not certain
        group = Group(kind=self._kind, count=len(collected.hits), more=more, certain=certain)
        if not best and group.count > COUNTED:
            group.count, group.more = COUNTED, True
        hits = collected.hits
        if best:
            hits = await self._ranked(hits)
            page = hits[offset : offset + question.limit]
            group.next = f"{_BEST}{offset + question.limit}" if offset + question.limit < len(hits) else None
        else:
            page = hits[: question.limit]
            group.next = _next(page, hits, collected.end)
        group.hits = await self._shown(page)
        return group

    async def _collect(self, after: int | None, want: int) -> _Collected:
        lead = await self._store.search.leading(self._kind, self._terms.terms)
        collected = _Collected()
        if not lead.count:
            return collected
        few = await self._few_tickets(lead)
        joined = 0
        while True:
            step = min(_CHUNK, want - len(collected.hits))
            portion = await self._portion(lead, few, after, step)
            collected.hits += await self._allowed(portion.found)
            collected.certain &= portion.certain
            collected.end = after = portion.end
            joined += len(portion.found)
            if after is None or len(collected.hits) >= want or len(portion.found) < step:
                return collected
            if joined >= _JOINED:
                collected.certain = False
                return collected

    async def _portion(self, lead: Leading, few: Sequence[str] | None, after: int | None, want: int) -> Portion:
        if few is not None:
            return await self._store.search.within(self._kind, self._terms.terms, few, after, want)
        return await self._store.search.portion(self._kind, self._terms.terms, lead, after, want)

    async def _few_tickets(self, lead: Leading) -> list[str] | None:
        """None where it is better to begin with the words."""
        question = self._question
        if self._kind == "contacts" or lead.count <= _CHUNK or (question.filter == ANY and not question.visible):
            return None
        ids = await self._store.search.tickets_of(question.filter, question.visible, _FEW_TICKETS + 1)
        return ids if len(ids) <= _FEW_TICKETS else None

    async def _allowed(self, found: Sequence[Found]) -> list[Found]:
        if self._kind == "contacts":
            allowed = list(found)
        else:
            places = await self._places({one.ticket_id for one in found})
            allowed = [replace(one, ticket_id=places[one.ticket_id]) for one in found if one.ticket_id in places]
        return await self._with_phrases(allowed) if self._terms.phrases and allowed else allowed

    async def _places(self, ids: set[str]) -> dict[str, str]:
        """Of the tickets that may be shown; for one that was merged the one that it is in now."""
        question = self._question
        found = await self._store.search.tickets_among(ids, question.filter, question.visible)
        places = {one: one for one in found}
        if self._kind != "tickets" or len(found) == len(ids):
            return places
        lost = await self._store.tickets.get_many(ids - found)
        finals = {
            one: (await self._store.tickets.final(one))["_id"] for one, row in lost.items() if row["merged_into"]
        }
        known = await self._store.search.tickets_among(finals.values(), question.filter, question.visible)
        return places | {one: final for one, final in finals.items() if final in known}

    async def _texts(self, hits: Sequence[Found]) -> list[str]:
        if self._kind in ("messages", "files"):
            messages = await self._store.search.messages(hit.id for hit in hits)
            texts = {one: text_of(doc, self._kind) for one, doc in messages.items()}
            return [texts.get(hit.id, "") for hit in hits]
        if self._kind == "tickets":
            rows = await self._store.tickets.get_many({hit.ticket_id for hit in hits})
            names = {one: f"{row['number']} {row['subject']} {row['contact_name']}" for one, row in rows.items()}
            return [names.get(hit.ticket_id, "") for hit in hits]
        contacts = await self._store.contacts.get_many(hit.id for hit in hits)
        return [contacts[hit.id]["name"] if hit.id in contacts else "" for hit in hits]

    async def _with_phrases(self, hits: Sequence[Found]) -> list[Found]:
        texts = [" ".join(normal(text).split()) for text in await self._texts(hits)]
        kept = zip(hits, texts, strict=True)
        return [hit for hit, text in kept if all(phrase in text for phrase in self._terms.phrases)]

    async def _ranked(self, hits: Sequence[Found]) -> list[Found]:
        scores = [scored(text, self._terms) for text in await self._texts(hits)]
        order = sorted(range(len(hits)), key=lambda at: (-scores[at], at))
        return [hits[at] for at in order]

    async def _shown(self, page: Sequence[Found]) -> list[Hit]:
        ids = [hit.id for hit in page]
        messages: Mapping[str, Doc] = {}
        contacts: Mapping[str, ContactDoc] = {}
        if self._kind in ("messages", "files"):
            messages = await self._store.search.messages(ids)
        elif self._kind == "contacts":
            contacts = await self._store.contacts.get_many(ids)
        tickets = await self._store.tickets.get_many({hit.ticket_id for hit in page if hit.ticket_id})
        hits = [
            Hit(
                kind=self._kind,
                id=hit.id,
                ticket=tickets.get(hit.ticket_id),
                message=messages.get(hit.id),
                contact=contacts.get(hit.id),
            )
            for hit in page
        ]
        return [hit for hit in hits if hit.ticket or hit.contact]


def text_of(message: Doc, kind: Kind) -> str:
    if kind == "files":
        return "\n".join(file["filename"] for file in message["attachments"])
    note = message.get("wrap_up", {}).get("note", "")
    return "\n".join(filter(None, (message["subject"], message["visible_text"] or message["text"], note)))


def _next(page: Sequence[Found], hits: Sequence[Found], end: int | None) -> str | None:
    if len(hits) > len(page):
        return str(page[-1].order)
    return str(end) if end is not None else None


def _place(cursor: str) -> int:
    if not cursor.isdigit() or int(cursor) >= 2**63:
        raise Invalid("this is not a cursor of ours", {"cursor": "unreadable"})
    return int(cursor)


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    place = cursor.removeprefix(_BEST)
    if place == cursor or not place.isdigit() or int(place) > RANKED:
        raise Invalid("this is not a cursor of ours", {"cursor": "unreadable"})
    return int(place)
