import asyncio
from datetime import timedelta

import pytest

from omnihub.connectors.registry import Connectors
from omnihub.inbox.tickets import AlreadyClaimed, TicketDesk
from omnihub.model.documents import ActorDoc, UserDoc
from omnihub.model.errors import Conflict, Invalid, NotFound
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store
from omnihub.store.tickets import Filter
from tests.mailbox import PostOffice, mail, open_post_office


@pytest.fixture
async def post(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return await open_post_office(store, connectors, settings)


@pytest.fixture
async def desk(store: Store) -> TicketDesk:
    return TicketDesk(store)


async def colleague(store: Store, name: str, role: str = "agent") -> UserDoc:
    return await store.users.add(email=f"{name}@desk.test", name=name, role=role, password_hash="x")  # type: ignore[arg-type]


def actor(user: UserDoc) -> ActorDoc:
    return ActorDoc(kind="user", id=user["_id"], name=user["name"])


async def a_ticket(post: PostOffice, mid: str = "a@c") -> str:
    return (await post.deliver(mail("anna@customer.test", mid=mid))).ticket(mid)["_id"]


async def trail(store: Store, ticket_id: str) -> list[str]:
    return [e["type"] for e in await store.events.page(ticket_id, None, 50)][::-1]


async def test_of_twenty_who_claim_at_once_one_wins(post: PostOffice, desk: TicketDesk) -> None:
    ticket_id = await a_ticket(post)
    users = [await colleague(post.store, f"u{n}") for n in range(20)]
    tries = await asyncio.gather(*(desk.claim(ticket_id, actor(u)) for u in users), return_exceptions=True)
    winners = [t for t in tries if not isinstance(t, BaseException)]
    assert len(winners) == 1
    assert all(isinstance(t, AlreadyClaimed) for t in tries if t is not winners[0])
    assert winners[0]["status"] == "open"
    assert (await trail(post.store, ticket_id)).count("ticket.claimed") == 1


async def test_a_transfer_needs_a_receiver_and_a_reason(post: PostOffice, desk: TicketDesk) -> None:
    ticket_id = await a_ticket(post)
    bea, carl = await colleague(post.store, "bea"), await colleague(post.store, "carl", "readonly")
    with pytest.raises(Invalid) as refused:
        await desk.transfer(ticket_id, actor(bea), assignee_id=None, team_id=None, reason=" ")
    assert set(refused.value.fields) == {"reason", "assignee_id"}
    with pytest.raises(Invalid):
        await desk.transfer(ticket_id, actor(bea), assignee_id=carl["_id"], team_id=None, reason="knows it")
    with pytest.raises(NotFound):
        await desk.transfer(ticket_id, actor(bea), assignee_id="nobody", team_id=None, reason="knows it")
    done = await desk.transfer(
        ticket_id, actor(bea), assignee_id=bea["_id"], team_id=None, reason="speaks German", note="call her"
    )
    assert done["assignee_id"] == bea["_id"]
    events = {e["type"]: e for e in await post.store.events.page(ticket_id, None, 50)}
    assert events["ticket.transferred"]["data"]["reason"] == "speaks German"
    notes = [m["text"] for m in (await post.look()).messages.values() if m["direction"] == "note"]
    assert notes == ["call her"]


async def test_what_is_already_so_leaves_no_trace(post: PostOffice, desk: TicketDesk) -> None:
    ticket_id = await a_ticket(post)
    bea = actor(await colleague(post.store, "bea"))
    await desk.update(ticket_id, bea, priority="high", tags=["vip", "vip", " "])
    before = await trail(post.store, ticket_id)
    same = await desk.update(ticket_id, bea, priority="high", tags=["vip"])
    assert same["tags"] == ["vip"]
    assert await trail(post.store, ticket_id) == before


async def test_resolving_ends_the_wait_and_leaves_the_list(post: PostOffice, desk: TicketDesk) -> None:
    ticket_id = await a_ticket(post)
    bea = actor(await colleague(post.store, "bea"))
    done = await desk.update(ticket_id, bea, status="resolved")
    assert done["waiting_since"] is None
    assert done["resolved_at"] is not None
    assert (await post.store.tickets.page(Filter(), "", 50))[0] == []
    resolved, _ = await post.store.tickets.page(Filter(status="resolved"), "", 50)
    assert [t["_id"] for t in resolved] == [ticket_id]


async def test_a_snoozed_ticket_sleeps_until_its_time_or_the_customer(post: PostOffice, desk: TicketDesk) -> None:
    ticket_id = await a_ticket(post)
    bea = actor(await colleague(post.store, "bea"))
    with pytest.raises(Invalid):
        await desk.snooze(ticket_id, bea, now() - timedelta(seconds=1))
    await desk.snooze(ticket_id, bea, now() + timedelta(days=1))
    assert (await post.store.tickets.page(Filter(), "", 50))[0] == []
    assert await desk.wake_due() == 0
    await post.deliver(mail("anna@customer.test", mid="b@c", refs=["a@c"]))
    assert len((await post.store.tickets.page(Filter(), "", 50))[0]) == 1
    await desk.snooze(ticket_id, bea, now() + timedelta(days=1))
    past = {"snoozed_until": now() - timedelta(seconds=1)}
    await post.store.db["tickets"].update_one({"_id": ticket_id}, {"$set": past})
    assert await desk.wake_due() == 1
    assert len((await post.store.tickets.page(Filter(), "", 50))[0]) == 1


async def test_a_merged_ticket_takes_no_more_deeds(post: PostOffice, desk: TicketDesk, settings: Settings) -> None:
    from omnihub.inbox.rearranging import Rearranging

    one, two = await a_ticket(post, "a@c"), await a_ticket(post, "b@c")
    bea = actor(await colleague(post.store, "bea"))
    await Rearranging(post.store, settings).merge(one, two, bea, "the same")
    with pytest.raises(Conflict):
        await desk.update(one, bea, status="resolved")


async def test_pages_hold_each_ticket_once_while_new_ones_come(post: PostOffice) -> None:
    await post.deliver(*(mail("anna@customer.test", mid=f"{n}@c") for n in range(25)))
    seen: list[str] = []
    cursor = ""
    while True:
        page, following = await post.store.tickets.page(Filter(), cursor, 10)
        seen += [t["_id"] for t in page]
        await post.deliver(mail("bob@customer.test", mid=f"late{len(seen)}@c"))
        if following is None:
            break
        cursor = following
    assert len(seen) == len(set(seen)) == 25


async def test_every_list_is_one_index_scan(post: PostOffice) -> None:
    from omnihub.store.tickets import _listed

    filters = [
        Filter(),
        Filter(view="mine", user_id="u"),
        Filter(view="unassigned"),
        Filter(status="closed"),
        Filter(status="any", contact_id="c"),
        Filter(team_id="t"),
        Filter(tag="vip"),
        Filter(channel="email"),
        Filter(account_id="a"),
        Filter(spam=True),
        Filter(status="any"),
        Filter(status="open"),
        Filter(status="pending", assignee_id="u", tag="vip"),
        Filter(status="any", team_id="t", channel="email"),
    ]
    for wanted in filters:
        found = post.store.db["tickets"].find(_listed(wanted))
        found = found.sort([("last_message_at", -1), ("_id", -1)]).limit(50)
        plan = str((await found.explain())["queryPlanner"]["winningPlan"])
        assert "COLLSCAN" not in plan, wanted
        assert "'stage': 'SORT'" not in plan, wanted
