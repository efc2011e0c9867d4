"""From the customer's phone into the inbox and back, with every room of the hub between."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from telegram_desk import MARIA, led, world

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.simulation import Loopback, Spoken
from omnihub.connectors.telegram.simulator import Simulator
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import Listeners
from omnihub.model.documents import ActorDoc
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

ANNA = ActorDoc(kind="user", id="anna", name="Anna")


@asynccontextmanager
async def rooms(store: Store, connectors: Connectors, settings: Settings) -> AsyncIterator[None]:
    running = [
        asyncio.create_task(room.run())
        for room in (
            Listeners(store, connectors),
            Intake(store, connectors, settings),
            OutboundWorker(store, connectors, settings),
        )
    ]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def connect(store: Store, simulator: Simulator, **changed: Any) -> str:
    values = registry.plain(registry.read_settings("telegram", {**led(simulator), **changed}))
    account = await store.accounts.add(
        channel="telegram", name="Bot", settings=values, secret_names=registry.secret_names("telegram")
    )
    return account.id


@pytest.mark.parametrize("mode", ["poll", "webhook"])
async def test_a_question_is_answered(
    mode: str, store: Store, toolbox: Toolbox, settings: Settings, tmp_path: Path, eventually: Any
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    hub = Connectors(replace(toolbox, public_url=url))
    app = web.Application()
    app.add_routes(Receiver(store, hub, settings).routes())
    loopback = Loopback(app)
    assert await loopback.start(int(url.rpartition(":")[2])) == url

    async def stored(count: int) -> list[Mapping[str, Any]]:
        found = [one async for one in store.db["messages"].find({"direction": "inbound"}).sort("_id", 1)]
        return found if len(found) >= count else []

    async with world(tmp_path) as there:
        await connect(store, there.simulator, mode=mode)
        chats = there.simulator.chats
        maria, group = chats.people[0], chats.people[3]
        async with rooms(store, hub, settings):
            await chats.speak(maria, Spoken(kind="text", text="Where is my parcel?"))
            (question,) = await eventually(lambda: stored(1))
            assert question["sender"]["key"] == f"telegram:{MARIA}"
            assert question["text"] == "Where is my parcel?"
            await Submit(store, hub, settings).reply(
                ReplyRequest(
                    ticket_id=question["ticket_id"],
                    actor=ANNA,
                    text="It comes today.",
                    seen_inbound_id=question["_id"],
                )
            )
            assert await chats.wait(lambda: chats.lines(maria.id)[-1].author == "desk", 10)
            assert chats.lines(maria.id)[-1].text == "It comes today."
            await chats.speak(group, Spoken(kind="text", text="And ours?"))
            asked = (await eventually(lambda: stored(2)))[1]
            assert asked["ticket_id"] != question["ticket_id"]
            await Submit(store, hub, settings).reply(
                ReplyRequest(
                    ticket_id=asked["ticket_id"], actor=ANNA, text="Tomorrow.", seen_inbound_id=asked["_id"]
                )
            )
            assert await chats.wait(lambda: chats.lines(group.id)[-1].author == "desk", 10)
            kept = [one.fields for (chat, _), one in there.simulator.bot.messages.items() if str(chat) == group.id]
            assert kept[-1]["reply_to_message"]["text"] == "And ours?"
        assert len([line for line in chats.lines(maria.id) if line.author == "desk"]) == 1
        assert await store.db["raw_events"].count_documents({}) == 2
        health = await store.accounts.health()
        assert [one["state"] for one in health.values()] == ["ok"]
    await hub.close()
    await loopback.stop()
