"""What the tests of the WeChat channel share."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aiohttp

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.simulation import Person, Spoken
from omnihub.connectors.tokens import LocalTokens, SharedTokens
from omnihub.connectors.wechat.connector import Connector
from omnihub.connectors.wechat.sample import Sample
from omnihub.connectors.wechat.simulator import Simulator
from omnihub.connectors.wechat_api.people import handle
from omnihub.model.account import Account
from omnihub.model.outgoing import Outgoing, OutgoingAttachment
from omnihub.model.raw import RawEvent, RawRequest

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + bytes(64) + b"\xff\xd9"
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(64)


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.at = NOW.timestamp()

    def __call__(self) -> float:
        return self.at


def connector(
    http: aiohttp.ClientSession | None = None, tokens: SharedTokens | None = None, **settings: Any
) -> Connector:
    """With the sample's settings, changed by these."""
    values = {**Sample.settings, **settings}
    plain = registry.plain(registry.read_settings("wechat", values))
    account = Account(id="01account", key="a-key", channel="wechat", name="Sample", enabled=True, settings=plain)
    toolbox = Toolbox(
        http=cast("aiohttp.ClientSession", http), public_url="http://hub.example.test",
        sign=lambda purpose, data: b"." * 32, now=lambda: NOW, tokens=tokens or LocalTokens(),
    )  # fmt: skip
    return cast("Connector", registry.connect(account, toolbox))


def event(request: RawRequest) -> RawEvent:
    return RawEvent(id="01k00000000000000000event1", account_id="01account", request=request)


def request(body: bytes, query: Mapping[str, str], method: str = "POST") -> RawRequest:
    return RawRequest(source="webhook", body=body, query=query, received_at=NOW, method=method)


def outgoing(person: Person, text: str = "", *, file: OutgoingAttachment | None = None, **more: Any) -> Outgoing:
    message = Outgoing(
        id="01k0000000000000000000answer", conversation_id="01k0000000000000000000thread", ticket_number=1001,
        thread_key=person.id, to=(handle("wechat", "wx5e81d0c7a4b29f63", person.id),), text=text,
        attachments=(file,) if file else (), created_at=NOW,
    )  # fmt: skip
    return replace(message, **more)


class Platform:
    """A running simulator, and connectors that lead to it."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession, clock: Clock) -> None:
        self.simulator = simulator
        self.http = http
        self.clock = clock
        self.li, self.wang, self.emma = simulator.chats.people

    def connector(self, tokens: SharedTokens | None = None, **settings: Any) -> Connector:
        own = dict(self.simulator.accounts()[0].settings)
        return connector(self.http, tokens, **{"previous_aes_key": "", **own, **settings})

    async def says(self, person: Person, kind: str, text: str = "", **more: Any) -> None:
        await self.simulator.chats.speak(person, Spoken(kind=kind, text=text, **more))

    def shown(self, person: Person, author: str) -> list[str]:
        lines = self.simulator.chats.lines(person.id)
        return [line.text or line.kind for line in lines if line.author == author]


@asynccontextmanager
async def platform(folder: Path, **tuned: Any) -> AsyncIterator[Platform]:
    clock = Clock()
    simulator = Simulator(folder, **{"clock": clock, "deadline": 2.0, "result_seconds": 0.0, **tuned})
    await simulator.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Platform(simulator, http, clock)
    finally:
        await simulator.stop()
        await asyncio.sleep(0)
