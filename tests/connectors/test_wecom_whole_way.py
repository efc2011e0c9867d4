"""From a line on the customers' page to the agent and back, with the real rooms in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from omnihub.connectors import registry
from omnihub.connectors.registry import Connectors
from omnihub.connectors.simulation import Chats, Person, Spoken
from omnihub.connectors.wecom.simulator import Simulator as AppSimulator
from omnihub.connectors.wecom_api.platform import CORP_ID, Platform
from omnihub.connectors.wecom_kf.simulator import SERVICER
from omnihub.connectors.wecom_kf.simulator import Simulator as KfSimulator
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import Listeners
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.inbox.profiles import PROFILE, ProfileErrands
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import ActorDoc
from omnihub.outbound.errands import ErrandKind, ErrandRunner
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

Eventually = Callable[..., Awaitable[Any]]
ANNA = ActorDoc(kind="user", id="anna", name="Anna")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@dataclass(slots=True, kw_only=True)
class Hub:
    store: Store
    connectors: Connectors
    submit: Submit
    account: Account
    chats: Chats
    platform: Platform
    eventually: Eventually

    @property
    def person(self) -> Person:
        return self.chats.people[0]

    async def say(self, *words: str, kind: str = "text") -> None:
        for text in words:
            await self.chats.speak(self.person, Spoken(kind=kind, text=text))

    async def messages(self, count: int, **query: Any) -> Sequence[Mapping[str, Any]]:
        """As soon as there are so many; more than that are too many."""

        async def look() -> Sequence[Mapping[str, Any]] | None:
            found = [doc async for doc in self.store.db["messages"].find(query).sort("_id", 1)]
            return found if len(found) >= count else None

        found: Sequence[Mapping[str, Any]] = await self.eventually(look)
        assert len(found) == count, [one["text"] for one in found]
        return found

    async def heard(self, count: int) -> Sequence[Mapping[str, Any]]:
        return await self.messages(count, direction="inbound", kind="message")

    async def answer(self, message: Mapping[str, Any], text: str) -> str:
        sent = await self.submit.reply(
            ReplyRequest(
                ticket_id=message["ticket_id"], actor=ANNA, text=text, seen_inbound_id=message["_id"],
                answering_id=message["_id"], force=True,
            )
        )  # fmt: skip
        return sent["_id"]

    async def state(self, message_id: str, *states: str) -> Mapping[str, Any]:
        async def look() -> Mapping[str, Any] | None:
            found = await self.store.db["messages"].find_one({"_id": message_id})
            return found if found and found["delivery"]["state"] in states else None

        found: Mapping[str, Any] = await self.eventually(look)
        return found

    def desk_lines(self) -> Sequence[str]:
        return [line.text for line in self.chats.lines(self.person.id) if line.author == "desk"]

    async def shown(self, *texts: str) -> None:
        assert await self.chats.wait(lambda: len(self.desk_lines()) >= len(texts), 15)
        assert list(self.desk_lines()) == list(texts)


@asynccontextmanager
async def running(*rooms: Callable[[], Awaitable[None]]) -> AsyncIterator[Sequence["asyncio.Future[None]"]]:
    tasks = [asyncio.ensure_future(room()) for room in rooms]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def connected(
    simulator: AppSimulator | KfSimulator, channel: str, store: Store, connectors: Connectors, settings: Settings,
    eventually: Eventually, **changed: Any,
) -> AsyncIterator[Hub]:  # fmt: skip
    await simulator.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(simulator.stop)
        (demo,) = simulator.accounts()
        account = await store.accounts.add(
            channel=channel, name=demo.name, secret_names=registry.secret_names(channel),
            settings=registry.plain(registry.read_settings(channel, {**demo.settings, **changed})),
            policy=AccountPolicy(undo_seconds=0),
        )  # fmt: skip
        app = web.Application()
        app.add_routes(Receiver(store, connectors, settings).routes())
        server = await stack.enter_async_context(TestServer(app))
        await simulator.attach({demo.name: str(server.make_url(f"/in/{channel}/{account.key}"))})
        assert simulator.platform.door_fault == ""
        kinds: Mapping[str, ErrandKind] = {
            MEDIA: MediaErrands(store, connectors),
            PROFILE: ProfileErrands(store, connectors),
        }
        rooms = (
            Intake(store, connectors, settings).run, OutboundWorker(store, connectors, settings).run,
            ErrandRunner(store, kinds).run,
        )  # fmt: skip
        await stack.enter_async_context(running(*rooms))
        yield Hub(
            store=store, connectors=connectors, submit=Submit(store, connectors, settings), account=account,
            chats=simulator.chats, platform=simulator.platform, eventually=eventually,
        )  # fmt: skip


@pytest.fixture
async def app(
    tmp_path: Path, store: Store, connectors: Connectors, settings: Settings, eventually: Eventually
) -> AsyncIterator[Hub]:
    simulator = AppSimulator(tmp_path, pause_seconds=0)
    async with connected(simulator, "wecom", store, connectors, settings, eventually) as hub:
        yield hub


@pytest.fixture
def kf_simulator(tmp_path: Path) -> KfSimulator:
    return KfSimulator(tmp_path, pause_seconds=0, bells=2)


@pytest.fixture
async def kf(
    kf_simulator: KfSimulator, store: Store, connectors: Connectors, settings: Settings, eventually: Eventually
) -> AsyncIterator[Hub]:
    async with connected(
        kf_simulator, "wecom_kf", store, connectors, settings, eventually, poll_seconds=3600
    ) as hub:
        yield hub


# — the app —


async def test_an_employee_asks_and_is_answered(app: Hub) -> None:
    await app.chats.speak(app.person, Spoken(kind="open"))
    await app.say("打印机坏了", "还在吗？")
    first, second = await app.heard(2)
    assert first["ticket_id"] == second["ticket_id"]
    assert first["sender"]["key"] == f"wecom:{CORP_ID}:{app.person.id}"
    (opened,) = await app.messages(1, kind="notice")
    assert opened["extra"]["notice"] == "enter_agent"
    sent = await app.answer(second, "马上到")
    await app.shown("马上到")
    assert (await app.state(sent, "sent"))["external_id"].startswith("sim")

    async def named() -> bool:
        identity = await app.store.db["identities"].find_one({"_id": f"wecom:{CORP_ID}:{app.person.id}"})
        contact = await app.store.db["contacts"].find_one({"_id": identity["contact_id"]}) if identity else None
        return bool(contact and contact["name"] == app.person.name)

    await app.eventually(named)


async def test_a_picture_is_fetched_and_kept(app: Hub) -> None:
    picture = Spoken(kind="image", filename="screen.png", content_type="image/png", content=PNG)
    await app.chats.speak(app.person, picture)

    async def fetched() -> Any:
        found = await app.store.db["messages"].find_one({"attachments.size": len(PNG)})
        return found["attachments"] if found else None

    (file,) = await app.eventually(fetched)
    assert file["size"] == len(PNG)


async def test_a_hub_that_is_away_is_tried_three_times(app: Hub) -> None:
    app.platform.door = app.platform.door.rpartition("/")[0] + "/gone"
    await app.say("nobody hears this")
    assert app.chats.lines(app.person.id)[-1].author == "system"


# — 微信客服 —


async def test_a_customer_writes_and_is_answered_and_it_is_known_who(kf: Hub) -> None:
    async with running(Listeners(kf.store, kf.connectors).run):
        await kf.chats.speak(kf.person, Spoken(kind="open"))
        await kf.shown("您好，请问有什么可以帮您？")
        await kf.say("洗衣机不排水", "在吗？")
        first, second = await kf.heard(2)
        assert [first["text"], second["text"]] == ["洗衣机不排水", "在吗？"]
        assert first["ticket_id"] == second["ticket_id"]
        sent = await kf.answer(second, "在的")
        await kf.shown("您好，请问有什么可以帮您？", "在的")
        assert (await kf.state(sent, "sent"))["external_id"] == sent

        async def known() -> bool:
            return bool(
                await kf.store.db["identities"].find_one({"_id": f"wechat-union:o6demo{kf.person.id[-9:]}"})
            )

        await kf.eventually(known)


async def test_what_a_customer_refuses_is_shown_as_failed(kf: Hub) -> None:
    async with running(Listeners(kf.store, kf.connectors).run):
        await kf.say("hello")
        (message,) = await kf.heard(1)
        await kf.chats.speak(kf.person, Spoken(kind="reject"))
        failed = await kf.state(await kf.answer(message, "unwanted"), "failed")
        assert "用户拒收" in failed["delivery"]["words"]


async def test_a_message_taken_back_and_a_colleagues_answer_are_shown(kf: Hub, kf_simulator: KfSimulator) -> None:
    async with running(Listeners(kf.store, kf.connectors).run):
        await kf.say("wrong window, sorry")
        await kf.heard(1)
        await kf.chats.speak(kf.person, Spoken(kind="recall"))

        async def recalled() -> Any:
            return await kf.store.db["messages"].find_one({"extra.recalled_at": {"$exists": True}})

        assert await kf.eventually(recalled)
        await kf.say("hello")
        message = (await kf.heard(2))[1]
        await kf_simulator.say_as_servicer(kf.person, "我来处理")
        (colleague,) = await kf.messages(1, direction="outbound")
        assert colleague["conversation_id"] == message["conversation_id"]
        assert colleague["sender"]["key"] == f"wecom:{CORP_ID}:{SERVICER}"
        failed = await kf.state(await kf.answer(message, "from the hub"), "failed")
        assert "attends to this customer" in failed["delivery"]["words"]


async def test_two_processes_pull_one_at_a_time_and_lose_nothing(
    kf: Hub, kf_simulator: KfSimulator, store: Store, connectors: Connectors
) -> None:
    async with running(Listeners(store, connectors).run, Listeners(store, connectors).run) as (first, second):
        await kf.say("一", "二")
        await kf.heard(2)
        kf_simulator.pull_gate.clear()
        pulled = kf.platform.calls["/cgi-bin/kf/sync_msg"]
        await kf.say("三")

        async def held() -> bool:
            return kf.platform.calls["/cgi-bin/kf/sync_msg"] > pulled

        await kf.eventually(held)
        holder = await store.db["leases"].find_one({"_id": f"listen:{kf.account.id}"})
        assert holder is not None
        for task in (first, second):  # whichever of them pulls, another takes over
            task.cancel()
        await asyncio.wait([first, second])
        kf_simulator.pull_gate.set()
        async with running(Listeners(store, connectors).run, Listeners(store, connectors).run):
            await kf.say("四", "五")
            heard = await kf.heard(5)
    assert [one["text"] for one in heard] == ["一", "二", "三", "四", "五"]
    assert kf_simulator.most_pulls == 1
    assert await store.db["tickets"].count_documents({}) == 1


async def test_a_cursor_that_could_not_be_saved_doubles_nothing(
    kf: Hub, store: Store, connectors: Connectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, failed = store.accounts.save_cursor, asyncio.Event()

    async def fail_once(account_id: str, name: str, value: Mapping[str, Any]) -> None:
        if not failed.is_set() and value.get("cursor") == "2":
            failed.set()
            raise RuntimeError("the process ends here")
        await save(account_id, name, value)

    monkeypatch.setattr(store.accounts, "save_cursor", fail_once)
    await kf.say("一", "二")
    async with running(Listeners(store, connectors).run):
        await asyncio.wait_for(failed.wait(), 10)
        await kf.say("三")
        heard = await kf.heard(3)

        async def caught_up() -> bool:
            found = await store.accounts.load_cursor(kf.account.id, "kf:wkDemoService000000000000001")
            return bool(found and found["cursor"] == "3")

        await kf.eventually(caught_up)
    assert [one["text"] for one in heard] == ["一", "二", "三"]
    assert (await store.journal.counts())["dead"] == 0
