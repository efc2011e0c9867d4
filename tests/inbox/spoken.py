"""A channel whose hand-overs say what the test wants said; journal, intake and errands are the real ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omnihub.connectors.contract import (
    BaseConnector,
    Capabilities,
    ChannelSettings,
    Connector,
    Manifest,
    Steps,
    Toolbox,
    Words,
)
from omnihub.inbox.intake import Intake
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.inbox.profiles import PROFILE, ProfileErrands
from omnihub.inbox.progress import PROGRESS
from omnihub.inbox.recordings import FORGET, ForgetErrands
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import ActorDoc, ContactDoc, EventDoc, MessageDoc, TicketDoc
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, InboundMessage, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.model.raw import RawEvent, RawRequest
from omnihub.outbound.errands import ErrandRunner
from omnihub.outbound.progress import ProgressErrands
from omnihub.outbound.submit import Submit
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
BEA = ActorDoc(kind="user", id="bea", name="Bea")
MANIFEST = Manifest(
    key="spoken",
    label=Words(en="Spoken", zh="口述"),
    summary=Words(en="", zh=""),
    arrives=["webhook"],
    conversation="contact",
    setup=Steps(en=[], zh=[]),
    capabilities=Capabilities(attachments=True, profiles=True),
)


@dataclass
class Platform:
    """What the provider holds: hand-overs by their body, lent files and profiles; errors come first."""

    said: dict[bytes, Sequence[Inbound]] = field(default_factory=dict)
    files: dict[str, list[FetchedMedia | Exception]] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    sent: list[Outgoing] = field(default_factory=list)


class SpokenConnector(BaseConnector[ChannelSettings]):
    manifest = MANIFEST

    def __init__(self, account: Account, toolbox: Toolbox, platform: Platform) -> None:
        super().__init__(account, ChannelSettings(), toolbox)
        self.platform = platform

    def verify(self, request: RawRequest) -> None: ...

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        if event.request.body not in self.platform.said:
            raise Unreadable("nobody said this")
        return self.platform.said[event.request.body]

    async def send(self, message: Outgoing) -> SendResult:
        self.platform.sent.append(message)
        return SendResult(external_id=f"out:{message.id}")

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        answers = self.platform.files[media.ref["id"]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def profile(self, handle: Handle) -> Profile | None:
        return self.platform.profiles.get(handle.key)


class SpokenConnectors:
    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self.platforms: dict[str, Platform] = {}

    async def of(self, account: Account) -> Connector:
        return SpokenConnector(account, self._toolbox, self.platforms.setdefault(account.id, Platform()))


class Desk:
    """One hub with accounts of the spoken channel."""

    def __init__(self, store: Store, toolbox: Toolbox, settings: Settings) -> None:
        self.store = store
        self.connectors: Any = SpokenConnectors(toolbox)
        self.intake = Intake(store, self.connectors, settings)
        self.submit = Submit(store, self.connectors, settings)
        self.errands = ErrandRunner(
            store,
            {
                MEDIA: MediaErrands(store, self.connectors),
                PROFILE: ProfileErrands(store, self.connectors),
                PROGRESS: ProgressErrands(store, self.submit),
                FORGET: ForgetErrands(store),
            },
        )
        self._count = 0

    async def account(self, name: str = "Spoken", **policy: Any) -> Account:
        return await self.store.accounts.add(
            channel="spoken", name=name, settings={}, secret_names=frozenset(), policy=AccountPolicy(**policy)
        )

    def platform(self, account: Account) -> Platform:
        found: Platform = self.connectors.platforms.setdefault(account.id, Platform())
        return found

    async def hand_over(self, account: Account, *batches: Sequence[Inbound], silent: bool = False) -> None:
        """Each batch is one hand-over; all of them are taken in in one turn. `silent`: as history."""
        for said in batches:
            self._count += 1
            await self.journal(account, f"hand-over {self._count}".encode(), said, silent=silent)
        await self.intake.drain()

    async def journal(
        self, account: Account, body: bytes, said: Sequence[Inbound], *, silent: bool = False
    ) -> RawEvent:
        self.platform(account).said[body] = said
        request = RawRequest(source="test", body=body, received_at=now())
        entry = await self.store.journal.append(account.id, request, silent=silent)
        [event] = [one async for part in self.store.journal.portions([entry.id]) for one in part]
        return event

    async def message(self, external_id: str) -> MessageDoc:
        found = await self.store.db["messages"].find_one({"external_id": external_id})
        assert found is not None, external_id
        return found  # type: ignore[return-value]

    async def messages(self) -> list[MessageDoc]:
        return [doc async for doc in self.store.db["messages"].find().sort([("at", 1), ("_id", 1)])]

    async def tickets(self) -> list[TicketDoc]:
        return [doc async for doc in self.store.db["tickets"].find().sort("_id", 1)]

    async def contacts(self) -> list[ContactDoc]:
        return [doc async for doc in self.store.db["contacts"].find({"merged_into": None}).sort("_id", 1)]

    async def events(self, kind: str) -> list[EventDoc]:
        return [doc async for doc in self.store.db["events"].find({"type": kind}).sort("_id", 1)]

    async def replay(self) -> None:
        await self.store.journal.replay(states=("done", "dead"))
        await self.intake.drain()


def said(external_id: str, text: str = "Hello", *, who: str = "ann", **given: Any) -> InboundMessage:
    sender: Mapping[str, Any] = {"key": f"spoken:{who}", "name": who.title(), **given.pop("sender", {})}
    fields: dict[str, Any] = {"thread_key": who, "text": text, "visible_text": text, **given}
    return InboundMessage(external_id=external_id, sender=Handle(**sender), **fields)


def picture(name: str = "p1") -> LentMedia:
    return LentMedia(ref={"id": name}, content_type="image/png", label="image")
