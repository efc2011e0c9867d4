"""An exchange that tells of the calls, and places those, that the test wants; everything behind it is real."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omnihub.connectors.contract import (
    BaseConnector,
    Capabilities,
    ChannelSettings,
    Connector,
    Dialled,
    Manifest,
    Steps,
    Toolbox,
    Words,
)
from omnihub.connectors.telephony.call import Call
from omnihub.connectors.telephony.telling import amendment_of
from omnihub.inbox.intake import Intake
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import ConversationDoc, EventDoc, MessageDoc
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import FetchedMedia, Inbound, LentMedia
from omnihub.model.raw import RawEvent, RawRequest
from omnihub.outbound.errands import ErrandRunner
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store

BEGAN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
RECORDING = b"RIFF....WAVEfmt " + bytes(range(256)) * 8
MANIFEST = Manifest(
    key="telephone",
    label=Words(en="Telephone", zh="电话"),
    summary=Words(en="", zh=""),
    arrives=["webhook"],
    conversation="contact",
    setup=Steps(en=[], zh=[]),
    capabilities=Capabilities(send=False, calls=True),
)
MUTE = MANIFEST.model_copy(update={"capabilities": Capabilities(send=False)})


class TelephoneSettings(ChannelSettings):
    region: str = "DE"


@dataclass
class Exchange:
    """`orders`: extension, number and call id of every call that it was to place. `answers`: what it says to
    them, one after the other; `picks_up`: once that happens."""

    settings: TelephoneSettings = field(default_factory=TelephoneSettings)
    manifest: Manifest = MANIFEST
    said: dict[bytes, Sequence[Inbound]] = field(default_factory=dict)
    orders: list[tuple[str, str, str]] = field(default_factory=list)
    answers: list[Exception | str] = field(default_factory=list)
    rings: asyncio.Event = field(default_factory=asyncio.Event)
    picks_up: asyncio.Event | None = None


class TelephoneConnector(BaseConnector[TelephoneSettings]):
    def __init__(self, account: Account, toolbox: Toolbox, exchange: Exchange) -> None:
        super().__init__(account, exchange.settings, toolbox)
        self.exchange = exchange
        self.manifest = exchange.manifest  # type: ignore[misc]

    def verify(self, request: RawRequest) -> None: ...

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        if event.request.body not in self.exchange.said:
            raise Unreadable("nobody said this")
        return self.exchange.said[event.request.body]

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return FetchedMedia(content=RECORDING, content_type="audio/wav")

    async def dial(self, extension: str, number: str, *, call_id: str) -> Dialled:
        self.exchange.orders.append((extension, number, call_id))
        self.exchange.rings.set()
        if self.exchange.picks_up is not None:
            await self.exchange.picks_up.wait()
        answer = self.exchange.answers.pop(0) if self.exchange.answers else ""
        if isinstance(answer, Exception):
            raise answer
        return Dialled(call_id=call_id, picked_up=not answer, words=answer)


class TelephoneConnectors:
    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self.exchanges: dict[str, Exchange] = {}

    async def of(self, account: Account) -> Connector:
        return TelephoneConnector(account, self._toolbox, self.exchanges.setdefault(account.id, Exchange()))


class Switchboard:
    """One hub's accounts of that exchange, with intake and errands."""

    def __init__(self, store: Store, toolbox: Toolbox, settings: Settings) -> None:
        self.store = store
        connectors: Any = TelephoneConnectors(toolbox)
        self.connectors = connectors
        self.intake = Intake(store, connectors, settings)
        self.errands = ErrandRunner(store, {MEDIA: MediaErrands(store, connectors)})
        self._count = 0

    async def account(self, name: str = "Hotline", **policy: Any) -> Account:
        return await self.store.accounts.add(
            channel="telephone", name=name, settings={}, secret_names=frozenset(), policy=AccountPolicy(**policy)
        )

    def exchange(self, account: Account) -> Exchange:
        found: Exchange = self.connectors.exchanges.setdefault(account.id, Exchange())
        return found

    async def tell(self, account: Account, *calls: Call) -> list[MessageDoc]:
        """Each is one hand-over; the calls' messages, in the order told."""
        for one in calls:
            self._count += 1
            body = f"hand-over {self._count}".encode()
            told = amendment_of(one, channel="telephone", account_id=account.id, region="DE")
            self.exchange(account).said[body] = [told]
            await self.store.journal.append(account.id, RawRequest(source="test", body=body, received_at=now()))
        await self.intake.drain()
        await self.errands.run_due()
        names = [f"call:{one.id}" for one in calls]
        found = {
            doc["external_id"]: doc
            async for doc in self.store.db["messages"].find(
                {"account_id": account.id, "external_id": {"$in": names}}
            )
        }
        return [found[name] for name in names]

    async def events(self, kind: str) -> list[EventDoc]:
        return [doc async for doc in self.store.db["events"].find({"type": kind}).sort("_id", 1)]

    async def conversations(self) -> list[ConversationDoc]:
        return [doc async for doc in self.store.db["conversations"].find().sort("_id", 1)]


def call(call_id: str, **given: Any) -> Call:
    """One that was answered, unless said otherwise."""
    fields: dict[str, Any] = {
        "direction": "in",
        "state": "ended",
        "outcome": "answered",
        "customer": "+4930123456",
        "customer_name": "Ann",
        "line": "+493099990",
        "agents": ("101",),
        "answered_by": "101",
        "started_at": BEGAN,
        "answered_at": BEGAN + timedelta(seconds=5),
        "ended_at": BEGAN + timedelta(seconds=65),
        "waited_seconds": 5,
        "talked_seconds": 60,
        "sequence": 1,
    }
    return Call(id=call_id, **(fields | given))


def missed(call_id: str, **given: Any) -> Call:
    nobody = {"outcome": "missed", "answered_by": "", "answered_at": None, "talked_seconds": 0}
    return call(call_id, **(nobody | given))


def going_on(call_id: str, state: str = "ringing", **given: Any) -> Call:
    return call(call_id, state=state, outcome="", answered_by="", answered_at=None, ended_at=None, **given)
