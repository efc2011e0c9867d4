"""Whatever agents and customers do, in whatever order: what must hold afterwards holds."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from omnihub.connectors.registry import Connectors
from omnihub.inbox.contacts import ContactDesk
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.summary import reckoned
from omnihub.inbox.tickets import TicketDesk
from omnihub.model.documents import ActorDoc, TicketDoc
from omnihub.model.errors import Conflict, Invalid, Refused
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store
from omnihub.store.tickets import bucket_of, lists_of
from tests.mailbox import Placed, PostOffice, mail, open_post_office

BEA = ActorDoc(kind="user", id="bea", name="Bea")
PEOPLE = [f"{name}@customer.test" for name in ("anna", "bob", "carl")]


@pytest.fixture
async def post(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return await open_post_office(store, connectors, settings)


class Desk:
    """One desk and all that can be done at it; what is refused with good reason leaves no trace."""

    def __init__(self, post: PostOffice, connectors: Connectors, settings: Settings, seed: int) -> None:
        self.post = post
        self.store = post.store
        self.random = random.Random(seed)
        self.tickets = TicketDesk(post.store)
        self.rearranging = Rearranging(post.store, settings)
        self.contacts = ContactDesk(post.store)
        self.submit = Submit(post.store, connectors, settings)
        self.mails: list[str] = []
        self.done: list[str] = []

    async def living(self) -> list[TicketDoc]:
        return [t for t in (await self.post.look()).tickets.values() if not t["merged_into"]]

    async def one(self) -> TicketDoc:
        return self.random.choice(sorted(await self.living(), key=lambda t: t["number"]))

    async def hears(self) -> None:
        raws = []
        for _ in range(self.random.randint(1, 3)):
            mid = f"m{len(self.mails)}@c"
            ahead = [f"m{len(self.mails) + n}@c" for n in (1, 2)]
            refs = self.random.sample(self.mails + ahead, k=min(len(self.mails), self.random.choice([0, 1, 1, 2])))
            loud = self.random.random() < 0.85
            headers = () if loud else (("Auto-Submitted", "auto-replied"),)
            raws.append(
                mail(
                    self.random.choice(PEOPLE),
                    mid=mid,
                    cc=self.random.choice(["", *PEOPLE]),
                    refs=refs,
                    headers=headers,
                    date=now() - timedelta(days=self.random.randint(0, 9)),
                )
            )
            self.mails.append(mid)
        await self.post.deliver(*raws, silent=self.random.random() < 0.3)

    async def answers(self) -> None:
        ticket = await self.one()
        spoken = [m for m in (await self.post.look()).messages.values() if m["ticket_id"] == ticket["_id"]]
        heard = [m for m in spoken if m["direction"] == "inbound"]
        if not heard:
            raise Invalid("only our own words are here")
        asked = self.random.choice(heard)
        request = ReplyRequest(
            ticket_id=ticket["_id"],
            actor=BEA,
            text="An answer.",
            seen_inbound_id=None,
            answering_id=asked["_id"],
            force=True,
            status=self.random.choice([None, "pending", "resolved"]),
        )
        sent = await self.submit.reply(request)
        assert [p["key"] for p in sent["to"]] == [asked["sender"]["key"]]
        assert sent["conversation_id"] == asked["conversation_id"]
        if sent["external_id"] and self.random.random() < 0.5:
            self.mails.append(sent["external_id"])
        if self.random.random() < 0.3:
            await self.submit.cancel(sent["_id"], BEA)

    async def changes(self) -> None:
        ticket = await self.one()
        status = self.random.choice(["open", "pending", "resolved", "closed"])
        await self.tickets.update(ticket["_id"], BEA, status=status)  # type: ignore[arg-type]

    async def notes(self) -> None:
        await self.tickets.note((await self.one())["_id"], BEA, "A note.")

    async def snoozes(self) -> None:
        await self.tickets.snooze((await self.one())["_id"], BEA, now() + timedelta(days=1))

    async def merges(self) -> None:
        await self.rearranging.merge((await self.one())["_id"], (await self.one())["_id"], BEA, "")

    async def splits(self) -> None:
        ticket = await self.one()
        ids = [m["_id"] for m in (await self.post.look()).messages.values() if m["ticket_id"] == ticket["_id"]]
        await self.rearranging.split(ticket["_id"], self.random.sample(sorted(ids), k=1), BEA)

    async def moves(self) -> None:
        found = [doc["_id"] async for doc in self.store.db["conversations"].find().sort("_id", 1)]
        await self.rearranging.move(self.random.choice(found), (await self.one())["_id"], BEA, "")

    async def joins_contacts(self) -> None:
        found = [doc["_id"] async for doc in self.store.db["contacts"].find().sort("_id", 1)]
        await self.contacts.merge(self.random.choice(found), self.random.choice(found), BEA, "")

    async def undoes(self) -> None:
        found = [doc["_id"] async for doc in self.store.db["operations"].find().sort("_id", 1)]
        if found:
            await self.rearranging.undo(self.random.choice(found), BEA)

    async def step(self) -> None:
        deeds = [self.hears] * 4 + [self.answers, self.changes, self.notes, self.snoozes, self.joins_contacts]
        deeds += [self.merges, self.splits, self.moves, self.undoes, self.undoes]
        deed = self.random.choice(deeds) if self.mails else self.hears
        try:
            await deed()
        except (Conflict, Invalid, Refused) as refused:
            self.done.append(f"{deed.__name__}: {refused}")
        else:
            self.done.append(deed.__name__)


async def check(store: Store, placed: Placed) -> None:
    conversations = {doc["_id"]: doc async for doc in store.db["conversations"].find()}
    messages = [doc async for doc in store.db["messages"].find().sort([("at", 1), ("_id", 1)])]
    tickets: dict[str, Any] = dict(placed.tickets)
    for message in messages:
        assert not tickets[message["ticket_id"]]["merged_into"], "a message lies in a ticket that nobody sees"
        if message["direction"] != "note":
            conversation = conversations[message["conversation_id"]]
            assert conversation["joined_into"] is None
            assert conversation["ticket_id"] == message["ticket_id"]
    living = Counter(c["ticket_id"] for c in conversations.values() if c["joined_into"] is None)
    assert len({t["number"] for t in tickets.values()}) == len(tickets)
    for ticket_id, ticket in tickets.items():
        assert (ticket["bucket"], ticket["lists"]) == (bucket_of(ticket), lists_of(ticket))
        assert bool(living[ticket_id]) != bool(ticket["merged_into"])
        if not ticket["merged_into"]:
            await _check_row(ticket, [m for m in messages if m["ticket_id"] == ticket_id])
    for contact in [doc async for doc in store.db["contacts"].find()]:
        held = {doc["_id"] async for doc in store.db["identities"].find({"contact_id": contact["_id"]})}
        assert held == (set() if contact["merged_into"] else set(contact["identities"]))


async def _check_row(ticket: Any, messages: list[Any]) -> None:
    fresh = reckoned(ticket, messages)
    for name in ("message_count", "undelivered"):
        assert ticket[name] == fresh[name], name
    for name in ("channels", "account_ids"):
        assert set(ticket[name]) == set(fresh[name]), name
    ids = {m["_id"] for m in messages}
    assert ticket["last_message"]["id"] in ids
    assert ticket["last_inbound_id"] is None or ticket["last_inbound_id"] in ids
    if ticket["status"] in ("resolved", "closed"):
        assert ticket["snoozed_until"] is None
        assert ticket["resolved_at"] is not None


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_nothing_is_lost_or_miscounted(
    post: PostOffice, connectors: Connectors, settings: Settings, seed: int
) -> None:
    desk = Desk(post, connectors, settings, seed)
    for _ in range(45):
        await desk.step()
        placed = await post.look()
        try:
            await check(post.store, placed)
        except AssertionError as error:
            raise AssertionError(f"after {desk.done[-6:]}: {error}") from error
    inbound = [m for m in placed.messages.values() if m["direction"] == "inbound"]
    assert len(inbound) == len([mid for mid in desk.mails if mid.endswith("@c")])
    assert await post.store.journal.dead() == []
