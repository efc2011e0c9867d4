"""A listener's desk in memory, with the same promises as the hub's: what is journaled twice is kept once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from omnihub.connectors.contract import Connector
from omnihub.model.inbound import Inbound
from omnihub.model.raw import RawEvent, RawRequest


class Crash(Exception):
    """The process ends here."""


class MemoryDesk:
    """`crash_before_saving`: the process ends when it is to save its cursor."""

    def __init__(self) -> None:
        self.kept: dict[str, RawRequest] = {}
        self.silent: set[str] = set()
        self.cursors: dict[str, Mapping[str, Any]] = {}
        self.reports: list[tuple[bool, str]] = []
        self.bells: asyncio.Queue[RawRequest] = asyncio.Queue()
        self.order: list[str] = []
        self.waits: list[float] = []
        self.crash_before_saving = False
        self.changed = asyncio.Condition()

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        for request in requests:
            if request.source_key not in self.kept:
                self.kept[request.source_key] = request
                self.silent |= {request.source_key} if silent else set()
        self.order.append("journal")
        await self._tell()

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        return set()

    async def rung(self, seconds: float) -> Sequence[RawRequest]:
        self.waits.append(seconds)
        await self._tell()
        try:
            async with asyncio.timeout(seconds):
                return [await self.bells.get()]
        except TimeoutError:
            return []

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None:
        return self.cursors.get(name)

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None:
        if self.crash_before_saving:
            self.crash_before_saving = False
            raise Crash
        self.order.append("cursor")
        self.cursors[name] = value
        await self._tell()

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        self.reports.append((ok, detail))
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, look: Any, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(look)

    def read(self, connector: Connector) -> list[Inbound]:
        return [
            one
            for request in self.kept.values()
            for one in connector.parse(RawEvent(id="01event", account_id="01account", request=request))
        ]
