"""From a follower's phone into the inbox and back, with every room of the hub between."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError
from wechat_world import JPEG

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.simulation import Loopback, Person, Spoken
from omnihub.connectors.tokens import CommonTokens
from omnihub.connectors.wechat.simulator import Simulator
from omnihub.connectors.wechat.simulator_demo import APP_ID, NAME
from omnihub.connectors.wechat_api.simulator_desk import application
from omnihub.inbox.intake import Intake
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.inbox.profiles import PROFILE, ProfileErrands
from omnihub.model.documents import ActorDoc
from omnihub.model.errors import Refused
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import TemplateUse
from omnihub.outbound.errands import ErrandKind, ErrandRunner
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

ANNA = ActorDoc(kind="user", id="anna", name="Anna")
Doc = Mapping[str, Any]


@dataclass(slots=True, frozen=True, kw_only=True)
class Way:
    store: Store
    submit: Submit
    intake: Intake
    errands: ErrandRunner
    simulator: Simulator

    @property
    def li(self) -> Person:
        return self.simulator.chats.people[0]

    async def says(self, kind: str, text: str = "", **more: Any) -> None:
        """Heard, stored, and its errands run."""
        await self.simulator.chats.speak(self.li, Spoken(kind=kind, text=text, **more))
        await self.intake.drain()
        await self.errands.run_due()

    async def stored(self, **query: Any) -> list[Doc]:
        return [doc async for doc in self.store.db["messages"].find(query).sort("_id", 1)]

    async def reply(self, text: str, **more: Any) -> Doc:
        (ticket,) = [doc async for doc in self.store.db["tickets"].find()]
        request = ReplyRequest(
            ticket_id=ticket["_id"], actor=ANNA, text=text, seen_inbound_id=ticket["last_inbound_id"], **more
        )
        return await self.submit.reply(request)

    async def seen(self, count: int) -> list[str]:
        """What the customer sees of the desk, once it is so much."""

        def lines() -> list[str]:
            return [one.text for one in self.simulator.chats.lines(self.li.id) if one.author == "desk"]

        assert await self.simulator.chats.wait(lambda: len(lines()) >= count, 10), lines()
        return lines()


@pytest.fixture
async def way(store: Store, connectors: Connectors, settings: Settings, tmp_path: Path) -> AsyncIterator[Way]:
    simulator = Simulator(tmp_path / "wechat", result_seconds=0.0)
    await simulator.start()
    values = registry.plain(registry.read_settings("wechat", dict(simulator.accounts()[0].settings)))
    account = await store.accounts.add(
        channel="wechat", name=NAME, settings=values, secret_names=registry.secret_names("wechat")
    )
    app = application()
    app.add_routes(Receiver(store, connectors, settings).routes())
    door = Loopback(app)
    url = await door.start()
    await simulator.attach({NAME: f"{url}/in/wechat/{account.key}"})
    kinds: dict[str, ErrandKind] = {
        MEDIA: MediaErrands(store, connectors),
        PROFILE: ProfileErrands(store, connectors),
    }
    yield Way(
        store=store,
        submit=Submit(store, connectors, settings),
        intake=Intake(store, connectors, settings),
        errands=ErrandRunner(store, kinds),
        simulator=simulator,
    )
    await simulator.stop()
    await door.stop()


@asynccontextmanager
async def sending(store: Store, connectors: Connectors, settings: Settings) -> AsyncIterator[None]:
    task = asyncio.create_task(OutboundWorker(store, connectors, settings).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_repair_is_reported_and_answered(
    way: Way, store: Store, connectors: Connectors, settings: Settings
) -> None:
    assert way.simulator.pusher.url
    await way.says("text", "洗衣机坏了，什么时候能修？")
    await way.says("image", content=JPEG, content_type="image/jpeg")
    first, picture = await way.stored(direction="inbound")
    assert first["text"] == "洗衣机坏了，什么时候能修？"
    assert first["sender"]["key"].endswith(f":{way.li.id}")
    assert picture["ticket_id"] == first["ticket_id"]
    (place,) = picture["attachments"]
    (file,) = [pair async for pair in _files(store, place["id"])]
    assert file == JPEG
    assert [line.text for line in way.simulator.chats.lines(way.li.id) if line.author == "system"] == []
    async with sending(store, connectors, settings):
        answer = await way.reply("师傅明天上午到，请留意电话。")
        assert await way.seen(1) == ["师傅明天上午到，请留意电话。"]
    delivered = await store.messages.get(answer["_id"])
    assert delivered["delivery"] is not None
    assert delivered["external_id"] == f"out:{answer['_id']}"
    identities = [doc["_id"] async for doc in store.db["identities"].find()]
    assert [key for key in identities if key.startswith("wechat-union:")]


async def _files(store: Store, attachment_id: str) -> AsyncIterator[bytes]:
    for _, digest in await store.attachments.find_many([attachment_id]):
        yield await store.attachments.blobs.get(digest)


async def test_the_hub_closes_the_window_before_the_platform_does(
    way: Way, store: Store, connectors: Connectors, settings: Settings, eventually: Any
) -> None:
    await way.says("text", "在吗")
    async with sending(store, connectors, settings):
        for number in range(5):
            await way.reply(f"答 {number}", force=True)
        assert await way.seen(5) == [f"答 {number}" for number in range(5)]
        with pytest.raises(Refused):
            await way.reply("第六条", force=True)
        use = TemplateUse(id="order-status", values={"character_string1": "SO-7", "thing2": "已派工"})
        sent = await way.reply("", force=True, template=use)
        assert (await way.seen(6))[-1] == "订单状态更新\n订单号：SO-7\n状态：已派工"

    async def state() -> str:
        await way.intake.drain()
        delivery = (await store.messages.get(sent["_id"]))["delivery"]
        return "" if delivery is None or delivery["state"] != "delivered" else str(delivery["state"])

    assert await eventually(state) == "delivered"


async def test_what_is_no_message_opens_no_ticket_and_leaving_closes_the_way(way: Way) -> None:
    await way.says("follow")
    await way.says("menu")
    await way.says("accept")
    assert await way.store.db["tickets"].count_documents({}) == 0
    await way.says("text", "你好")
    await way.says("unfollow")
    assert await way.store.db["tickets"].count_documents({}) == 1
    with pytest.raises(Refused, match="left"):
        await way.reply("请留步")
    kinds = [doc["kind"] for doc in await way.stored(direction="inbound")]
    assert kinds.count("message") == 1
    assert (await way.store.journal.counts())["dead"] == 0


async def test_a_kind_of_tomorrow_is_in_the_inbox(way: Way) -> None:
    await way.says("tomorrow", "a hologram")
    (message,) = await way.stored(direction="inbound")
    assert message["kind"] == "unsupported"
    assert "a hologram" in message["text"]
    assert [file["filename"] for file in message["attachments"]] == ["event.xml"]


async def test_a_database_that_is_away_makes_the_platform_repeat(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was acknowledged, so that the third delivery is stored, once."""
    from omnihub.store.journal import JournalUnavailable

    real, calls = way.store.journal.append, []

    async def away_twice(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) < 3:
            raise JournalUnavailable("away")
        return await real(*args, **more)

    monkeypatch.setattr(way.store.journal, "append", away_twice)
    await way.says("text", "别丢了")
    assert [attempt.status for attempt in way.simulator.outcomes[-1].attempts] == [503, 503, 200]
    assert [doc["text"] for doc in await way.stored(direction="inbound")] == ["别丢了"]


async def test_two_processes_fetch_one_token_between_them(way: Way, store: Store, toolbox: Toolbox) -> None:
    """Each with a cache of its own, as two workers have; only Redis is between them."""
    await way.says("text", "在吗")
    account = (await store.accounts.all())[0]
    workers = [
        registry.connect(account, replace(toolbox, tokens=CommonTokens(store.access_tokens, RedisError)))
        for _ in range(2)
    ]
    before = way.simulator.desk.tokens.calls
    people = way.simulator.chats.people
    await asyncio.gather(*(one.check() for one in workers for _ in people))
    assert way.simulator.desk.tokens.calls == before + 1
    way.simulator.desk.tokens.revoke()
    handle = Handle(key=f"wechat:{APP_ID}:{people[1].id}")
    profiles = await asyncio.gather(*(one.profile(handle) for one in workers for _ in people))
    assert {profile.name for profile in profiles if profile} == {people[1].name}
    assert way.simulator.desk.tokens.calls == before + 2
