"""What a channel is: a manifest that speaks first, and a class that translates.

A channel's folder holds `manifest.toml`, `settings.py` (class Settings), `connector.py` (class Connector),
`simulator.py`, `fixtures/` and `README.md`. Adding a channel touches its folder and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from omnihub.connectors.tokens import LocalTokens, SharedTokens
from omnihub.model.account import Account
from omnihub.model.errors import OmnihubError, Refused
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, InboundMessage, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, Prepared, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    en: str
    zh: str


class Steps(_Strict):
    en: list[str]
    zh: list[str]


class Capabilities(_Strict):
    """What the channel can carry outwards; the composer offers nothing else. `one_part`: a message is either
    a text or one file, so that an answer with both goes out as several. `segments`: texts are paid by the
    SMS segment. `profiles`: the connector's `profile` knows who people are. `recall_hours`: how long a sent
    message can be taken back, 0 for never."""

    send: bool = True
    html: bool = False
    subject: bool = False
    cc: bool = False
    attachments: bool = False
    inline_images: bool = False
    receipts: bool = False
    one_part: bool = False
    segments: bool = False
    typing: bool = False
    profiles: bool = False
    recall_hours: float = 0
    calls: bool = False


class MediaRule(_Strict):
    """One kind of file that the channel carries. `types` are content types, `image/*` for all of a kind and
    `*/*` for any."""

    kind: str
    types: list[str]
    max_bytes: int

    def takes(self, content_type: str) -> bool:
        major = content_type.partition("/")[0]
        return content_type in self.types or f"{major}/*" in self.types or "*/*" in self.types


class ReplyWindow(_Strict):
    """After the customer's last message: so many hours, so many messages."""

    hours: float
    messages: int


class Door(_Strict):
    """The channel's HTTP door. `per_ip_minute`: calls one address may make in a minute, 0 for no limit.
    `secret_headers`: those that prove who calls; they are never journaled."""

    max_body_bytes: int = 1_048_576
    per_ip_minute: int = 0
    cors: bool = False
    secret_headers: list[str] = []


class Manifest(_Strict):
    key: str
    label: Words
    summary: Words
    icon: str = ""
    arrives: list[Literal["webhook", "poll", "socket"]]
    conversation: Literal["thread", "contact"] = Field(
        description="thread: one conversation per external thread; contact: one lasting exchange per person"
    )
    capabilities: Capabilities = Capabilities()
    text_limit: int = 0
    text_unit: Literal["characters", "bytes", "utf16"] = "characters"
    attachment_limit_bytes: int = 0
    media: list[MediaRule] = Field(default=[], description="empty: any file, within attachment_limit_bytes")
    reply_window: ReplyWindow | None = None
    sends_per_second: float = 0
    repeat_is_harmless: bool = Field(
        default=False, description="the provider drops a second send under the same external id"
    )
    undo_seconds: int = 0
    door: Door = Door()
    setup: Steps

    def media_rule(self, content_type: str, size: int) -> MediaRule | None:
        """The first rule that carries such a file."""
        return next((r for r in self.media if r.takes(content_type) and size <= r.max_bytes), None)


class ChannelSettings(BaseModel):
    """Base of every channel's Settings. Secrets are SecretStr; titles are English, with the Chinese label
    in `json_schema_extra={"title_zh": …}` and help texts in `description` and `description_zh`."""

    # What was entered may be a secret in the wrong place: an error says what is wrong, never what stood there.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


@dataclass(slots=True, frozen=True, kw_only=True)
class Toolbox:
    """What every connector may use. `sign` is an HMAC-SHA256 under the hub's own key, for the
    connector's tokens; its first argument keeps purposes apart. `tokens` keeps the provider's access tokens,
    one for all processes."""

    http: aiohttp.ClientSession
    public_url: str
    sign: Callable[[str, bytes], bytes]
    now: Callable[[], datetime]
    tokens: SharedTokens = field(default_factory=LocalTokens)


@dataclass(slots=True, frozen=True, kw_only=True)
class TemplateField:
    key: str
    label: str


@dataclass(slots=True, frozen=True, kw_only=True)
class Template:
    """A message prepared beforehand. `text` shows what it will look like, its blanks as {key}.
    `within_window`: it needs an open reply window and uses it up, as any answer does; others go out always."""

    id: str
    name: str
    text: str
    fields: Sequence[TemplateField] = ()
    within_window: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class Finding:
    """One line of an account's test. `remedy` says what to do where `ok` is False."""

    name: str
    ok: bool
    detail: str = ""
    remedy: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Dialled:
    """`picked_up` says that the agent did, and nothing of the customer, who is dialled only then: the call itself
    tells that, under `call_id`. `words` say why the telephone was not picked up."""

    call_id: str
    picked_up: bool
    words: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Limit:
    """`count` calls within `seconds` under one key, asked of the door before it takes the request."""

    key: str
    count: int
    seconds: int


class Desk(Protocol):
    """What `listen` is given: the journal, its own cursors, and a line to say how it fares."""

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        """Returns when all are on disk; only then may a cursor move."""

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        """Those that are stored already, so that their bodies need not be fetched again."""

    async def rung(self, seconds: float) -> Sequence[RawRequest]:
        """What came in at this account's door since the last call, journaled already; waits at most
        `seconds` for the first. It may miss some, after a restart or without the bell: look by yourself, too."""

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None: ...

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None: ...

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        """The account's health line."""


S = TypeVar("S", bound=ChannelSettings)


class BaseConnector(ABC, Generic[S]):
    """One account's translator. Everything pure stays pure; only send, listen and check reach out."""

    manifest: ClassVar[Manifest]
    settings_type: ClassVar[type[ChannelSettings]]

    def __init__(self, account: Account, settings: S, toolbox: Toolbox) -> None:
        self.account = account
        self.settings = settings
        self.toolbox = toolbox

    def own_handles(self) -> frozenset[str]:
        """Keys of the handles that are this account itself; they are never a customer's."""
        return frozenset()

    def public_urls(self) -> Mapping[str, str]:
        """Addresses beyond the door's own that an admin copies or opens, by name."""
        return {}

    def cors_origin(self, request: RawRequest) -> str | None:
        """The exact origin whose pages may call the door, or None."""
        return None

    def limits(self, request: RawRequest) -> Sequence[Limit]:
        """Asked before the body is read."""
        return ()

    def source_key(self, request: RawRequest) -> str:
        """Names this hand-over, so that a repeat is journaled once; empty where repeats cannot be told."""
        return ""

    def proof_key(self, request: RawRequest) -> str | None:
        """Names a one-time proof in the request; one that was used before sets meta["proof_reused"]."""
        return None

    @abstractmethod
    def verify(self, request: RawRequest) -> None:
        """Raises Unverified for a forged call, Unreadable or Invalid for one that cannot be taken."""

    def challenge(self, request: RawRequest) -> Reply | None:
        """Answers what is not a message: a provider's URL check, a hosted page. None: it is a message."""
        return None

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        """What the provider wants to hear once the raw event is on disk."""
        return Reply()

    def refusal(self, request: RawRequest, error: OmnihubError) -> Reply | None:
        """What the caller is told when it is refused; None: problem+json."""
        return None

    def confirmation(self, message: InboundMessage, ticket_number: int) -> tuple[str, str] | None:
        """Subject and text of a confirmation that goes out by the account's `reply_via`."""
        return None

    @abstractmethod
    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        """Pure and repeatable. Raises Unreadable where nothing can be made of it."""

    def reply_window(self) -> ReplyWindow | None:
        """The manifest's, unless the account's settings say otherwise."""
        return self.manifest.reply_window

    def reaches(self, handle: Handle) -> bool:
        """Whether this account may begin to write to this handle."""
        return False

    def templates(self) -> Sequence[Template]:
        """What may go out when the reply window is closed."""
        return ()

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        """Raises TryLater, or Refused where it is gone for good."""
        raise Refused("this channel lends no files")

    async def profile(self, handle: Handle) -> Profile | None:
        """None where the provider tells nothing. Raises TryLater or Refused."""
        return None

    async def typing(self, message: Outgoing) -> None:
        """Shows the customer that somebody writes; an Outgoing without text. Failing is no news."""

    async def recall(self, message: Outgoing) -> None:
        """Takes back what was sent under `external_id`. Raises TryLater, Refused or Uncertain."""
        raise Refused("this channel cannot take a message back")

    async def dial(self, extension: str, number: str, *, call_id: str) -> Dialled:
        """Rings the agent's telephone and, once it is picked up, the customer's. `call_id` is ours, and names the
        call that the exchange tells of. Raises Invalid, TryLater where nothing was handed over, Refused, or
        Uncertain."""
        raise Refused("this channel cannot place calls")

    def prepare(self, message: Outgoing) -> Prepared:
        """Fixes, before queueing, the ids that every attempt will use."""
        return Prepared()

    async def send(self, message: Outgoing) -> SendResult:
        """Raises TryLater, Refused, WindowClosed or Uncertain."""
        raise Refused("this channel cannot send")

    async def listen(self, desk: Desk) -> None:
        """Runs until cancelled where the channel reaches out; returns at once where it does not."""

    async def check(self) -> Sequence[Finding]:
        """The admin's "test connection"."""
        return ()

    async def close(self) -> None: ...


Connector = BaseConnector[Any]


@dataclass(slots=True, frozen=True, kw_only=True)
class DemoAccount:
    """A ready demo account: `settings` as an admin would enter them. `reply_via` is the channel whose demo
    account carries its replies. `notes` tell a newcomer, by language, how to try it."""

    name: str
    settings: Mapping[str, Any]
    reply_via: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)


class Simulator(Protocol):
    """A faithful local stand-in of the provider; class Simulator in the channel's `simulator.py`,
    constructed with a folder of its own to keep state in. One that also has `chats` (a `simulation.Chats`), or
    `telephones()` (a `telephony.playing.Telephones`), is shown on the customers' page; one that has
    `async attach(doors)` is told, once the hub is up, the address of each account's door by the account's name."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def accounts(self) -> Sequence[DemoAccount]:
        """After `start`: the accounts to connect to it."""

    def pages(self) -> web.Application | None:
        """What the customer sees, mounted at /demo/<channel>/."""
