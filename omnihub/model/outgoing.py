from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from omnihub.model.inbound import Handle

DeliveryState = Literal["queued", "sending", "sent", "delivered", "read", "failed", "uncertain", "cancelled"]
FINAL_STATES: frozenset[str] = frozenset({"sent", "delivered", "read", "failed", "uncertain", "cancelled"})


@dataclass(slots=True, frozen=True, kw_only=True)
class OutgoingAttachment:
    """`url` is a public address of the same bytes, signed and expiring, for providers that fetch."""

    filename: str
    content_type: str
    content: bytes
    inline: bool = False
    content_id: str = ""
    url: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class TemplateUse:
    """A message that the provider approved beforehand, with its blanks filled in."""

    id: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class Quoted:
    """The message being answered, for channels that quote it."""

    sender: str
    sent_at: datetime
    text: str
    html: str


@dataclass(slots=True, frozen=True, kw_only=True)
class Outgoing:
    """One reply on its way out.

    `external_id` and `wire` are what the connector's `prepare` fixed before the message was queued; a
    retry uses them again. `token` is the signed reply token of the conversation. `automatic` marks what
    no person wrote. `references` are the provider's ids of the exchange, oldest first.
    `answering` is the `wire` of the message being answered, or of the customer's last one.
    `answered_id` is the provider's id of the message being answered. `template`: send this instead of `text`,
    which then only says in words what it will look like.
    """

    id: str
    conversation_id: str
    ticket_number: int
    thread_key: str
    to: tuple[Handle, ...]
    cc: tuple[Handle, ...] = ()
    bcc: tuple[Handle, ...] = ()
    author: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: tuple[OutgoingAttachment, ...] = ()
    token: str = ""
    references: tuple[str, ...] = ()
    quoted: Quoted | None = None
    automatic: bool = False
    answering: Mapping[str, Any] = field(default_factory=dict)
    answered_id: str = ""
    template: TemplateUse | None = None
    created_at: datetime
    external_id: str = ""
    wire: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class Prepared:
    external_id: str = ""
    wire: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class SendResult:
    """`aliases` are further ids under which the provider may speak of this message;
    `refused` maps a recipient to the provider's words where only some were taken."""

    external_id: str = ""
    aliases: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
