"""From a person's line on the customers' page to the agent and back, with the real rooms in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from dingtalk_world import QUICK, person, said, simulated

from omnihub.connectors import registry
from omnihub.connectors.dingtalk import stream
from omnihub.connectors.dingtalk.simulator import Simulator
from omnihub.connectors.dingtalk.simulator_state import CORP_ID
from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import Listeners
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.inbox.profiles import PROFILE, ProfileErrands
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import ActorDoc
from omnihub.outbound.errands import ErrandRunner
from omnihub.outbound.submit import ReplyRequest, Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

Eventually = Callable[..., Awaitable[Any]]
ANNA = ActorDoc(kind="user", id="anna", name="Anna")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
RULES = replace(QUICK, redeliver_seconds=(1, 2))


@dataclass(slots=True, kw_only=True)
class Hub:
    store: Store
    submit: Submit
    account: Account
    simulator: Simulator
    door: str
    eventually: Eventually

    async def messages(self, **query: Any) -> list[Mapping[str, Any]]:
        return [doc async for doc in self.store.db["messages"].find(query).sort("_id", 1)]

    async def arrived(self, count: int = 1, **query: Any) -> list[Mapping[str, Any]]:
        async def look() -> list[Mapping[str, Any]] | None:
            found = await self.messages(direction="inbound", **query)
            return found if len(found) >= count else None

        found = await self.eventually(look)
        assert len(found) == count
        return list(found)

    async def answer(self, message: Mapping[str, Any], text: str) -> None:
        request = ReplyRequest(
            ticket_id=message["ticket_id"], actor=ANNA, text=text, seen_inbound_id=message["_id"],
            answering_id=message["_id"],
        )  # fmt: skip
        await self.submit.reply(request)

    async def shown(self, person_id: str, text: str) -> None:
        def look() -> bool:
            lines = self.simulator.chats.lines(person_id)
            return any(line.author == "desk" and line.text == text for line in lines)

        assert await self.simulator.chats.wait(look, 15), self.simulator.chats.lines(person_id)


@asynccontextmanager
async def running(*rooms: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(room()) for room in rooms]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def hub(
    tmp_path: Path, store: Store, connectors: Connectors, settings: Settings, eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Hub]:  # fmt: skip
    monkeypatch.setattr(stream, "FIRST_PAUSE", 0.02)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(simulated(tmp_path, RULES))
        (demo,) = simulator.accounts()
        account = await store.accounts.add(
            channel="dingtalk",
            name=demo.name,
            settings=registry.plain(registry.read_settings("dingtalk", dict(demo.settings))),
            secret_names=registry.secret_names("dingtalk"),
            policy=AccountPolicy(undo_seconds=0),
        )
        app = web.Application()
        app.add_routes(Receiver(store, connectors, settings).routes())
        server = await stack.enter_async_context(TestServer(app))
        kinds = {MEDIA: MediaErrands(store, connectors), PROFILE: ProfileErrands(store, connectors)}
        await stack.enter_async_context(
            running(
                Listeners(store, connectors).run,
                Intake(store, connectors, settings).run,
                OutboundWorker(store, connectors, settings).run,
                ErrandRunner(store, kinds).run,
            )
        )
        yield Hub(
            store=store,
            submit=Submit(store, connectors, settings),
            account=account,
            simulator=simulator,
            door=str(server.make_url(f"/in/dingtalk/{account.key}")),
            eventually=eventually,
        )


async def test_over_stream_there_and_back(hub: Hub) -> None:
    await hub.eventually(lambda: connected(hub, 2))
    chen = person(hub.simulator, "chen.xiaowen")
    await hub.simulator.chats.speak(chen, said("打印机坏了"))
    (message,) = await hub.arrived()
    assert message["text"] == "打印机坏了"
    assert message["sender"]["key"] == f"dingtalk:{CORP_ID}:chen.xiaowen"
    await hub.answer(message, "马上安排")
    await hub.shown(chen.id, "马上安排")
    assert hub.simulator.chats.lines("daniel.weber") == []
    (sent,) = await hub.eventually(lambda: hub.messages(direction="outbound", **{"delivery.state": "sent"}))
    assert sent["external_id"]
    health = (await hub.store.accounts.health())[hub.account.id]
    assert (health["state"], health["detail"]) == ("ok", "2 of 2 connections are open")


async def test_a_group_is_one_exchange_of_several_people(hub: Hub) -> None:
    await hub.eventually(lambda: connected(hub, 2))
    wang, li = (person(hub.simulator, name) for name in ("group-wang.lei", "group-li.na"))
    await hub.simulator.chats.speak(wang, said("今天能到货吗"))
    await hub.arrived(1)
    await hub.simulator.chats.speak(li, said("我也想知道"))
    first, second = await hub.arrived(2)
    assert first["conversation_id"] == second["conversation_id"]
    assert {one["sender"]["key"] for one in (first, second)} == {
        f"dingtalk:{CORP_ID}:wang.lei",
        f"dingtalk:{CORP_ID}:li.na",
    }
    await hub.answer(second, "下午三点到")
    await hub.shown(wang.id, "@李娜 下午三点到")
    await hub.shown(li.id, "@李娜 下午三点到")


async def test_pictures_are_fetched_and_people_are_known(hub: Hub) -> None:
    await hub.eventually(lambda: connected(hub, 2))
    chen = person(hub.simulator, "chen.xiaowen")
    await hub.simulator.chats.speak(chen, said(kind="image", content=PNG, filename="p.png"))

    async def look() -> Mapping[str, Any] | None:
        found = await hub.messages(direction="inbound")
        ready = found and all(one.get("state") != "fetching" for one in found[0]["attachments"])
        return found[0] if ready else None

    message = await hub.eventually(look)
    (file,) = message["attachments"]
    assert (file["filename"], file["content_type"], file["size"]) == ("image.png", "image/png", len(PNG))

    async def proven() -> Any:
        return await hub.store.db["identities"].find_one({"_id": {"$regex": "^phone:\\+86"}})

    identity = await hub.eventually(proven)
    assert identity["contact_id"] == message["contact_id"]


async def test_connections_taken_away_lose_and_double_nothing(hub: Hub) -> None:
    await hub.eventually(lambda: connected(hub, 2))
    chen, gateway = person(hub.simulator, "chen.xiaowen"), hub.simulator.gateway
    for number in range(20):
        if number % 5 == 2:
            await gateway.send_away(gateway.staying[0])
        await hub.simulator.chats.speak(chen, said(f"第{number}条"))
        if number % 5 == 4:
            await hub.eventually(lambda: connected(hub, 1))
    found = await hub.arrived(20)
    assert sorted(one["text"] for one in found) == sorted(f"第{number}条" for number in range(20))


async def test_by_http_there_and_back(hub: Hub) -> None:
    hub.simulator.door = hub.door
    daniel = person(hub.simulator, "daniel.weber")
    await hub.simulator.chats.speak(daniel, said("Where is my order?"))
    assert hub.simulator.answers == [(200, b'{"msgtype":"empty"}')]
    (message,) = await hub.arrived()
    await hub.answer(message, "On its way.")
    await hub.shown(daniel.id, "On its way.")
    assert [line.author for line in hub.simulator.chats.lines(daniel.id)] == ["customer", "desk"]


async def test_the_same_message_by_both_ways_is_kept_once(hub: Hub) -> None:
    await hub.eventually(lambda: connected(hub, 2))
    chen = person(hub.simulator, "chen.xiaowen")
    payload = hub.simulator.payload(chen, said("换方式的时候"))
    delivery = await hub.simulator.hand_over(chen, payload)
    assert delivery is not None
    await delivery.taken.wait()
    hub.simulator.door = hub.door
    assert await hub.simulator.call_door(chen, payload)
    await hub.arrived(1)
    assert await hub.store.db["raw_events"].count_documents({}) == 1


async def test_events_are_answered_in_time_and_kept_quietly(hub: Hub) -> None:
    url = f"{hub.door}/events"
    assert await hub.simulator.save_events(url)
    assert await hub.messages() == []  # the question whether the address is ours is nothing to keep
    event = {
        "EventType": "user_leave_org",
        "TimeStamp": 1795163400000,
        "UserId": ["chen.xiaowen"],
        "CorpId": CORP_ID,
    }
    for _ in range(2):
        assert await hub.simulator.push_event(url, event)
    (message,) = await hub.arrived(1)
    assert (message["kind"], message["silent"]) == ("notice", True)
    assert await hub.store.db["tickets"].count_documents({}) == 0
    assert not await hub.simulator.push_event(f"{hub.door}/elsewhere", event)


async def connected(hub: Hub, count: int) -> bool:
    return len(hub.simulator.gateway.staying) >= count
