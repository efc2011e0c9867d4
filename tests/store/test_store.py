"""What the store keeps, refuses and forgets, against the real engines."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from omnihub.connectors.registry import Connectors
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.tickets import TicketDesk
from omnihub.model.documents import ActorDoc
from omnihub.model.errors import NotFound
from omnihub.model.raw import RawRequest
from omnihub.outbound.options import Options
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from omnihub.store.attachments import NewAttachment
from omnihub.store.database import Session, is_outage, now
from omnihub.store.schema import declared_indexes
from omnihub.store.store import Store
from omnihub.store.tickets import Filter
from tests.mailbox import mail, open_post_office

BEA = ActorDoc(kind="user", id="bea", name="Bea")
LARGE = b"x" * 300_000


def request(body: bytes, **changes: Any) -> RawRequest:
    return RawRequest(**({"source": "test", "body": body, "received_at": now()} | changes))


async def test_header_bytes_of_no_charset_hold_up_nobody(store: Store) -> None:
    strange = {"x-name": "caf\udce9", "a.b": "1", "$c": "2", "lone\ud800": "\x00"}
    fine, odd, late = await asyncio.wait_for(
        asyncio.gather(
            store.journal.append("acc", request(b"one")),
            store.journal.append("acc", request(b"two", headers=strange, query=strange, tail="\udcff")),
            store.journal.append("acc", request(b"three", source_key="key \udcff")),
        ),
        timeout=10,
    )
    kept = await store.journal.get(odd.id)
    assert kept.request.body == b"two"
    assert kept.request.headers["a.b"] == "1"
    assert kept.request.headers["x-name"] == "caf\ufffd"
    assert {fine.repeated, late.repeated} == {False}


async def test_what_cannot_be_journaled_is_refused_and_not_left_waiting(store: Store) -> None:
    from omnihub.store.journal import JournalUnavailable

    with pytest.raises(JournalUnavailable):
        await asyncio.wait_for(store.journal.append("acc", request(b"x", meta={"n": 2**70})), timeout=10)
    assert not (await store.journal.append("acc", request(b"y"))).repeated


async def test_retention_takes_bodies_along_but_not_those_that_others_hold(store: Store) -> None:
    shared, own, fresh = LARGE + b"shared", LARGE + b"own", LARGE + b"fresh"
    old = now() - timedelta(days=100)
    for body, at in ((shared, old), (own, old), (fresh, old), (fresh, now())):
        await store.journal.append("acc", request(body, received_at=at))
    file = NewAttachment(id="file", filename="f", content_type="text/plain", content=shared)
    await store.attachments.store([file])
    await store.db["blobs"].update_many({}, {"$set": {"at": old}})
    await store.db["raw_events"].update_many({}, {"$set": {"state": "done"}})
    before = now() - timedelta(days=90)
    assert await store.journal.purge(done_before=before, dead_before=before) == 3
    assert await store.db["blobs"].count_documents({}) == 2
    _, digest = await store.attachments.find("file")
    assert await store.attachments.blobs.get(digest) == shared
    assert await store.db["blobs.files"].count_documents({}) == 2


async def test_a_body_that_is_wanted_again_is_not_forgotten(store: Store) -> None:
    old = now() - timedelta(days=100)
    await store.journal.append("acc", request(LARGE, received_at=old))
    await store.db["blobs"].update_many({}, {"$set": {"at": old}})
    await store.db["raw_events"].update_many({}, {"$set": {"state": "done"}})
    [digest] = await store.blobs.put([LARGE])  # somebody is about to name it
    await store.journal.purge(done_before=now(), dead_before=now())
    assert await store.blobs.get(digest) == LARGE


async def test_a_dead_letter_whose_body_is_gone_can_still_be_seen_and_discarded(store: Store) -> None:
    entry = await store.journal.append("acc", request(LARGE))
    await store.journal.fail(entry.id, "broken", dead=True)
    await store.db["blobs"].delete_many({})
    [letter] = await store.journal.dead()
    assert (letter.error, letter.size, letter.event.request.body) == ("broken", len(LARGE), b"")
    await store.journal.discard(entry.id)
    assert await store.journal.dead() == []


async def test_a_purged_dead_letter_is_not_found(store: Store) -> None:
    entry = await store.journal.append("acc", request(b"x"))
    await store.journal.fail(entry.id, "broken", dead=True)
    await store.journal.purge(done_before=now(), dead_before=now() + timedelta(seconds=1))
    with pytest.raises(NotFound):
        await store.journal.dead_letter(entry.id)


async def test_a_large_backlog_is_loaded_in_parts(store: Store) -> None:
    body = b"x" * 9_000_000
    entries = await store.journal.append_many("acc", [request(body + bytes([n])) for n in range(5)])
    parts = [len(part) async for part in store.journal.portions([e.id for e in entries])]
    assert sum(parts) == 5
    assert max(parts) == 3


async def test_a_conversation_that_ends_frees_its_key_for_the_next(store: Store) -> None:
    def conversation(name: str) -> Any:
        at = {"ticket_id": "t", "contact_id": "c", "joined_into": None, "created_at": now(), "participants": []}
        return {"_id": name, "account_id": "acc", "thread_key": "openid", "open": True, "pinned": False, **at}

    async def follow(session: Session) -> None:
        await store.conversations.save([conversation("two")], {"one": {"open": False}}, session)

    await store.transaction(lambda s: store.conversations.save([conversation("one")], {}, s))
    await store.transaction(follow)
    assert (await store.conversations.get("two"))["open"]


def test_only_what_may_pass_counts_as_an_outage() -> None:
    assert is_outage(AutoReconnect("away"))
    assert not is_outage(OperationFailure("too large", 10334))
    assert not is_outage(ValueError())


@pytest.mark.own_database
@pytest.mark.own_database
async def test_no_query_of_a_working_day_scans_a_collection(
    store: Store, connectors: Connectors, settings: Settings
) -> None:
    post = await open_post_office(store, connectors, settings)
    submit = Submit(store, connectors, settings)
    rearranging, desk = Rearranging(store, settings), TicketDesk(store)
    raws = (
        mail("anna@customer.test", mid="a@c"),
        mail("anna@customer.test", mid="b@c", refs=["a@c"], subject="Re: [#1001] x"),
        mail("bob@customer.test", mid="c@c", cc="anna@customer.test", refs=["z@c"]),
        mail("bob@customer.test", mid="z@c"),
    )
    await store.db.db.command("profile", 2)
    for raw in raws:
        await store.journal.append(post.account.id, request(raw))
        await post.intake.drain()
    await store.db.db.command("profile", 0)
    placed = await post.look()  # reads everything
    await store.db.db.command("profile", 2)
    ticket, other = placed.ticket("a@c"), placed.ticket("c@c")
    answer = ReplyRequest(ticket_id=ticket["_id"], actor=BEA, text="Yes.", seen_inbound_id=None, force=True)
    message = await submit.reply(answer)
    options = Options(store, connectors)
    await options.of(ticket)
    await options.elsewhere(ticket)
    worker = OutboundWorker(store, connectors, settings)
    await worker._pass()
    await worker._stop()
    await submit.cancel(message["_id"], BEA)
    await desk.note(ticket["_id"], BEA, "note")
    _, operation = await rearranging.merge(ticket["_id"], other["_id"], BEA, "same")
    await rearranging.undo(operation["_id"], BEA)
    await desk.wake_due()
    for wanted in (Filter(), Filter(view="mine", user_id="bea"), Filter(status="closed"), Filter(spam=True)):
        await store.tickets.page(wanted, "", 50)
    await store.tickets.counts("bea")
    await store.outbox.page(("failed", "queued"), "", 50)
    await store.outbox.page_of("bea", ("failed", "queued"), "", 50)
    await store.outbox.counts()
    await store.messages.page(ticket["_id"], None, 50)
    await store.events.trail(ticket["_id"], None, 50, but=("message.received",))
    await store.operations.of_ticket(ticket["_id"])
    await store.contacts.page("anna", "", 50)
    await store.errands.take(60)
    await store.errands.take(60, but=[("media", post.account.id)])
    reply_id, at = "r1", now()
    await store.transaction(lambda s: store.messages.parts(message["conversation_id"], reply_id, s))
    await store.transaction(lambda s: store.messages.amend(message["_id"], {"text": "x"}, at, s))
    await store.transaction(lambda s: store.messages.mark_recalled(message["_id"], at, s))
    await store.messages.thread(message["conversation_id"], 50)
    await store.messages.count_automatic("email:anna@customer.test", at)
    await store.tickets.of_contacts([ticket["contact_id"]])
    await store.journal.find(["e1"])
    await store.journal.counts()
    await store.journal.dead()
    await store.journal.oldest_waiting()
    await store.journal.purge(done_before=now(), dead_before=now())
    await store.db.db.command("profile", 0)
    scanned = {
        (entry["ns"].partition(".")[2], str(entry.get("command", {}).get("filter") or entry.get("command")))
        async for entry in store.db["system.profile"].find({"planSummary": "COLLSCAN"})
    }
    # A few rows each, and read whole; the journal's change stream reads the oplog.
    small = {"accounts", "schema", "account_health", "$cmd.aggregate", "system.profile"}
    assert {one for one in scanned if one[0] not in small} == set()


def test_every_collection_of_queries_declares_its_indexes() -> None:
    assert {"messages", "tickets", "raw_events", "conversations", "contacts"} <= declared_indexes().keys()
