from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

MessageKind = Literal["message", "auto_reply", "bounce", "list", "unsupported", "notice", "call"]
ParticipantRole = Literal["from", "to", "cc"]
DeliveryReport = Literal["sent", "delivered", "read", "failed", "delayed"]


@dataclass(slots=True, frozen=True, kw_only=True)
class Handle:
    """One handle of a person: `email:a@b.c`, `wechat:<appid>:<openid>`, `phone:+8613…`.

    `claims` are keys of handles that the person says are theirs but has not proven, such as the address
    typed into a form; they never join contacts until proven. `proven` are keys of further handles that the
    provider vouches for, such as a unionid or a phone that the platform checked: they join contacts.
    """

    key: str
    name: str = ""
    claims: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()

    @property
    def channel(self) -> str:
        return self.key.partition(":")[0]

    @property
    def value(self) -> str:
        return self.key.rpartition(":")[2]


@dataclass(slots=True, frozen=True, kw_only=True)
class Participant:
    handle: Handle
    role: ParticipantRole


@dataclass(slots=True, frozen=True, kw_only=True)
class Evidence:
    """Everything in a message that may say where it belongs. Ids are the provider's, without decoration.

    `bulk`: this went out to many people; its id proves nothing about who may join its thread.
    `unproven_ids`: the message names no sender that we can check, so its references count only as hints.
    """

    tokens: tuple[str, ...] = ()
    message_id: str = ""
    references: tuple[str, ...] = ()
    ticket_numbers: tuple[int, ...] = ()
    bulk: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class InboundAttachment:
    filename: str
    content_type: str
    content: bytes
    inline: bool = False
    content_id: str = ""
    label: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class LentMedia:
    """A file that the provider lends for a while; the connector's `fetch` gets it after intake.
    `ref` is all that `fetch` needs to find it, without secrets. What is not known is left empty."""

    ref: Mapping[str, Any]
    filename: str = ""
    content_type: str = ""
    size: int = 0
    label: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Allowance:
    """What the provider lets us answer to this one message: so many messages within so many seconds."""

    seconds: float
    messages: int


@dataclass(slots=True, frozen=True, kw_only=True)
class InboundMessage:
    """One message as a connector read it, in the shape that all channels share.

    `external_id` is unique within the account; `fingerprint` tells two different messages apart that a
    broken sender gave the same id. `thread_key` is the provider's own name of the exchange.
    `silent`: keep it, but answer nothing, notify nobody and do not reopen. `silent_reason` says why.
    `media` are the files that must be fetched afterwards. `part_of` names what several messages are parts of,
    such as an album: they are shown as one.
    `allowance`: what may be answered to this, where it differs from the account's reply window. A message of
    kind notice (followed, entered, pressed a menu) opens no ticket and grants nothing unless it says so here.
    `reachable` False: from now on the person cannot be written to (unfollowed, blocked), True: again.
    `wire` is what an answer to this message needs of it (a session's address): `Outgoing.answering`.
    """

    external_id: str
    thread_key: str
    sender: Handle
    fingerprint: str = ""
    participants: tuple[Participant, ...] = ()
    reply_to: tuple[Handle, ...] = ()
    sent_at: datetime | None = None
    kind: MessageKind = "message"
    direction: Literal["inbound", "outbound"] = "inbound"
    subject: str = ""
    text: str = ""
    html: str = ""
    visible_text: str = ""
    quoted_text: str = ""
    visible_html: str = ""
    attachments: tuple[InboundAttachment, ...] = ()
    media: tuple[LentMedia, ...] = ()
    part_of: str = ""
    allowance: Allowance | None = None
    reachable: bool | None = None
    wire: Mapping[str, Any] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    silent: bool = False
    silent_reason: str = ""
    spam: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class Receipt:
    """What the provider says later about something we sent. `words` are the provider's own."""

    external_id: str
    status: DeliveryReport
    at: datetime | None = None
    recipient: str = ""
    words: str = ""
    code: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Amendment:
    """The author changed a message, or took it back. `message` is the whole new version of an edited one:
    where the first was never seen, it is stored as if it were the first. `updated`: what the message tells of,
    such as a call, has gone on; `sequence` orders its versions, and no earlier one is kept."""

    external_id: str
    kind: Literal["edited", "recalled", "updated"]
    at: datetime | None = None
    sequence: int = 0
    message: InboundMessage | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Profile:
    """What the provider tells about a person. `proven` and `claims` as in Handle. `avatar` is the picture's
    bytes."""

    name: str = ""
    avatar: bytes = b""
    proven: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class FetchedMedia:
    """`filename` and `content_type` where the provider told them with the bytes."""

    content: bytes
    filename: str = ""
    content_type: str = ""


Inbound = InboundMessage | Receipt | Amendment
