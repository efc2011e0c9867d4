"""A desk in memory, and connectors that talk to the simulated DingTalk."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aiohttp

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.dingtalk.connector import Connector
from omnihub.connectors.dingtalk.simulator import Simulator
from omnihub.connectors.dingtalk.simulator_state import Rules
from omnihub.connectors.simulation import Person, Spoken
from omnihub.model.account import Account
from omnihub.model.inbound import Handle, InboundMessage
from omnihub.model.outgoing import Outgoing, OutgoingAttachment
from omnihub.model.raw import RawEvent, RawRequest

QUICK = Rules(redeliver_seconds=(0.15, 0.25), idle_close_seconds=0.3, ping_seconds=0.1)


class MemoryDesk:
    """`hold` keeps the journal waiting; `faults` is how many times it fails first."""

    def __init__(self) -> None:
        self.requests: list[RawRequest] = []
        self.repeats = 0
        self.reports: list[tuple[bool, str]] = []
        self.faults = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.asked = 0
        self._changed = asyncio.Condition()

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        self.asked += 1
        await self._tell()
        await self.hold.wait()
        if self.faults:
            self.faults -= 1
            raise RuntimeError("the database is away")
        for request in requests:
            if request.source_key and request.source_key in {one.source_key for one in self.requests}:
                self.repeats += 1
            else:
                self.requests.append(request)
        await self._tell()

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        self.reports.append((ok, detail))
        await self._tell()

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        return set()

    async def rung(self, seconds: float) -> Sequence[RawRequest]:
        return ()

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None:
        return None

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None:
        return None

    async def until(self, look: Any) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(look)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def simulated(folder: Path, rules: Rules = QUICK) -> AsyncIterator[Simulator]:
    simulator = Simulator(folder, rules)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def connected(simulator: Simulator, **changed: Any) -> AsyncIterator[Connector]:
    (demo,) = simulator.accounts()
    values = {**demo.settings, **changed}
    account = Account(id="01a", key="k", channel="dingtalk", name="DingTalk", enabled=True, settings=values)
    async with aiohttp.ClientSession() as http:
        toolbox = Toolbox(
            http=http, public_url="http://hub.test", sign=lambda _, data: data, now=lambda: datetime.now(UTC)
        )
        connector = cast("Connector", registry.connect(account, toolbox))
        yield connector
        await connector.close()


@asynccontextmanager
async def listening(connector: Connector, desk: MemoryDesk) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(connector.listen(desk))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def person(simulator: Simulator, person_id: str) -> Person:
    found = simulator.chats.person(person_id)
    assert found is not None
    return found


def said(text: str = "", kind: str = "text", **more: Any) -> Spoken:
    return Spoken(kind=kind, text=text, **more)


def read(connector: Connector, request: RawRequest) -> InboundMessage:
    (message,) = connector.parse(RawEvent(id="01e", account_id="01a", request=request))
    assert isinstance(message, InboundMessage)
    return message


def answer(to: InboundMessage, text: str = "好的", *files: OutgoingAttachment) -> Outgoing:
    return replace(
        begun(to.sender, text, *files), thread_key=to.thread_key, answering=to.wire, answered_id=to.external_id
    )


def begun(to: Handle, text: str = "好的", *files: OutgoingAttachment) -> Outgoing:
    return Outgoing(
        id="01kout", conversation_id="01kconversation", ticket_number=1001, thread_key=to.value, to=(to,),
        text="" if files else text, attachments=files, created_at=datetime.now(UTC),
    )  # fmt: skip
