"""Questions over many messages: the order, pages, filters, bounds, and what the database does for them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnihub.model.errors import Invalid
from omnihub.search.asking import COUNTED, RANKED, Question, search
from omnihub.search.cutter import Cutter
from omnihub.search.entries import of_source
from omnihub.search.terms import terms_of
from omnihub.search.words import is_word
from omnihub.store import search as store_search
from omnihub.store.search import BY_TICKET, BY_TOKEN, Kind, Term
from omnihub.store.store import Store
from omnihub.store.tickets import Filter
from tests.search.corpus import _message, _ticket

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Shelf:
    """Messages put straight into store and index; ticket n is `t…n`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0
        self.cutter = Cutter()

    async def tickets(self, count: int, **fields: Any) -> None:
        await self.store.db["tickets"].insert_many([_ticket(n) | fields for n in range(count)])

    async def put(self, texts: Sequence[str], ticket: int = 0) -> list[str]:
        docs = []
        for text in texts:
            message, _ = _message(self.count, ticket, [text], _BEGIN + timedelta(minutes=self.count))
            docs.append(message)
            self.count += 1
        await self.store.db["messages"].insert_many(docs)
        drafts, _ = of_source("messages", (), docs)
        found = await self.cutter.tokens([draft.text for draft in drafts])
        entries = [draft.entry(cut) for draft, cut in zip(drafts, found, strict=True)]
        await self.store.search.put(entries, (), 0)
        words: dict[str, int] = {}
        for entry in entries:
            words |= {token: words.get(token, 0) + 1 for token in entry.tokens if is_word(token)}
        await self.store.search.count_words(words)
        return [doc["_id"] for doc in docs]

    async def ask(self, words: str, kind: Kind = "messages", **more: Any) -> Any:
        return (await search(self.store, Question(words=words, kinds=(kind,), **more))).groups[0]

    async def all(self, words: str, **more: Any) -> list[str]:
        """By its pages."""
        found: list[str] = []
        cursor = ""
        while True:
            group = await self.ask(words, cursor=cursor, **more)
            found += [hit.id for hit in group.hits]
            if group.next is None:
                return found
            cursor = group.next


@pytest.fixture
async def shelf(store: Store) -> AsyncIterator[Shelf]:
    made = Shelf(store)
    yield made
    await made.cutter.rest()


async def test_the_newest_come_first_and_pages_lead_to_all_of_them(shelf: Shelf) -> None:
    await shelf.tickets(1)
    ids = await shelf.put([f"apple {n}" for n in range(130)])
    first = await shelf.ask("apple", limit=50)
    assert [hit.id for hit in first.hits] == ids[:-51:-1]
    assert (first.count, first.more, first.certain) == (COUNTED, True, True)
    assert await shelf.all("apple", limit=50) == ids[::-1]
    few = await shelf.ask("apple 7", limit=5)
    assert (few.count, few.more, few.next) == (1, False, None)


async def test_messages_of_one_millisecond_are_all_listed(shelf: Shelf) -> None:
    await shelf.tickets(1)
    shelf.count = 0
    docs = [_message(n, 0, ["same time"], _BEGIN)[0] for n in range(40)]
    await shelf.store.db["messages"].insert_many(docs)
    drafts, _ = of_source("messages", (), docs)
    entries = [draft.entry(["same", "time"]) for draft in drafts]
    await shelf.store.search.put(entries, (), 0)
    assert sorted(await shelf.all("same", limit=7)) == [doc["_id"] for doc in docs]


async def test_the_best_are_those_that_say_it_so(shelf: Shelf) -> None:
    await shelf.tickets(1)
    typed, apart, longer = await shelf.put(
        ["broken charger", "the charger is not broken", "brokenness of a charger"]
    )
    assert [hit.id for hit in (await shelf.ask("broken charger", sort="best")).hits] == [typed, apart, longer]
    await shelf.put(["broken charger"] * RANKED)
    first = await shelf.ask("broken charger", sort="best", limit=30)
    second = await shelf.ask("broken charger", sort="best", limit=30, cursor=first.next)
    assert len({hit.id for hit in (*first.hits, *second.hits)}) == 60
    assert len(await shelf.all("broken charger", sort="best", limit=50)) == RANKED


@pytest.mark.parametrize("cursor", ["x", "-1", "99999999999999999999999", "best-3", "1.5"])
async def test_a_cursor_that_is_none_is_refused(shelf: Shelf, cursor: str) -> None:
    with pytest.raises(Invalid):
        await shelf.ask("apple", cursor=cursor)
    with pytest.raises(Invalid):
        await shelf.ask("apple", cursor=cursor.removeprefix("best-"), sort="best")


async def test_filters_are_those_of_the_tickets(shelf: Shelf) -> None:
    await shelf.tickets(8)
    ids = [(await shelf.put([f"apple {n}"], ticket=n))[0] for n in range(8)]
    every = Filter(status="any")
    assert await shelf.all("apple", filter=replace(every, channel="wechat")) == ids[7::-2]
    assert await shelf.all("apple", filter=replace(every, status="closed")) == [ids[7], ids[3]]
    assert await shelf.all("apple", filter=replace(every, assignee_id="u5")) == [ids[5]]
    assert await shelf.all("apple", filter=replace(every, view="mine", user_id="u2")) == [ids[2]]
    assert await shelf.all("apple", filter=replace(every, spam=True)) == []
    assert await shelf.all("apple", visible={"assignee_id": {"$in": ["u1", "u6"]}}) == [ids[6], ids[1]]
    await shelf.store.db["tickets"].update_one({"_id": f"t{3:025}"}, {"$set": {"spam": True, "bucket": "spam"}})
    assert ids[3] not in await shelf.all("apple")
    assert await shelf.all("apple", filter=replace(every, spam=True)) == [ids[3]]


async def test_a_rare_filter_on_a_common_word_finds_the_oldest(shelf: Shelf) -> None:
    await shelf.tickets(3)
    (old,) = await shelf.put(["apple"], ticket=2)
    for _ in range(3):
        await shelf.put(["apple"] * 2_000, ticket=0)
    group = await shelf.ask("apple", filter=Filter(status="any", assignee_id="u2"))
    assert [hit.id for hit in group.hits] == [old]
    assert (group.count, group.certain, group.next) == (1, True, None)


async def test_what_was_not_looked_at_is_said_and_can_be_asked_for(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two words that are common, but hardly ever together."""
    monkeypatch.setattr(store_search, "SCANNED", 50)
    monkeypatch.setattr(store_search, "COMMON", 40)
    await shelf.tickets(1)
    (both,) = await shelf.put(["apple pear"])
    await shelf.put(["apple"] * 120)
    await shelf.put(["pear"] * 120)
    group = await shelf.ask("apple pear")
    assert (group.hits, group.count, group.more, group.certain) == ([], 0, True, False)
    assert await shelf.all("apple pear") == [both]


async def test_a_beginning_that_too_many_have_is_looked_for_as_it_is(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_search, "RANGED", 20)
    await shelf.tickets(1)
    await shelf.put([f"2024{n:04}1" for n in range(40)])
    exact, other = await shelf.put(["2024", "2024 pear"])
    group = await shelf.ask("2024")
    assert [hit.id for hit in group.hits] == [other, exact]
    assert not group.certain
    assert await shelf.all("2024 pear") == [other]
    assert len(await shelf.all("2024000")) == 10
    assert await shelf.all("2024 2024000") == await shelf.all("2024000")


async def test_one_index_is_read_and_no_more_of_it_than_is_shown(shelf: Shelf) -> None:
    await shelf.tickets(1)
    await shelf.put(["退款 apple"] * 900 + ["退款 pear"] * 100)
    for words, most in (("退款", 50), ("退款 apple", 1000)):
        terms = await terms_of(words, shelf.store.search)
        told = await shelf.store.search.explain("messages", terms.terms)
        stats = told["executionStats"]
        assert BY_TOKEN in str(told["queryPlanner"]["winningPlan"])
        assert stats["nReturned"] == 50
        assert stats["totalDocsExamined"] <= most
        assert stats["totalKeysExamined"] <= most + 3
    used = await shelf.store.db["search"].find({"ticket_id": "x"}).hint(BY_TICKET).explain()
    assert used["executionStats"]["totalKeysExamined"] == 0


async def test_the_rarest_word_leads(shelf: Shelf) -> None:
    await shelf.tickets(1)
    await shelf.put(["apple"] * 30 + ["apple pear"] * 3)
    common, rare = Term(tokens=("apple",)), Term(tokens=("pear",))
    assert (await shelf.store.search.leading("messages", [common, rare])).term == rare
    assert (await shelf.store.search.leading("messages", [common, rare])).count == 3
