"""From a user's phone into the inbox and back, with every room of the hub between."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from omnihub.connectors import registry
from omnihub.connectors.registry import Connectors
from omnihub.connectors.simulation import Loopback, Person, Spoken
from omnihub.connectors.wechat_miniprogram.simulator import NAME, Simulator
from omnihub.connectors.wechat_miniprogram.simulator_demo import COVER, PEOPLE
from omnihub.inbox.intake import Intake
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.model.documents import ActorDoc
from omnihub.model.errors import Refused
from omnihub.model.outgoing import TemplateUse
from omnihub.outbound.errands import ErrandRunner
from omnihub.outbound.submit import ReplyRequest, Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

CHANNEL = "wechat_miniprogram"
ANNA = ActorDoc(kind="user", id="anna", name="Anna")
ZHANG, LIU = PEOPLE[:2]


@dataclass(slots=True, frozen=True, kw_only=True)
class Way:
    store: Store
    submit: Submit
    intake: Intake
    errands: ErrandRunner
    phone: Simulator

    async def says(self, person: Person, kind: str, text: str = "", **more: Any) -> None:
        """Heard, stored, and its errands run."""
        await self.phone.chats.speak(person, Spoken(kind=kind, text=text, **more))
        await self.intake.drain()
        await self.errands.run_due()

    async def stored(self) -> list[Mapping[str, Any]]:
        return [doc async for doc in self.store.db["messages"].find({"direction": "inbound"}).sort("_id", 1)]

    async def reply(self, text: str, **more: Any) -> None:
        (ticket,) = [doc async for doc in self.store.db["tickets"].find()]
        seen = ticket["last_inbound_id"]
        await self.submit.reply(
            ReplyRequest(ticket_id=ticket["_id"], actor=ANNA, text=text, seen_inbound_id=seen, force=True, **more)
        )

    async def seen(self, person: Person, count: int) -> list[str]:
        """What the customer sees of the desk, once it is so much."""

        def lines() -> list[str]:
            return [one.text for one in self.phone.chats.lines(person.id) if one.author == "desk"]

        assert await self.phone.chats.wait(lambda: len(lines()) >= count, 10), lines()
        return lines()


@pytest.fixture
async def way(store: Store, connectors: Connectors, settings: Settings, tmp_path: Path) -> AsyncIterator[Way]:
    phone = Simulator(tmp_path / "phone")
    await phone.start()
    values = registry.plain(registry.read_settings(CHANNEL, dict(phone.accounts()[0].settings)))
    account = await store.accounts.add(
        channel=CHANNEL, name=NAME, settings=values, secret_names=registry.secret_names(CHANNEL)
    )
    app = web.Application(client_max_size=8_388_608)
    app.add_routes(Receiver(store, connectors, settings).routes())
    door = Loopback(app)
    await phone.attach({NAME: f"{await door.start()}/in/{CHANNEL}/{account.key}"})
    worker = asyncio.create_task(OutboundWorker(store, connectors, settings).run())
    yield Way(
        store=store,
        submit=Submit(store, connectors, settings),
        intake=Intake(store, connectors, settings),
        errands=ErrandRunner(store, {MEDIA: MediaErrands(store, connectors)}),
        phone=phone,
    )
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await phone.stop()
    await door.stop()


async def test_an_order_is_asked_about_and_answered_until_the_window_ends(way: Way) -> None:
    assert way.phone.pusher.url
    await way.says(ZHANG, "enter", "order=42")
    assert await way.store.db["tickets"].count_documents({}) == 0
    await way.says(ZHANG, "text", "订单什么时候到？")
    await way.says(ZHANG, "image", content=COVER, content_type="image/png")
    entered, question, picture = await way.stored()
    assert (entered["kind"], entered["extra"]["session_from"]) == ("notice", "order=42")
    assert question["sender"]["key"].endswith(f":{ZHANG.id}")
    ((_, digest),) = await way.store.attachments.find_many([picture["attachments"][0]["id"]])
    assert await way.store.attachments.blobs.get(digest) == COVER
    assert all(outcome.taken for outcome in way.phone.outcomes)
    for number in range(1, 6):
        await way.reply(f"答复 {number}")
    assert await way.seen(ZHANG, 5) == [f"答复 {number}" for number in range(1, 6)]
    with pytest.raises(Refused):
        await way.reply("第六条")
    assert (await way.store.journal.counts())["dead"] == 0


async def test_a_subscribe_message_goes_out_where_the_window_is_used_up(way: Way) -> None:
    await way.says(LIU, "text", "发货了告诉我")
    await way.says(LIU, "accept")
    for number in range(1, 6):
        await way.reply(f"答复 {number}")
    await way.reply(
        "", template=TemplateUse(id="order-status", values={"character_string1": "7", "phrase2": "已发货"})
    )
    assert (await way.seen(LIU, 6))[-1] == "订单状态提醒\n订单号：7\n状态：已发货"


async def test_a_kind_of_tomorrow_is_in_the_inbox(way: Way) -> None:
    await way.says(ZHANG, "tomorrow", "a hologram")
    (message,) = await way.stored()
    assert message["kind"] == "unsupported"
    assert "a hologram" in message["text"]
    assert [file["filename"] for file in message["attachments"]] == ["event.json"]
