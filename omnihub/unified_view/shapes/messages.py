from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from omnihub.model.documents import Direction, Status
from omnihub.model.inbound import MessageKind
from omnihub.model.outgoing import DeliveryState
from omnihub.unified_view.shapes.common import Given, Id, LongText, Shown


class Participant(Shown):
    """`confirmed` is false for someone who joined by proof of receipt, until an agent confirms."""

    key: str
    name: str
    role: str
    confirmed: bool


class Sender(Shown):
    key: str
    name: str
    user_id: str | None


class Attachment(Shown):
    id: str
    filename: str
    content_type: str
    size: int
    inline: bool
    content_id: str
    label: str
    state: Literal["ready", "fetching", "lost"] = Field(
        "ready", description="fetching: the provider's copy is still on its way; lost: it cannot be had any more"
    )
    problem: str = Field("", description="why it is lost, in the provider's words")


class Placement(Shown):
    """The rule that decided which conversation and ticket this message joined, and the reason in words."""

    rule: str
    reason: str
    data: dict[str, Any]


class Delivery(Shown):
    """`due`: not sent before, so that it can still be taken back. `words`: the provider's own."""

    state: DeliveryState
    due: datetime
    attempts: int
    words: str
    refused: dict[str, str]
    sent_at: datetime | None
    updated_at: datetime


class WrapUp(Shown):
    """How an agent summed up a call."""

    disposition: str
    note: str
    user_id: str
    name: str
    at: datetime


class Message(Shown):
    id: str
    account_id: str
    external_id: str
    aliases: list[str]
    fingerprint: str
    refs: list[str]
    bulk: bool
    direction: Direction
    kind: MessageKind
    channel: str
    conversation_id: str
    ticket_id: str
    contact_id: str
    sender: Sender
    to: list[Participant]
    cc: list[Participant]
    bcc: list[Participant]
    subject: str
    text: str
    html: str
    visible_text: str
    quoted_text: str
    visible_html: str
    attachments: list[Attachment]
    automatic: bool
    silent: bool
    silent_reason: str
    spam: list[str]
    problems: list[str]
    placement: Placement
    answering_id: str | None
    delivery: Delivery | None
    raw_event_id: str | None
    extra: dict[str, Any]
    wrap_up: WrapUp | None = Field(None, description="of a call")
    sent_at: datetime | None
    at: datetime


class UsedTemplate(Given):
    id: Id
    values: dict[str, str] = Field({}, max_length=50)


class NewReply(Given):
    """`seen_inbound_id`: the ticket's `last_inbound_id` that was on screen. `seen_message_id`: the last message
    of any direction that was; without it a colleague's answer after `seen_inbound_id` counts as not seen.
    `force`: send although newer messages came in. `status`: what the ticket becomes once this is queued."""

    conversation_id: str = Field("", max_length=64)
    answering_id: str = Field("", max_length=64)
    seen_inbound_id: Id | None
    seen_message_id: str = Field("", max_length=64)
    text: LongText
    html: LongText = ""
    attachment_ids: list[Id] = Field([], max_length=100)
    cc: list[str] = Field([], max_length=100)
    bcc: list[str] = Field([], max_length=100)
    status: Status | None = None
    force: bool = False
    account_id: str = Field("", max_length=64, description="with to_key: by another way, as the agent chose")
    to_key: str = Field("", max_length=500)
    template: UsedTemplate | None = Field(None, description="instead of a text")
    as_links: bool = Field(False, description="what the channel does not carry goes out as links")


class Typing(Given):
    conversation_id: str = Field("", max_length=64)


class Typed(Shown):
    """`shown`: whether the channel told the customer."""

    shown: bool


class NewNote(Given):
    text: LongText = Field(min_length=1)
    attachment_ids: list[Id] = Field([], max_length=100)


class Settlement(Given):
    """What became of a message whose outcome nobody knew. true: it arrived."""

    sent: bool


class AttachmentQuery(Given):
    name: str = Field("", max_length=500, description="for the reader of the address; the stored name is used")
    inline: bool = Field(False, description="images, sound and video only")
