import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import TicketDoc
from omnihub.store.database import now
from omnihub.store.presence import Presence
from omnihub.store.store import Store
from tests.mailbox import PostOffice, mail
from tests.unified_view.browser import Browser, Hub


async def let_send(store: Store, account: Account) -> None:
    settings = {**account.settings, "smtp_host": "127.0.0.1", "smtp_port": 2525, "smtp_security": "none"}
    await store.accounts.change(
        account.id,
        settings=settings,
        secret_names=frozenset({"push_secret"}),
        policy=AccountPolicy(undo_seconds=30),
    )


@pytest.fixture
async def ticket(post: PostOffice) -> TicketDoc:
    await let_send(post.store, post.account)
    placed = await post.deliver(mail("Anna <anna@customer.test>", mid="a@c", subject="Where is it"))
    return placed.ticket("a@c")


def reply_to(ticket: TicketDoc, **more: Any) -> dict[str, Any]:
    return {"text": "It is on its way.", "seen_inbound_id": ticket["last_inbound_id"], **more}


async def test_an_answer_is_queued_and_can_be_taken_back(ticket: TicketDoc, agent: Browser) -> None:
    answer = await agent.post(f"/tickets/{ticket['_id']}/replies", reply_to(ticket, status="pending"))
    assert answer.status == 201, answer.content
    message = answer.json
    assert message["delivery"]["state"] == "queued"
    assert "lease_until" not in message["delivery"]
    assert (await agent.get(f"/tickets/{ticket['_id']}")).json["ticket"]["status"] == "pending"
    (listed,) = (await agent.get("/outbox")).json["items"]
    assert (listed["id"], listed["ticket_number"]) == (message["id"], ticket["number"])
    assert (await agent.post(f"/messages/{message['id']}/cancel")).json["delivery"]["state"] == "cancelled"
    assert (await agent.post(f"/messages/{message['id']}/cancel")).status == 409
    assert (await agent.post(f"/messages/{message['id']}/settle", {"sent": True})).status == 409
    assert (await agent.post(f"/messages/{message['id']}/resend")).json["delivery"]["state"] == "queued"


async def test_an_answer_to_an_old_view_is_stopped_with_what_came_in(
    ticket: TicketDoc, post: PostOffice, agent: Browser
) -> None:
    await post.deliver(mail("anna@customer.test", mid="b@c", refs=["a@c"], text="Never mind, it came!\n"))
    stale = await agent.post(
        f"/tickets/{ticket['_id']}/replies", reply_to(ticket), headers={"Accept-Language": "zh"}
    )
    assert (stale.status, stale.problem["code"]) == (409, "stale_view")
    assert stale.problem["title"] == "有新消息"
    (unseen,) = stale.problem["details"]["messages"]
    assert "it came" in unseen["text"]
    anyway = await agent.post(f"/tickets/{ticket['_id']}/replies", reply_to(ticket, force=True))
    assert anyway.status == 201


async def test_a_colleagues_answer_on_screen_stops_nobody(ticket: TicketDoc, hub: Hub, agent: Browser) -> None:
    path, other = f"/tickets/{ticket['_id']}/replies", await hub.browser("agent")
    theirs = (await other.post(path, reply_to(ticket))).json
    stale = await agent.post(path, reply_to(ticket))
    assert (stale.status, stale.problem["code"]) == (409, "stale_view")
    assert [one["id"] for one in stale.problem["details"]["messages"]] == [theirs["id"]]
    seen = await agent.post(path, reply_to(ticket, seen_message_id=theirs["id"]))
    assert seen.status == 201, seen.content


async def test_agents_see_their_own_outbox_and_supervisors_all(
    ticket: TicketDoc, hub: Hub, agent: Browser
) -> None:
    sent = (await agent.post(f"/tickets/{ticket['_id']}/replies", reply_to(ticket))).json
    other, supervisor = await hub.browser("agent"), await hub.browser("supervisor")
    assert (await other.get("/outbox")).json["items"] == []
    assert [m["id"] for m in (await supervisor.get("/outbox?state=queued")).json["items"]] == [sent["id"]]
    assert (await supervisor.get("/outbox?state=failed")).json["items"] == []


async def test_a_repeated_send_sends_once(ticket: TicketDoc, agent: Browser) -> None:
    path, key = f"/tickets/{ticket['_id']}/replies", {"Idempotency-Key": "one"}
    first = await agent.post(path, reply_to(ticket), headers=key)
    again = await agent.post(path, reply_to(ticket), headers=key)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    other = await agent.post(path, reply_to(ticket, text="Something else"), headers=key)
    assert (other.status, other.problem["code"]) == (422, "key_reused")
    assert len((await agent.get("/outbox")).json["items"]) == 1


async def test_ten_sends_at_once_with_one_key_send_once(ticket: TicketDoc, agent: Browser) -> None:
    path, key = f"/tickets/{ticket['_id']}/replies", {"Idempotency-Key": "burst"}
    answers = await asyncio.gather(*(agent.post(path, reply_to(ticket), headers=key) for _ in range(10)))
    codes = {answer.status for answer in answers}
    assert codes <= {201, 409}
    assert all(answer.problem["code"] == "in_progress" for answer in answers if answer.status == 409)
    assert len((await agent.get("/outbox")).json["items"]) == 1


async def test_a_key_is_its_users_own_and_a_refusal_may_be_tried_again(
    ticket: TicketDoc, hub: Hub, agent: Browser
) -> None:
    path, key = f"/tickets/{ticket['_id']}/notes", {"Idempotency-Key": "shared"}
    other = await hub.browser("agent")
    mine = await agent.post(path, {"text": "mine"}, headers=key)
    theirs = await other.post(path, {"text": "theirs"}, headers=key)
    assert (mine.status, theirs.status) == (201, 201)
    again = {"Idempotency-Key": "again"}
    refused = await agent.post(path, {"text": "x", "attachment_ids": ["none"]}, headers=again)
    assert refused.status == 404
    assert (await agent.post(path, {"text": "x"}, headers=again)).status == 201


async def test_what_is_shown_once_is_kept_sealed(hub: Hub, admin: Browser) -> None:
    key = {"Idempotency-Key": "token"}
    made = await admin.post("/tokens", {"name": "CRM", "scopes": ["read"]}, headers=key)
    again = await admin.post("/tokens", {"name": "CRM", "scopes": ["read"]}, headers=key)
    assert again.json == made.json
    kept = [doc async for doc in hub.deps.store.db["idempotency"].find()]
    assert made.json["token"] not in str(kept)
    assert len((await admin.get("/tokens")).json["items"]) == 1


@pytest.mark.parametrize("path", ["replies", "notes"])
async def test_a_repeat_after_a_crash_finds_what_nobody_was_told_of(
    ticket: TicketDoc, store: Store, agent: Browser, path: str
) -> None:
    """The process died after the message was stored, and before it could say so."""
    where, key = f"/tickets/{ticket['_id']}/{path}", {"Idempotency-Key": "one"}
    body = reply_to(ticket) if path == "replies" else {"text": "He called twice."}
    first = await agent.post(where, body, headers=key)
    assert first.status == 201
    answers = store.db["idempotency"]
    await answers.update_one({}, {"$unset": {"status": 1, "body": 1}, "$set": {"process": "host:1:dead"}})
    assert (await agent.post(where, body, headers=key)).problem["code"] == "in_progress"
    await store.db["processes"].insert_one({"_id": "host:1:dead", "until": now() - timedelta(seconds=1)})
    await Presence(store.db, "host:2:alive").bury_the_dead()
    again = await agent.post(where, body, headers=key)
    assert (again.status, again.json["id"]) == (201, first.json["id"])
    assert await store.db["messages"].count_documents({"direction": {"$ne": "inbound"}}) == 1
