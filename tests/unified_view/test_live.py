import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from pymongo.errors import AutoReconnect

from omnihub.store.events import Change, event
from omnihub.store.store import Store
from omnihub.unified_view.live import Pace
from omnihub.unified_view.live_feed import Feed
from tests.conftest import Eventually
from tests.mailbox import PostOffice, mail
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.conftest import StartHub


class Listener:
    """What a browser keeps of its live link."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.cursor: str | None = None
        self.types: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []

    async def hear(self) -> dict[str, Any]:
        frame: dict[str, Any] = await self.socket.receive_json(timeout=10)
        self.types.append(frame["type"])
        if frame["type"] in ("hello", "events"):
            assert self.cursor is None or frame["cursor"] >= self.cursor or "reset" in self.types
            self.cursor = frame["cursor"]
        self.events += frame.get("events", [])
        self.tickets += frame.get("tickets", [])
        return frame

    async def hear_until(self, count: int) -> list[str]:
        while len(self.events) < count:
            await self.hear()
        return [str(one["data"].get("n")) for one in self.events]


@asynccontextmanager
async def listening(browser: Browser, resume: str | None = None, **options: Any) -> AsyncIterator[Listener]:
    url = browser.hub.server.make_url("/api/v1/live")
    async with browser.http.ws_connect(url, headers=browser.headers, **options) as socket:
        await socket.send_json({"resume": resume})
        yield Listener(socket)


async def tell(store: Store, *names: object) -> None:
    await store.events.add([event("ticket.tags", "", data={"n": str(name)}) for name in names])


async def test_a_mail_appears_live_with_its_tickets_row(post: PostOffice, agent: Browser) -> None:
    async with listening(agent) as live:
        assert (await live.hear())["type"] == "hello"
        await post.deliver(mail("Anna <anna@customer.test>", mid="a@c", subject="Live"))
        while "message.received" not in {one["type"] for one in live.events}:
            await live.hear()
    assert {"ticket.created", "message.received"} <= {one["type"] for one in live.events}
    assert live.tickets[0]["subject"] == "Live"
    assert "bucket" not in live.tickets[0]
    assert all(one["at"].endswith("Z") and one["id"] for one in live.events)


async def test_nothing_is_missed_between_hello_and_the_events_of_many_writers(
    store: Store, agent: Browser
) -> None:
    async def write(writer: int) -> None:
        for n in range(40):

            async def work(session: Any, n: int = n) -> None:
                await store.events.add([event("ticket.tags", "", data={"n": f"{writer}-{n}"})], session)

            await store.transaction(work)

    writers = [asyncio.create_task(write(n)) for n in range(5)]
    listeners: list[list[str]] = []

    async def listen() -> None:
        async with listening(agent) as live:
            await live.hear()
            # What is in the database at hello, plus what is heard after it, must be everything.
            known = [doc["data"]["n"] async for doc in store.db["events"].find()]
            heard: list[str] = []
            while len({*known, *heard}) < 200:
                await live.hear()
                heard = [one["data"]["n"] for one in live.events]
            listeners.append(heard)

    await asyncio.wait_for(asyncio.gather(*(listen() for _ in range(4)), *writers), 30)
    for heard in listeners:
        assert len(heard) == len(set(heard))
        for writer in range(5):
            own = [int(n.partition("-")[2]) for n in heard if n.startswith(f"{writer}-")]
            assert own == list(range(40 - len(own), 40))


async def test_a_dropped_link_resumes_where_it_was(store: Store, agent: Browser) -> None:
    async with listening(agent) as live:
        await live.hear()
        await tell(store, 1, 2)
        assert await live.hear_until(2) == ["1", "2"]
    await tell(store, 3, 4)
    async with listening(agent, live.cursor) as again:
        assert (await again.hear())["cursor"] == live.cursor
        await tell(store, 5)
        assert await again.hear_until(3) == ["3", "4", "5"]


async def test_a_link_resumes_at_another_process_and_out_of_the_database(
    store: Store, hub: Hub, agent: Browser, start: StartHub
) -> None:
    async with listening(agent) as live:
        await live.hear()
        await tell(store, 0)
        await live.hear_until(1)
    for n in range(1, 8):
        await tell(store, n)
    small = await start(capacity=2)
    other = await small.browser("agent")
    async with listening(other) as warm:
        await warm.hear()
        for n in range(8, 14):
            await tell(store, n)
            await warm.hear_until(n - 7)
    async with listening(other, live.cursor) as again:
        assert (await again.hear())["cursor"] == live.cursor
        await tell(store, 14)
        assert await again.hear_until(14) == [str(n) for n in range(1, 15)]
    assert "reset" not in again.types


async def test_half_a_batch_is_not_told_twice(store: Store) -> None:
    feed = Feed(store)
    running = asyncio.create_task(feed.run())
    bell = asyncio.Event()
    feed.subscribe(bell)
    try:
        while feed.cursor is None:
            await bell.wait()
            bell.clear()
        begin = feed.cursor
        await tell(store, *range(20))
        while sum(len(batch.events) for batch in feed.after(begin)) < 20:
            await bell.wait()
            bell.clear()
        cursors = [cursor for batch in feed.after(begin) for cursor, _ in batch.events]
        middle = cursors[9]
        told = "".join(batch.after(middle) for batch in feed.after(middle))
        assert [n for n in range(20) if f'"n":"{n}"' in told] == list(range(10, 20))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_cursor_that_leads_nowhere_starts_afresh(store: Store, agent: Browser) -> None:
    for cursor in ("nonsense", "8200000001" + "00" * 20, "82ffffffff" + "00" * 20, "", "x" * 5000):
        async with listening(agent, cursor) as live:
            while live.types[-2:] != ["reset", "hello"]:
                await live.hear()
            await tell(store, "after")
            assert await live.hear_until(1) == ["after"]


async def test_the_feed_comes_back_when_the_database_was_away(
    store: Store, start: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, losses = store.events.follow, 0

    async def cut_off(cursor: str | None) -> AsyncIterator[Change]:
        """The real feed, which is lost twice."""
        nonlocal losses
        async for change in whole(cursor):
            yield change
            if losses < 2 and change.event is not None:
                losses += 1
                raise AutoReconnect("the connection was lost")

    monkeypatch.setattr(store.events, "follow", cut_off)
    lossy = await (await start()).browser("agent")
    async with listening(lossy) as live:
        await live.hear()
        for n in range(6):
            await tell(store, n)
        assert await live.hear_until(6) == [str(n) for n in range(6)]
    assert losses == 2
    assert "reset" not in live.types


@pytest.mark.own_database
async def test_a_lost_thread_resets_everybody(store: Store, agent: Browser) -> None:
    async with listening(agent) as live:
        await live.hear()
        await store.db["events"].drop()
        while live.types[-2:] != ["reset", "hello"]:
            await live.hear()
        await tell(store, "fresh")
        assert await live.hear_until(1) == ["fresh"]


async def test_another_website_may_not_listen(agent: Browser) -> None:
    url = agent.hub.server.make_url("/api/v1/live")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await agent.http.ws_connect(url, headers={"Origin": "https://evil.example.com"})
    assert refused.value.status == 403
    own = str(agent.hub.server.make_url("/")).rstrip("/")
    async with agent.http.ws_connect(url, headers={"Origin": own}) as socket:
        await socket.send_json({"resume": None})
        assert (await socket.receive_json())["type"] == "hello"


async def test_nobody_listens_without_signing_in(hub: Hub) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await hub.visitor().http.ws_connect(hub.server.make_url("/api/v1/live"))
    assert refused.value.status == 401
    program = await hub.program("read")
    async with listening(program) as live:
        assert (await live.hear())["type"] == "hello"


Ending = Callable[[Hub, Browser], Awaitable[None]]


async def by_signing_out(hub: Hub, browser: Browser) -> None:
    await browser.delete("/session")


async def by_deactivation(hub: Hub, browser: Browser) -> None:
    await hub.deps.store.users.change(browser.user["_id"], {"active": False})


@pytest.mark.parametrize("end", [by_signing_out, by_deactivation])
async def test_a_session_that_ends_is_cut_off(start: StartHub, end: Ending) -> None:
    hub = await start(pace=Pace(ping=0.1, recheck=0.2))
    browser = await hub.browser("agent")
    async with listening(browser) as live:
        await live.hear()
        assert (await live.hear())["type"] == "ping"
        await end(hub, browser)
        async with asyncio.timeout(5):
            while (await live.socket.receive()).type is not WSMsgType.CLOSE:
                pass
        assert live.socket.close_code == 4401


async def test_a_client_that_does_not_read_is_let_go_and_resumes(
    store: Store, start: StartHub, eventually: Eventually
) -> None:
    hub = await start(pace=Pace(send=0.5), capacity=4)
    browser = await hub.browser("agent")
    block = "x" * 200_000
    async with listening(browser, max_msg_size=0) as live:
        await live.hear()
        assert live.socket._response.connection is not None
        live.socket._response.connection.transport.pause_reading()
        for n in range(60):
            await store.events.add([event("ticket.tags", "", data={"n": str(n), "block": block})])
        metrics = hub.server.make_url("/metrics")

        async def gone() -> bool:
            async with browser.http.get(metrics) as answer:
                return "omnihub_live_clients 0.0" in await answer.text()

        await eventually(gone)
        live.socket._response.connection.transport.resume_reading()
    async with listening(browser, live.cursor, max_msg_size=0) as again:
        heard = await again.hear_until(60)
        assert heard == [str(n) for n in range(60)]


async def test_words_out_of_place_end_the_link(agent: Browser) -> None:
    for first in ("[]", "{", '{"resume": 5}', "null"):
        async with agent.http.ws_connect(agent.hub.server.make_url("/api/v1/live")) as socket:
            await socket.send_str(first)
            assert (await socket.receive()).data == 4400
