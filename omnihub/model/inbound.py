from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

MessageKind = Literal["message", "auto_reply", "bounce", "list", "unsupported"]
ParticipantRole = Literal["from", "to", "cc"]
DeliveryReport = Literal["sent", "delivered", "read", "failed", "delayed"]


@dataclass(slots=True, frozen=True, kw_only=True)
class Handle:
    """One handle of a person: `email:a@b.c`, `wechat:<appid>:<openid>`, `phone:+8613…`.

    `claims` are keys of handles that the person says are theirs but has not proven, such as the address
    typed into a form; they never join contacts until proven.
    """

    key: str
    name: str = ""
    claims: tuple[str, ...] = ()

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
class InboundMessage:
    """One message as a connector read it, in the shape that all channels share.

    `external_id` is unique within the account; `fingerprint` tells two different messages apart that a
    broken sender gave the same id. `thread_key` is the provider's own name of the exchange.
    `silent`: keep it, but answer nothing, notify nobody and do not reopen. `silent_reason` says why.
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


Inbound = InboundMessage | Receipt
