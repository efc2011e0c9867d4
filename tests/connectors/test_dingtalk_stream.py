"""Our Stream client against the simulated gateway: nothing lost, nothing twice, nothing acknowledged too early."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from dingtalk_world import QUICK, MemoryDesk, connected, listening, person, read, said, simulated

from omnihub.connectors.dingtalk import line, stream
from omnihub.connectors.dingtalk.connector import Connector
from omnihub.connectors.dingtalk.simulator import Simulator
from omnihub.connectors.dingtalk.simulator_state import CLIENT_ID, CLIENT_SECRET, CORP_ID
from omnihub.connectors.simulation import Loopback
from omnihub.model.errors import TryLater

Eventually = Callable[..., Awaitable[Any]]
TOPIC = "/v1.0/im/bot/messages/get"
CHEN = f"dingtalk:{CORP_ID}:chen.xiaowen"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(stream, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(stream, "CLOSING_SECONDS", 0.5)


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with simulated(tmp_path) as running:
        yield running


@pytest.fixture
async def connector(simulator: Simulator) -> AsyncIterator[Connector]:
    async with connected(simulator) as made:
        yield made


async def within(waiting: Awaitable[object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        await waiting


async def soon(seen: bool) -> bool:
    return seen


async def test_a_message_is_journaled_and_acknowledged(simulator: Simulator, connector: Connector) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        await within(simulator.gateway.wait_connected(2))
        chen = person(simulator, "chen.xiaowen")
        delivery = await simulator.hand_over(chen, simulator.payload(chen, said("打印机坏了")))
        assert delivery is not None
        await within(delivery.taken.wait())
    (request,) = desk.requests
    message = read(connector, request)
    assert (message.sender.key, message.text) == (CHEN, "打印机坏了")
    assert delivery.answers == [
        {
            "code": 200,
            "headers": {"contentType": "application/json", "messageId": delivery.headers["messageId"]},
            "message": "OK",
            "data": '{"response":null}',
        }
    ]
    assert desk.reports[-1] == (True, "2 of 2 connections are open")


async def test_nothing_is_acknowledged_before_the_journal_has_it(
    simulator: Simulator, connector: Connector
) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        await within(simulator.gateway.wait_connected(2))
        desk.hold.clear()
        chen = person(simulator, "chen.xiaowen")
        delivery = await simulator.hand_over(chen, simulator.payload(chen, said("等等")))
        assert delivery is not None
        await desk.until(lambda: desk.asked >= 2)  # it came again, because nobody acknowledged it
        assert delivery.answers == []
        assert desk.requests == []
        desk.hold.set()
        await within(delivery.taken.wait())
    assert len(desk.requests) == 1


async def test_what_comes_again_is_kept_once(simulator: Simulator, connector: Connector) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        await within(simulator.gateway.wait_connected(2))
        desk.hold.clear()
        chen = person(simulator, "chen.xiaowen")
        await simulator.hand_over(chen, simulator.payload(chen, said("一次")))
        await desk.until(lambda: desk.asked >= 3)
        desk.hold.set()
        await desk.until(lambda: desk.repeats >= 2)
    assert len(desk.requests) == 1


async def test_a_failing_journal_is_tried_until_it_works(simulator: Simulator, connector: Connector) -> None:
    desk = MemoryDesk()
    desk.faults = 2
    async with listening(connector, desk):
        await within(simulator.gateway.wait_connected(2))
        chen = person(simulator, "chen.xiaowen")
        delivery = await simulator.hand_over(chen, simulator.payload(chen, said("数据库不在")))
        assert delivery is not None
        await within(delivery.taken.wait())
    assert [read(connector, one).text for one in desk.requests] == ["数据库不在"]


async def test_two_connections_take_each_message_once(simulator: Simulator, connector: Connector) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        await within(simulator.gateway.wait_connected(2))
        chen = person(simulator, "chen.xiaowen")
        for number in range(60):
            await simulator.hand_over(chen, simulator.payload(chen, said(f"第{number}条")))
        await desk.until(lambda: len(desk.requests) == 60)
    assert {read(connector, one).text for one in desk.requests} == {f"第{number}条" for number in range(60)}
    assert simulator.gateway.opened == 2


@pytest.mark.parametrize("connections", [1, 2])
async def test_being_sent_away_loses_nothing(simulator: Simulator, connections: int) -> None:
    """Messages keep coming while every connection is taken away, several times."""
    desk = MemoryDesk()
    async with connected(simulator, stream_connections=connections) as connector, listening(connector, desk):
        gateway, chen = simulator.gateway, person(simulator, "chen.xiaowen")
        await within(gateway.wait_connected(connections))
        for number in range(24):
            if number % 6 == 3:
                await gateway.send_away(gateway.staying[0])
            await simulator.hand_over(chen, simulator.payload(chen, said(f"第{number}条")))
            if number % 6 == 5:
                await within(gateway.wait_connected(connections))
        await desk.until(lambda: len(desk.requests) == 24)
        assert gateway.opened >= connections + 4
    assert {read(connector, one).text for one in desk.requests} == {f"第{number}条" for number in range(24)}


async def test_the_old_connection_is_read_until_it_ends(simulator: Simulator) -> None:
    """What is still under way on a connection that was asked to leave is taken and acknowledged there."""
    desk = MemoryDesk()
    async with connected(simulator, stream_connections=1) as connector, listening(connector, desk):
        gateway = simulator.gateway
        await within(gateway.wait_connected(1))
        old = gateway.staying[0]
        await gateway.send_away(old)
        await within(gateway.wait_connected(1))
        assert old in gateway.connections
        old.leaving = False
        gateway.connections[:] = [old]  # the frame can only go there
        chen = person(simulator, "chen.xiaowen")
        delivery = await simulator.hand_over(chen, simulator.payload(chen, said("临别一句")))
        assert delivery is not None
        await within(delivery.taken.wait())
        assert delivery.sent == 1


async def test_a_broken_connection_is_opened_again(simulator: Simulator, connector: Connector) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        gateway = simulator.gateway
        await within(gateway.wait_connected(2))
        for broken in list(gateway.connections):
            transport = broken.ws._req.transport if broken.ws._req else None
            assert transport is not None
            transport.abort()
        chen = person(simulator, "chen.xiaowen")
        delivery = await simulator.hand_over(chen, simulator.payload(chen, said("断线之后")))
        assert delivery is not None
        await within(delivery.taken.wait())
    assert len(desk.requests) == 1


async def test_a_message_while_nobody_listens_comes_later(simulator: Simulator, connector: Connector) -> None:
    desk, chen = MemoryDesk(), person(simulator, "chen.xiaowen")
    await simulator.chats.speak(chen, said("有人吗"))
    assert "机器人不在线" in simulator.chats.lines(chen.id)[-1].text
    async with listening(connector, desk):
        await desk.until(lambda: len(desk.requests) == 1)


async def test_a_message_that_nobody_takes_is_said_to_be_lost(simulator: Simulator) -> None:
    chen = person(simulator, "chen.xiaowen")
    await simulator.chats.speak(chen, said("有人吗"))
    assert await simulator.chats.wait(lambda: "未能送达" in simulator.chats.lines(chen.id)[-1].text, 10)


async def test_pings_are_answered_and_other_words_of_the_system_are_not(
    simulator: Simulator, connector: Connector, eventually: Eventually
) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        gateway = simulator.gateway
        await within(gateway.wait_connected(2))
        for topic in ("KEEPALIVE", "CONNECTED", "REGISTERED", "tomorrow"):
            await gateway.say(gateway.connections[0], topic, "not even JSON")
        pings = gateway.pongs
        assert await eventually(lambda: soon(gateway.pongs >= pings + 3))  # those that echo its own words
        assert gateway.opened == 2
    assert desk.requests == []


async def test_an_event_is_kept_and_acknowledged_as_events_are(simulator: Simulator, connector: Connector) -> None:
    desk = MemoryDesk()
    headers = {"topic": "*", "eventId": "evt-1", "eventType": "user_add_org", "eventCorpId": CORP_ID}
    async with listening(connector, desk):
        await within(simulator.gateway.wait_connected(2))
        for _ in range(2):  # the same event in two frames
            delivery = await simulator.gateway.deliver("EVENT", headers, {"userId": ["new.member"]})
            await within(delivery.taken.wait())
    (request,) = desk.requests
    message = read(connector, request)
    assert (message.kind, message.silent, message.external_id) == ("notice", True, "event:evt-1")
    assert json.loads(delivery.answers[0]["data"]) == {"status": "SUCCESS", "message": "success"}


async def test_a_frame_that_cannot_be_read_is_kept_for_the_admin(
    simulator: Simulator, connector: Connector
) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        gateway = simulator.gateway
        await within(gateway.wait_connected(2))
        await gateway.connections[0].ws.send_str("{cut off")
        await gateway.connections[0].ws.send_bytes(b"\xff\xfe")
        await desk.until(lambda: len(desk.requests) == 2)
        assert {one.body for one in desk.requests} == {b"{cut off", b"\xff\xfe"}
        assert len(gateway.staying) == 2


async def test_wrong_credentials_are_reported_in_dingtalks_words(simulator: Simulator) -> None:
    desk = MemoryDesk()
    async with connected(simulator, client_secret="not-the-secret") as connector, listening(connector, desk):
        await desk.until(lambda: len(desk.reports) >= 2)
    assert all(not ok for ok, _ in desk.reports)
    assert "authFailed" in desk.reports[0][1]
    assert "not-the-secret" not in str(desk.reports)


class SlowDesk(MemoryDesk):
    """Its first report is on its way until a second one came, or had the time to."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = 0
        self._second = asyncio.Event()

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        self._begun += 1
        if self._begun == 1:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._second.wait(), 0.3)
        await super().report(ok=ok, detail=detail, counts=counts)
        self._second.set()


async def test_the_last_report_is_the_present_state(simulator: Simulator, connector: Connector) -> None:
    desk = SlowDesk()
    async with listening(connector, desk):
        await desk.until(lambda: len(desk.reports) == 2)
    assert desk.reports[-1] == (True, "2 of 2 connections are open")


async def test_a_gateway_that_is_away_is_reported_and_found_again(tmp_path: Path) -> None:
    async with simulated(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
        async with connected(first) as connector:
            desk = MemoryDesk()
            async with listening(connector, desk):
                await within(first.gateway.wait_connected(2))
                await first.stop()
                await desk.until(lambda: desk.reports[-1][0] is False)
                second = Simulator(tmp_path, QUICK)
                await second._loopback.start(port)
                try:
                    await within(second.gateway.wait_connected(2))
                    await desk.until(lambda: desk.reports[-1][0] is True)
                finally:
                    await second.stop()


async def test_stopping_finishes_what_has_arrived(
    simulator: Simulator, connector: Connector, eventually: Eventually
) -> None:
    desk = MemoryDesk()
    task = asyncio.create_task(connector.listen(desk))
    await within(simulator.gateway.wait_connected(2))
    desk.hold.clear()
    chen = person(simulator, "chen.xiaowen")
    delivery = await simulator.hand_over(chen, simulator.payload(chen, said("最后一条")))
    assert delivery is not None
    await desk.until(lambda: desk.asked == 1)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, desk.hold.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    await within(delivery.taken.wait())
    assert len(desk.requests) == 1
    await eventually(lambda: soon(not simulator.gateway.connections))


async def test_stopping_does_not_wait_for_a_journal_that_hangs(simulator: Simulator, connector: Connector) -> None:
    desk = MemoryDesk()
    task = asyncio.create_task(connector.listen(desk))
    await within(simulator.gateway.wait_connected(2))
    desk.hold.clear()
    chen = person(simulator, "chen.xiaowen")
    delivery = await simulator.hand_over(chen, simulator.payload(chen, said("没存上")))
    assert delivery is not None
    await desk.until(lambda: desk.asked == 1)
    task.cancel()
    await asyncio.wait({task}, timeout=3)
    assert task.cancelled()
    assert not delivery.taken.is_set()  # DingTalk will hand it over again


async def test_http_mode_listens_to_nothing_and_does_not_end(simulator: Simulator) -> None:
    desk = MemoryDesk()
    async with connected(simulator, mode="http") as connector, listening(connector, desk) as task:
        done, _ = await asyncio.wait({task}, timeout=0.1)
        assert not done
    assert simulator.gateway.opened == 0
    assert desk.reports == []


async def test_a_silent_connection_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that keeps the connection but answers no heartbeat: dead, though nobody closed it."""
    monkeypatch.setattr(line, "HEARTBEAT_SECONDS", 0.2)
    dialled = 0

    async def offer(request: web.Request) -> web.Response:
        nonlocal dialled
        dialled += 1
        return web.json_response({"endpoint": f"ws://{request.host}/connect", "ticket": f"t{dialled}"})

    async def keep_quiet(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        while not (await ws.receive()).type.name.startswith(("CLOS", "ERR")):
            pass  # pings are read and not answered
        return ws

    app = web.Application()
    app.add_routes([web.post("/v1.0/gateway/connections/open", offer), web.get("/connect", keep_quiet)])
    loopback = Loopback(app)
    async with simulated(tmp_path) as simulator:
        url = await loopback.start()
        desk = MemoryDesk()
        quiet = connected(simulator, api_url=url, stream_connections=1)
        async with quiet as connector, listening(connector, desk):
            await desk.until(lambda: len(desk.reports) >= 3)
        await loopback.stop()
    assert dialled >= 3


@pytest.mark.parametrize(
    "opened",
    [
        {},
        {"endpoint": "ws://gateway.example/connect", "ticket": "t"},
        {"endpoint": "https://gateway.example/connect", "ticket": "t"},
        {"endpoint": "wss://[", "ticket": "t"},
        {"endpoint": "wss:///connect", "ticket": "t"},
        {"endpoint": "wss://gateway.example/connect", "ticket": ""},
    ],
)
async def test_an_unsafe_gateway_is_not_called(opened: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(TryLater, match="no safe address"):
            await line.connect(http, opened)


async def test_a_gateway_at_an_impossible_port_is_tried_later() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(TryLater, match="failed"):
            await line.connect(http, {"endpoint": "wss://127.0.0.1:99999/connect", "ticket": "t"})


# — the simulator is as strict as the platform —


async def open_connection(simulator: Simulator, accept: str = "application/json") -> tuple[str, str]:
    body = {
        "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET,
        "subscriptions": [{"type": "CALLBACK", "topic": TOPIC}],
    }  # fmt: skip
    async with aiohttp.ClientSession() as http:
        url = f"{simulator.url}/v1.0/gateway/connections/open"
        async with http.post(url, json=body, headers={"Accept": accept}) as answered:
            return answered.content_type, await answered.text()


async def handshake(endpoint: str, ticket: str) -> int:
    async with aiohttp.ClientSession() as http:
        try:
            async with http.ws_connect(endpoint, params={"ticket": ticket}):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def test_without_accept_the_answer_is_xml(simulator: Simulator) -> None:
    kind, body = await open_connection(simulator, accept="*/*")
    assert kind == "application/xml"
    assert body.startswith("<?xml")


async def test_a_ticket_is_good_once(simulator: Simulator) -> None:
    offered = json.loads((await open_connection(simulator))[1])
    assert [await handshake(**offered) for _ in range(2)] == [101, 401]


async def test_a_ticket_ends(tmp_path: Path) -> None:
    async with simulated(tmp_path, replace(QUICK, ticket_seconds=0)) as simulator:
        offered = json.loads((await open_connection(simulator))[1])
        assert await handshake(**offered) == 401
