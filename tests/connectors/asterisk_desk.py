"""A desk that keeps in memory what a listener hands over, and an account that leads to the simulator."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from omnihub.connectors import registry
from omnihub.connectors.asterisk.connector import Connector
from omnihub.connectors.asterisk.simulator import Simulator
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.telephony.call import Call, from_json
from omnihub.model.account import Account
from omnihub.model.raw import RawRequest
from omnihub.store.database import now


@dataclass
class MemoryDesk:
    """`faults` are raised by the next hand-overs, one each."""

    requests: list[RawRequest] = field(default_factory=list)
    cursors: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    health: list[tuple[bool, str]] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        if self.faults:
            raise self.faults.pop(0)
        known = {one.source_key for one in self.requests}
        self.requests += [one for one in requests if one.source_key not in known]
        await self._tell()

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        return set()

    async def rung(self, seconds: float) -> Sequence[RawRequest]:
        return ()

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None:
        return self.cursors.get(name)

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None:
        self.cursors[name] = value

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        self.health.append((ok, detail))
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    @property
    def snapshots(self) -> Sequence[Call]:
        return [from_json(orjson.loads(one.body)) for one in self.requests]

    @property
    def calls(self) -> Mapping[str, Call]:
        """The latest of each."""
        return {call.id: call for call in sorted(self.snapshots, key=lambda call: call.sequence)}

    async def until(self, look: Callable[[], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(look)

    async def call(self, call_id: str, **wanted: object) -> Call:
        """Once it is as wanted."""

        def there() -> bool:
            call = self.calls.get(call_id)
            return call is not None and all(getattr(call, name) == value for name, value in wanted.items())

        try:
            await self.until(there)
        except TimeoutError:
            raise AssertionError(f"wanted {wanted}, but it is {self.calls.get(call_id)}") from None
        return self.calls[call_id]

    async def well(self, times: int = 1) -> None:
        await self.until(lambda: sum(ok for ok, _ in self.health) >= times)


def connector_to(simulator: Simulator, http: aiohttp.ClientSession, **changed: Any) -> Connector:
    [account] = simulator.accounts()
    values = registry.plain(registry.read_settings("asterisk", {**account.settings, **changed}))
    toolbox = Toolbox(http=http, public_url="http://hub.example.test", sign=lambda *_: b"", now=now)
    made = registry.connect(
        Account(id="acc", key="k", channel="asterisk", name="Exchange", enabled=True, settings=values), toolbox
    )
    assert isinstance(made, Connector)
    return made


@asynccontextmanager
async def listening(connector: Connector, desk: MemoryDesk) -> AsyncIterator[None]:
    task = asyncio.create_task(connector.listen(desk))
    try:
        await desk.well(1 + sum(ok for ok, _ in desk.health))
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is not None:
            raise AssertionError("the listener ended by itself") from task.exception()
