"""What the Telegram tests share: a connector led to the simulator, and a desk that keeps what it is given."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.telegram.connector import Connector
from omnihub.connectors.telegram.simulator import TOKEN, Simulator
from omnihub.model.account import Account
from omnihub.model.inbound import Handle, Inbound
from omnihub.model.outgoing import Outgoing, OutgoingAttachment
from omnihub.model.raw import RawEvent, RawRequest

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MARIA = 5_000_000_101


def sign(purpose: str, data: bytes) -> bytes:
    return (purpose.encode() + data).ljust(32, b".")[-32:]


def connector(http: Any = None, **settings: Any) -> Connector:
    public = settings.pop("public_url", "http://hub.example.test")
    values = {"bot_token": TOKEN, **settings}
    account = Account(id="01account", key="a-key", channel="telegram", name="T", enabled=True, settings=values)
    toolbox = Toolbox(http=http, public_url=public, sign=sign, now=lambda: NOW)
    made = registry.connect(account, toolbox)
    assert isinstance(made, Connector)
    return made


@dataclass(slots=True)
class World:
    simulator: Simulator
    connector: Connector
    http: aiohttp.ClientSession

    def again(self, **settings: Any) -> Connector:
        return connector(self.http, **led(self.simulator), **settings)


def led(simulator: Simulator) -> Mapping[str, Any]:
    return {
        "bot_token": simulator.bot.token,
        "api_url": simulator.url,
        "file_url": f"{simulator.url}/file",
    }


@asynccontextmanager
async def world(folder: Path, **tuned: Any) -> AsyncIterator[World]:
    simulator = Simulator(folder, **tuned)
    for person in simulator.chats.people:
        simulator.place(person)
    await simulator.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield World(simulator, connector(http, **led(simulator)), http)
    finally:
        await simulator.stop()


@dataclass(slots=True)
class KeepingDesk:
    """A journal that keeps a source key once, as the real one does. `failures`: so many times it is away."""

    kept: dict[str, RawRequest] = field(default_factory=dict)
    handed_over: int = 0
    cursors: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    health: list[tuple[bool, str, Mapping[str, int]]] = field(default_factory=list)
    failures: int = 0

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
        self.handed_over += len(requests)
        for request in requests:
            self.kept.setdefault(request.source_key, request)

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        return set()

    async def rung(self, seconds: float) -> Sequence[RawRequest]:
        return ()

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None:
        return self.cursors.get(name)

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None:
        self.cursors[name] = value

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        self.health.append((ok, detail, counts or {}))

    async def until(self, look: Callable[[], Any], seconds: float = 8.0) -> None:
        """What is looked at may change here, or in the simulator."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            if look():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"did not happen within {seconds} s; health: {self.health[-3:]}")

    def read(self, by: Connector) -> list[Inbound]:
        return [one for request in self.kept.values() for one in by.parse(event(request))]

    def texts(self, by: Connector) -> list[str]:
        return [getattr(one, "text", "") for one in self.read(by)]


@asynccontextmanager
async def listening(one: Connector, desk: KeepingDesk) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(one.listen(desk))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await task


def event(request: RawRequest) -> RawEvent:
    return RawEvent(id="01k00000000000000000event1", account_id="01account", request=request)


def outgoing(
    text: str = "", *files: OutgoingAttachment, chat: int = MARIA, to: int = MARIA, **changed: Any
) -> Outgoing:
    return Outgoing(
        id="01k0000000000000000000000m",
        conversation_id="01k0000000000000000000000c",
        ticket_number=1001,
        thread_key=str(chat),
        to=(Handle(key=f"telegram:{to}"),),
        text=text,
        attachments=files,
        created_at=NOW,
        **changed,
    )
