"""The hub's rooms, with one account that leads to the exchange: what is asserted is what agents would see."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import orjson

from omnihub.connectors import registry
from omnihub.connectors.asterisk.connector import Connector
from omnihub.connectors.registry import Connectors
from omnihub.connectors.telephony.call import Call, from_json
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import Listeners
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.model.account import Account
from omnihub.outbound.errands import ErrandRunner
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.pbx.exchange import SECRET, Exchange
from tests.pbx.relay import Relay

Message = Mapping[str, Any]
T = TypeVar("T")


class Hub:
    def __init__(self, store: Store, connectors: Connectors, account: Account) -> None:
        self.store = store
        self.connectors = connectors
        self.account = account

    async def connector(self) -> Connector:
        made = await self.connectors.of(self.account)
        assert isinstance(made, Connector)
        return made

    async def messages(self) -> Sequence[Message]:
        return [doc async for doc in self.store.db["messages"].find().sort("_id")]

    async def message(self, **wanted: object) -> Message:
        """The one call that there is, once it is as wanted: names of `extra.call`."""
        return await self._until(lambda calls: _the_one(calls, wanted), f"wanted {wanted}")

    async def calls(self, **wanted: object) -> Sequence[Message]:
        """Those that are as wanted, once there are any."""
        return await self._until(lambda calls: [one for one in calls if _is(one, wanted)], f"wanted {wanted}")

    async def recorded(self) -> Message:
        """The one call, once its recording was fetched."""

        def fetched(calls: Sequence[Message]) -> Message | None:
            [call] = calls
            files = call["attachments"]
            return call if files and all(file.get("state") != "fetching" for file in files) else None

        return await self._until(fetched, "wanted the recording")

    async def well(self, well: bool = True) -> None:
        """Once the account's health says so."""
        end = asyncio.get_running_loop().time() + 20
        wanted = "ok" if well else "error"
        while (seen := (await self.store.accounts.health()).get(self.account.id, {})).get("state") != wanted:
            assert asyncio.get_running_loop().time() < end, f"the account is not {wanted}: {seen}"
            await asyncio.sleep(0.02)

    async def history(self) -> Sequence[Call]:
        """All that was journaled of calls, in order."""
        told = [doc async for doc in self.store.db["raw_events"].find().sort("_id")]
        events = await self.store.journal.find([doc["_id"] for doc in told])
        calls = [from_json(orjson.loads(one.request.body)) for one in events]
        return sorted(calls, key=lambda call: call.sequence)

    async def content(self, attachment: Mapping[str, Any]) -> bytes:
        _, digest = await self.store.attachments.find(attachment["id"])
        return await self.store.attachments.blobs.get(digest)

    async def _until(self, look: Callable[[Sequence[Message]], T | None], words: str, within: float = 40.0) -> T:
        end = asyncio.get_running_loop().time() + within
        while not (found := look(seen := await self.messages())):
            shown = [one["extra"].get("call") for one in seen]
            assert asyncio.get_running_loop().time() < end, f"{words}, but it is {shown}"
            await asyncio.sleep(0.03)
        return found


def _is(message: Message, wanted: Mapping[str, object]) -> bool:
    call = message["extra"]["call"]
    return all(call[name] == value for name, value in wanted.items())


def _the_one(messages: Sequence[Message], wanted: Mapping[str, object]) -> Message | None:
    assert len(messages) < 2, f"one call became several: {[one['extra']['call'] for one in messages]}"
    return next((one for one in messages if _is(one, wanted)), None)


def states(calls: Sequence[Call]) -> list[str]:
    """What followed what."""
    told = [call.state for call in calls]
    return [state for number, state in enumerate(told) if number == 0 or state != told[number - 1]]


@asynccontextmanager
async def hub(
    store: Store, connectors: Connectors, settings: Settings, exchange: Exchange, relay: Relay
) -> AsyncIterator[Hub]:  # fmt: skip
    given = {
        "host": "127.0.0.1", "port": relay.port, "username": "omnihub", "secret": SECRET, "region": "DE",
        "ping_seconds": 2, "ring_seconds": 5, "recordings": "folder", "recording_folder": str(exchange.recordings),
        "recording_root": f"{exchange.inside}/spool/monitor", "caller_id": "Service <4000>",
        "consent_notice": "This call is recorded.", "consent_version": "2026-11",
    }  # fmt: skip
    account = await store.accounts.add(
        channel="asterisk", name="Exchange", settings=registry.plain(registry.read_settings("asterisk", given)),
        secret_names=registry.secret_names("asterisk"),
    )  # fmt: skip
    rooms: Sequence[Callable[[], Awaitable[None]]] = (
        Listeners(store, connectors).run,
        Intake(store, connectors, settings).run,
        ErrandRunner(store, {MEDIA: MediaErrands(store, connectors)}).run,
    )
    running = [asyncio.ensure_future(room()) for room in rooms]
    try:
        opened = Hub(store, connectors, account)
        await opened.well()
        yield opened
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
