"""The stand-in is as strict and as impatient as Twilio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sms_fixtures import EMMA, NOW, connected, outgoing

from omnihub.connectors.simulation import Spoken
from omnihub.connectors.sms.connector import Connector
from omnihub.connectors.sms.signature import Key
from omnihub.connectors.sms.simulator import NUMBER, Simulator
from omnihub.model.raw import RawRequest

Calls = list[dict[str, str]]
Answer = Callable[[web.Request], Awaitable[web.Response]]


async def _twiml(request: web.Request) -> web.Response:
    return web.Response(text="<Response></Response>", content_type="text/xml")


@asynccontextmanager
async def hub(calls: Calls, answer: Answer = _twiml) -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        form = await request.post()
        calls.append({"path": request.path, **{name: str(value) for name, value in form.items()}})
        return await answer(request)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def twilio(folder: Path, **changed: Any) -> AsyncIterator[Simulator]:
    simulator = Simulator(folder, **{"callback_pause": 0, **changed})
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


async def speak(simulator: Simulator, text: str = "hello") -> list[str]:
    """What the customer is told by the network."""
    emma = simulator.chats.people[0]
    await simulator.chats.speak(emma, Spoken(kind="text", text=text))
    return [line.text for line in simulator.chats.lines(emma.id) if line.author == "system"]


async def test_a_hub_that_is_slow_is_called_once(tmp_path: Path) -> None:
    calls: Calls = []
    asked = asyncio.Event()

    async def never(request: web.Request) -> web.Response:
        await asked.wait()
        return web.Response()

    async with hub(calls, never) as url, twilio(tmp_path, read_seconds=0.2) as simulator:
        simulator.twilio.numbers[NUMBER].sms_url = url
        (told,) = await speak(simulator)
        asked.set()
    assert "11200" in told
    assert len(calls) == 1


async def test_a_hub_that_fails_is_called_at_its_fallback(tmp_path: Path) -> None:
    calls: Calls = []

    async def fail_at_first(request: web.Request) -> web.Response:
        return await _twiml(request) if request.path == "/second" else web.Response(status=500)

    async with hub(calls, fail_at_first) as url, twilio(tmp_path) as simulator:
        number = simulator.twilio.numbers[NUMBER]
        number.sms_url, number.fallback_url = f"{url}/first", f"{url}/second"
        assert await speak(simulator) == []
    assert [(call["path"], call.get("ErrorCode")) for call in calls] == [("/first", None), ("/second", "11200")]
    assert calls[0]["MessageSid"] == calls[1]["MessageSid"]


async def test_a_hub_that_is_away_is_told_to_the_customer(tmp_path: Path) -> None:
    async with twilio(tmp_path) as simulator:
        simulator.twilio.numbers[NUMBER].sms_url = "http://127.0.0.1:9/"
        (told,) = await speak(simulator)
        assert "11205" in told
        assert [one.body for one in simulator.twilio.records] == ["hello"]


async def test_an_answer_that_is_no_twiml_is_trouble(tmp_path: Path) -> None:
    async def plain(request: web.Request) -> web.Response:
        return web.Response(text="thanks")

    async with hub([], plain) as url, twilio(tmp_path) as simulator:
        simulator.twilio.numbers[NUMBER].sms_url = url
        (told,) = await speak(simulator)
    assert "12300" in told


async def test_nobody_but_this_machine_is_called(tmp_path: Path) -> None:
    async with twilio(tmp_path) as simulator:
        simulator.twilio.numbers[NUMBER].sms_url = "https://hub.example.test/in"
        (told,) = await speak(simulator)
    assert "11210" in told


async def test_callbacks_come_in_order_then_not_then_twice(tmp_path: Path) -> None:
    calls: Calls = []
    async with hub(calls) as url, twilio(tmp_path) as simulator, aiohttp.ClientSession() as http:
        connector = connected(http, public_url=url, **simulator.settings())
        sids = [await _sent(connector, f"01kmessage000000000000000{n}") for n in range(3)]
        await simulator.settled()
        seen = [[c["MessageStatus"] for c in calls if c["MessageSid"] == sid] for sid in sids]
    assert seen == [
        ["queued", "sent", "delivered"], ["delivered", "queued", "sent"], ["sent", "delivered", "delivered"],
    ]  # fmt: skip


async def _sent(connector: Connector, message_id: str, to: str = EMMA) -> str:
    result = await connector.send(outgoing(to=to, id=message_id, created_at=NOW))
    sid: str = result.aliases[0]
    return sid


@pytest.mark.parametrize(("ending", "code"), [("0003", "30003"), ("0006", "30006"), ("0007", "30007")])
async def test_some_numbers_are_never_reached(tmp_path: Path, ending: str, code: str) -> None:
    calls: Calls = []
    async with hub(calls) as url, twilio(tmp_path) as simulator, aiohttp.ClientSession() as http:
        connector = connected(http, public_url=url, **simulator.settings())
        to = f"+1202555{ending}"
        await _sent(connector, "01kmessage0000000000000001", to)
        await simulator.settled()
        assert [line.author for line in simulator.chats.lines(to)] == ["system"]
    assert [(c["MessageStatus"], c.get("ErrorCode")) for c in calls] == [
        ("queued", None), ("sent", None), ("undelivered", code),
    ]  # fmt: skip


async def test_what_it_signs_with_a_shared_key_is_accepted(tmp_path: Path) -> None:
    key = Key(secret="shared-key-of-the-sample", algorithm="HMAC_SHA256", id="webhooks_sharedkey_1")
    seen: list[RawRequest] = []

    async def keep(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen.append(RawRequest(source="webhook", body=await request.read(), received_at=NOW, headers=headers))
        return await _twiml(request)

    async with hub([], keep) as url, twilio(tmp_path, key=key) as simulator:
        connector = connected(
            public_url=url, signature="shared_key", shared_key_secret=key.secret, shared_key_id=key.id
        )  # fmt: skip
        await simulator.attach({"Demo SMS": connector.door})
        assert await speak(simulator, " + 🙂") == []
    connector.verify(seen[0])


async def test_opting_out_is_told_where_advanced_opt_out_is_on(tmp_path: Path) -> None:
    calls: Calls = []
    async with hub(calls) as url, twilio(tmp_path, advanced_opt_out=True) as simulator:
        simulator.twilio.numbers[NUMBER].sms_url = url
        for text in ("yes", "stop", "yes"):
            await speak(simulator, text)
    assert [call.get("OptOutType") for call in calls] == [None, "STOP", "START"]


async def test_customers_can_be_invented(tmp_path: Path) -> None:
    async with twilio(tmp_path) as simulator:
        people = [simulator.chats.invent(f"Customer {n}") for n in range(150)]
        assert len({person.id for person in people}) == 150
        (account,) = simulator.accounts()
        assert connected(**account.settings).own_handles() == {f"phone:{NUMBER}"}
        assert all(NUMBER in note for note in account.notes.values())
