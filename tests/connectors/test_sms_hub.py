"""The whole way, with the real door, journal, intake and outbox: telephone → Twilio → hub → Twilio → telephone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.simulation import Spoken
from omnihub.connectors.sms.api import Api
from omnihub.connectors.sms.reconcile import Reconciler, Tally
from omnihub.connectors.sms.signature import Key, sign
from omnihub.connectors.sms.simulator import NUMBER, Simulator
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import AccountDesk
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import ActorDoc, MessageDoc
from omnihub.model.errors import WindowClosed
from omnihub.outbound.errands import ErrandRunner
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings as HubSettings
from omnihub.store.attachments import NewAttachment
from omnihub.store.database import now
from omnihub.store.store import Store
from omnihub.unified_view import shared_files
from omnihub.unified_view.deps import Deps
from omnihub.webhooks.receive import Receiver

EMMA = "+12025550117"
ANNA = ActorDoc(kind="user", id="anna", name="Anna")
Eventually = Callable[..., Awaitable[Any]]


@dataclass(slots=True, frozen=True, kw_only=True)
class Hub:
    store: Store
    connectors: Connectors
    settings: HubSettings
    intake: Intake
    account: Account
    simulator: Simulator
    door: str
    http: aiohttp.ClientSession

    async def hears(self, text: str, content: bytes = b"") -> None:
        """Emma writes."""
        spoken = Spoken(kind="image" if content else "text", text=text, content=content, content_type="image/png")
        await self.simulator.chats.speak(self.simulator.chats.people[0], spoken)

    async def messages(self, **query: Any) -> list[Mapping[str, Any]]:
        await self.intake.drain()
        return [doc async for doc in self.store.db["messages"].find(query).sort("_id", 1)]

    async def answer(self, text: str, *files: str) -> MessageDoc:
        (*_, last) = await self.messages(direction="inbound", kind="message")
        submit = Submit(self.store, self.connectors, self.settings)
        return await submit.reply(
            ReplyRequest(
                ticket_id=last["ticket_id"], actor=ANNA, text=text, seen_inbound_id=last["_id"], force=True,
                attachment_ids=files,
            )
        )  # fmt: skip

    async def state(self, message: MessageDoc) -> str:
        await self.intake.drain()
        delivery = (await self.store.messages.get(message["_id"]))["delivery"]
        assert delivery is not None
        return delivery["state"]

    async def callback(self, message_id: str, status: str, **more: str) -> int:
        """A status callback as Twilio posts it."""
        url = f"{self.door}/status?m={message_id}"
        sid = {"MessageSid": "SM00000000000000000000000000000a09", "MessageStatus": status}
        form = {**sid, "AccountSid": self.simulator.twilio.account_sid, "To": EMMA, "From": NUMBER, **more}
        headers = dict(sign(Key(secret=self.simulator.twilio.auth_token), url, form.items()))
        async with self.http.post(url, data=form, headers=headers) as answer:
            return answer.status

    async def look(self, connected: timedelta = timedelta(days=10)) -> Tally:
        """One look for lost messages, by an account that was connected so long ago."""
        connector = await self.connectors.of(self.account)
        api = Api(connector.settings, self.http)
        reconciler = Reconciler(api, connector.settings, now() - connected, now)
        return await reconciler.look(AccountDesk(self.store, self.account))


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    # What happens at Twilio in these tests happened some minutes ago: no webhook is still under way.
    started = Simulator(tmp_path / "twilio", callback_pause=0, now=lambda: now() - timedelta(minutes=5))
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
def settings(settings: HubSettings) -> HubSettings:
    """The hub's address must be known beforehand: links to its files lead there."""
    port = unused_port()
    server = settings.server.model_copy(update={"port": port, "public_url": f"http://127.0.0.1:{port}"})
    return settings.model_copy(update={"server": server})


@pytest.fixture
async def hub(store: Store, settings: HubSettings, simulator: Simulator) -> AsyncIterator[Hub]:
    public_url = settings.public_url
    async with aiohttp.ClientSession() as http:
        connectors = Connectors(Toolbox(http=http, public_url=public_url, sign=store.vault.sign, now=now))
        account = await _account(store, simulator.settings())
        app = web.Application()
        app.add_routes(Receiver(store, connectors, settings).routes())
        app.add_routes(shared_files.routes(cast("Deps", SimpleNamespace(store=store))))
        async with TestServer(app, host="127.0.0.1", port=settings.server.port):
            door = f"{public_url}/in/sms/{account.key}"
            await simulator.attach({account.name: door})
            yield Hub(
                store=store, connectors=connectors, settings=settings, intake=Intake(store, connectors, settings),
                account=account, simulator=simulator, door=door, http=http,
            )  # fmt: skip
            # Callbacks that are still under way belong to this door.
            await simulator.settled()
        await connectors.close()


async def _account(store: Store, values: Mapping[str, Any]) -> Account:
    plain = registry.plain(registry.read_settings("sms", dict(values)))
    secret = registry.secret_names("sms")
    policy = AccountPolicy(undo_seconds=0)
    return await store.accounts.add(channel="sms", name="SMS", settings=plain, secret_names=secret, policy=policy)


@pytest.fixture
async def sending(hub: Hub) -> AsyncIterator[None]:
    running = asyncio.create_task(OutboundWorker(hub.store, hub.connectors, hub.settings).run())
    yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_customer_writes_and_is_answered(hub: Hub, sending: None, eventually: Eventually) -> None:
    await hub.hears("Where is my order? 🙂 +1")
    (message,) = await hub.messages()
    assert (message["text"], message["sender"]["key"]) == ("Where is my order? 🙂 +1", f"phone:{EMMA}")
    first = await hub.answer("It is on its way.")
    second = await hub.answer("It comes tomorrow.")

    async def delivered() -> bool:
        return [await hub.state(first), await hub.state(second)] == ["delivered", "delivered"]

    # The second one's callbacks come in the wrong order.
    assert await eventually(delivered)
    shown = [(line.author, line.text) for line in hub.simulator.chats.lines(EMMA)]
    assert shown == [
        ("customer", "Where is my order? 🙂 +1"), ("desk", "It is on its way."), ("desk", "It comes tomorrow."),
    ]  # fmt: skip
    stored = await hub.store.messages.get(first["_id"])
    assert stored["external_id"] == f"out:{first['_id']}"
    assert stored["aliases"] == [hub.simulator.twilio.records[1].sid]
    conversation = await hub.store.conversations.get(first["conversation_id"])
    assert conversation["thread_key"] == EMMA


async def test_statuses_in_any_order_end_the_same(hub: Hub) -> None:
    await hub.hears("hello")
    message = await hub.answer("hello yourself")
    for status, state in (
        ("delivered", "delivered"), ("queued", "delivered"), ("sent", "delivered"), ("delivered", "delivered"),
        ("undelivered", "delivered"), ("read", "read"), ("delivered", "read"),
    ):  # fmt: skip
        assert await hub.callback(message["_id"], status) == 200
        assert await hub.state(message) == state


async def test_a_failure_says_why(hub: Hub) -> None:
    await hub.hears("hello")
    message = await hub.answer("hello yourself")
    await hub.callback(message["_id"], "sent")
    await hub.callback(message["_id"], "undelivered", ErrorCode="30007")
    assert await hub.state(message) == "failed"
    delivery = (await hub.store.messages.get(message["_id"]))["delivery"]
    assert delivery is not None
    assert delivery["words"] == "30007 a carrier filtered the message as unwanted"


async def test_a_callback_settles_what_was_uncertain(hub: Hub) -> None:
    """The answer to our sending was lost, so that nobody here ever saw Twilio's id."""
    await hub.hears("hello")
    message = await hub.answer("hello yourself")
    await hub.store.outbox.start(message["_id"], 60)
    await hub.store.outbox.change(message["_id"], ("sending",), {"delivery.state": "uncertain"})
    await hub.callback(message["_id"], "sent")
    assert await hub.state(message) == "sent"


async def test_a_forged_callback_changes_nothing(hub: Hub) -> None:
    await hub.hears("hello")
    message = await hub.answer("hello yourself")
    form = {"MessageSid": "SM1", "MessageStatus": "delivered", "AccountSid": hub.simulator.twilio.account_sid}
    url = f"{hub.door}/status?m={message['_id']}"
    headers = dict(sign(Key(secret=hub.simulator.twilio.auth_token), f"{url}x", form.items()))
    async with hub.http.post(url, data=form, headers=headers) as answer:
        assert answer.status == 401
    assert await hub.state(message) == "queued"


async def test_a_lost_message_is_found_and_its_late_webhook_is_no_second_one(hub: Hub) -> None:
    number = hub.simulator.twilio.numbers[NUMBER]
    door, number.sms_url = number.sms_url, "http://127.0.0.1:9/nobody"
    number.fallback_url = ""
    await hub.hears("Is anybody there?")
    await hub.hears("", b"\x89PNG a picture")
    number.sms_url = door
    await hub.hears("This one came.")
    assert [line.author for line in hub.simulator.chats.lines(EMMA)].count("system") == 2
    assert [m["text"] for m in await hub.messages()] == ["This one came."]

    tally = await hub.look()
    assert tally.counts() == {"provider": 3, "stored": 1, "recovered": 2}
    messages = {m["external_id"]: m for m in await hub.messages()}
    lost, picture, came = hub.simulator.twilio.records
    assert set(messages) == {lost.sid, picture.sid, came.sid}
    assert messages[lost.sid]["text"] == "Is anybody there?"
    (file,) = messages[picture.sid]["attachments"]
    assert (file["content_type"], file["filename"]) == ("image/png", "file-1.png")

    assert (await hub.look()).counts() == {"provider": 3, "stored": 3, "recovered": 0}
    for record in (lost, picture):
        assert (await hub.simulator.deliver(record)).trouble == ""
    assert len(await hub.messages()) == 3
    assert len({m["ticket_id"] for m in await hub.messages()}) == 1


async def test_what_is_still_under_way_is_not_lost(hub: Hub) -> None:
    record = hub.simulator.twilio.receive(EMMA, NUMBER, "Its webhook comes in a moment", [])
    record.sent = now() - timedelta(seconds=30)
    assert (await hub.look()).counts() == {"provider": 0, "stored": 0, "recovered": 0}
    record.sent = now() - timedelta(seconds=90)
    assert (await hub.look()).recovered == 1


async def test_nothing_is_listed_from_before_the_account_was_connected(hub: Hub) -> None:
    record = hub.simulator.twilio.receive(EMMA, NUMBER, "long ago", [])
    record.sent = now() - timedelta(days=2)
    assert (await hub.look(connected=timedelta(days=1))).provider == 0


async def test_after_days_away_everything_since_is_found(hub: Hub) -> None:
    left = {"since": (now() - timedelta(days=3)).isoformat()}
    await AccountDesk(hub.store, hub.account).save_cursor("reconcile", left)
    for number in range(250):  # more than one page
        record = hub.simulator.twilio.receive(f"+1202555{number:04d}", NUMBER, f"message {number}", [])
        record.sent = now() - timedelta(days=2)
    assert (await hub.look()).counts() == {"provider": 250, "stored": 0, "recovered": 250}
    assert len(await hub.messages()) == 250
    assert (await hub.look()).provider == 0


async def test_a_lost_callback_is_found(hub: Hub, sending: None, eventually: Eventually) -> None:
    await hub.hears("hello")
    # Twilio is told an address at which nobody is.
    values = {**hub.simulator.settings(), "webhook_url": "http://127.0.0.1:9/in/sms/nobody"}
    plain = registry.plain(registry.read_settings("sms", values))
    secret = registry.secret_names("sms")
    await hub.store.accounts.change(hub.account.id, settings=plain, secret_names=secret)
    message = await hub.answer("hello yourself")

    async def sent() -> bool:
        return await hub.state(message) == "sent"

    assert await eventually(sent)
    await hub.simulator.settled()
    assert await hub.state(message) == "sent"
    await hub.look()
    assert await hub.state(message) == "delivered"
    journaled = await hub.store.db["raw_events"].count_documents({"source": "reconcile"})
    await hub.look()
    assert await hub.store.db["raw_events"].count_documents({"source": "reconcile"}) == journaled


async def test_the_listener_looks_by_itself_and_tells_the_health_line(hub: Hub, eventually: Eventually) -> None:
    hub.simulator.twilio.receive(EMMA, NUMBER, "lost", [])
    account = await _account(hub.store, hub.simulator.settings())
    long_known = replace(account, created_at=now() - timedelta(hours=1))
    connector = registry.connect(long_known, (await hub.connectors.of(hub.account)).toolbox)
    listening = asyncio.create_task(connector.listen(AccountDesk(hub.store, account)))

    async def told() -> Mapping[str, Any]:
        counts: Mapping[str, Any] = (await hub.store.accounts.health()).get(account.id, {}).get("counts", {})
        return counts

    counts = await eventually(told)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    assert counts == {"provider": 1, "stored": 0, "recovered": 1}
    assert [m["text"] for m in await hub.messages()] == ["lost"]


async def test_trouble_at_twilio_shows_in_the_health_line(hub: Hub, eventually: Eventually) -> None:
    hub.simulator.twilio.auth_token = "changed meanwhile"
    connector = await hub.connectors.of(hub.account)
    listening = asyncio.create_task(connector.listen(AccountDesk(hub.store, hub.account)))

    async def told() -> str:
        return str((await hub.store.accounts.health()).get(hub.account.id, {}).get("detail", ""))

    detail = await eventually(told)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    assert "Authenticate" in detail


async def test_an_account_that_does_not_want_it_is_not_polled(hub: Hub) -> None:
    account = await _account(hub.store, {**hub.simulator.settings(), "poll_minutes": 0})
    connector = await hub.connectors.of(account)
    async with asyncio.timeout(5):
        await connector.listen(AccountDesk(hub.store, account))
    assert account.id not in await hub.store.accounts.health()


async def test_opting_out_opens_no_ticket_and_stops_answers(hub: Hub) -> None:
    await hub.hears("Please call me")
    await hub.hears("STOP")
    (stop,) = await hub.messages(kind="notice")
    assert (stop["silent"], stop["extra"]["notice"]) == (True, "opted_out")
    assert await hub.store.db["tickets"].count_documents({}) == 1
    with pytest.raises(WindowClosed):
        await hub.answer("But why?")
    assert await hub.messages(direction="outbound") == []
    await hub.hears("start")
    assert (await hub.answer("Welcome back"))["delivery"]


async def test_twilios_own_list_of_those_who_opted_out_counts(
    hub: Hub, sending: None, eventually: Eventually
) -> None:
    """They may have done so before the hub knew them."""
    await hub.hears("hello")
    hub.simulator.twilio.opted_out.add((EMMA, NUMBER))
    message = await hub.answer("hello yourself")

    async def failed() -> bool:
        return await hub.state(message) == "failed"

    assert await eventually(failed)
    delivery = (await hub.store.messages.get(message["_id"]))["delivery"]
    assert delivery is not None
    assert delivery["words"] == (
        "Attempt to send to unsubscribed recipient: "
        "the customer opted out by sending STOP; only their START ends that (21610)"
    )


PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000") + b"\x1f\x15\xc4\x89"


async def test_pictures_go_both_ways(hub: Hub, sending: None, eventually: Eventually) -> None:
    await hub.hears("see here", PNG)
    await hub.messages()
    runner = ErrandRunner(hub.store, {MEDIA: MediaErrands(hub.store, hub.connectors)})
    assert await runner.run_due() == 1
    (message,) = await hub.messages(direction="inbound")
    (file,) = message["attachments"]
    assert (file["size"], file["content_type"], file["filename"]) == (len(PNG), "image/png", "file-1.png")

    (ref,) = await hub.store.attachments.store(
        [NewAttachment(id="answer-png", filename="plan 计划.png", content_type="image/png", content=PNG)]
    )
    answer = await hub.answer("and here", ref["id"])

    async def delivered() -> bool:
        return await hub.state(answer) == "delivered"

    assert await eventually(delivered)
    lines = [line for line in hub.simulator.chats.lines(EMMA) if line.author == "desk"]
    assert [(line.kind, line.text, line.media) for line in lines] == [
        ("text", "and here", b""),
        ("image", "", PNG),
    ]


async def test_a_redelivery_and_the_fallback_make_one_message(hub: Hub) -> None:
    await hub.hears("once")
    (record,) = hub.simulator.twilio.records
    for _ in range(2):
        await hub.simulator.deliver(record)
    assert len(await hub.messages()) == 1
    assert await hub.store.db["raw_events"].count_documents({}) == 1


async def test_a_hub_that_answers_with_an_error_gets_the_message_by_the_fallback(hub: Hub) -> None:
    hub.simulator.twilio.numbers[NUMBER].sms_url = f"{hub.door}/nowhere"
    await hub.hears("by the second door")
    (message,) = await hub.messages()
    assert message["text"] == "by the second door"
