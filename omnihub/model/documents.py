"""The persisted shapes. Field names are what the API and the web app show, `_id` apart."""

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from omnihub.model.inbound import MessageKind
from omnihub.model.outgoing import DeliveryState

Status = Literal["new", "open", "pending", "resolved", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]
Role = Literal["admin", "supervisor", "agent", "readonly"]
Direction = Literal["inbound", "outbound", "note"]
OPEN_STATUSES: tuple[Status, ...] = ("new", "open", "pending")
STATUSES: tuple[Status, ...] = ("new", "open", "pending", "resolved", "closed")
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "urgent")


class IdentityDoc(TypedDict):
    """`_id` is the handle's key. `claims` are handles its person named but has not proven."""

    _id: str
    contact_id: str
    channel: str
    name: str
    claims: list[str]
    evidence: str
    created_at: datetime


class ContactDoc(TypedDict):
    """`avatar_id`: the attachment that holds the picture."""

    _id: str
    name: str
    avatar_id: NotRequired[str]
    identities: list[str]
    merged_into: str | None
    created_at: datetime
    updated_at: datetime


class ParticipantDoc(TypedDict):
    """`confirmed` is False for someone who joined by proof of receipt only, until an agent confirms."""

    key: str
    name: str
    role: str
    confirmed: bool


class ConversationDoc(TypedDict):
    """`open`: new messages under its thread key join it. `pinned`: placed by hand, never joined by itself.
    `joined_into`: the conversation that it turned out to be a part of."""

    _id: str
    account_id: str
    channel: str
    thread_key: str
    contact_id: str
    ticket_id: str
    open: bool
    pinned: bool
    subject: str
    participants: list[ParticipantDoc]
    last_inbound_id: str | None
    joined_into: str | None
    created_at: datetime


class LastMessage(TypedDict):
    id: str
    direction: Direction
    channel: str
    preview: str
    author: str
    at: datetime


class TicketLink(TypedDict):
    ticket_id: str
    number: int
    kind: Literal["follows", "followed_by", "merged_from", "split_from", "split_to", "related"]
    reason: str


class TicketDoc(TypedDict):
    """`last_message_at` orders lists. `last_inbound_id` is the reply guard's yardstick.
    `waiting_since`: since when a customer has waited for an answer."""

    _id: str
    number: int
    subject: str
    status: Status
    priority: Priority
    assignee_id: str | None
    team_id: str | None
    tags: list[str]
    spam: bool
    contact_id: str
    contact_name: str
    channels: list[str]
    account_ids: list[str]
    last_message: LastMessage | None
    last_message_at: datetime
    last_inbound_id: str | None
    waiting_since: datetime | None
    message_count: int
    undelivered: int
    snoozed_until: datetime | None
    resolved_at: datetime | None
    merged_into: str | None
    links: list[TicketLink]
    suggested_ticket_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class AttachmentRef(TypedDict):
    """`state` stands only while there are no bytes: they are still being fetched from the provider, or cannot
    be had any more, for the reason in `problem`."""

    id: str
    filename: str
    content_type: str
    size: int
    inline: bool
    content_id: str
    label: str
    state: NotRequired[Literal["fetching", "lost"]]
    problem: NotRequired[str]


class SenderDoc(TypedDict):
    """`key` for a customer's handle, `user_id` for a colleague; neither for the hub itself."""

    key: str
    name: str
    user_id: str | None


class PlacementDoc(TypedDict):
    """`rule` is the code of the rule that decided; `reason` the same in words that name its evidence."""

    rule: str
    reason: str
    data: dict[str, Any]


class DeliveryDoc(TypedDict):
    """`due`: not sent before. `words`: the provider's own, of the last attempt. `refused`: per recipient.
    `process`: which one sends it. `abandoned`: that one is no more."""

    state: DeliveryState
    due: datetime
    attempts: int
    words: str
    refused: dict[str, str]
    lease_until: datetime | None
    process: NotRequired[str]
    abandoned: NotRequired[bool]
    sent_at: datetime | None
    updated_at: datetime


class WrapUpDoc(TypedDict):
    """How an agent sums up a call."""

    disposition: str
    note: str
    user_id: str
    name: str
    at: datetime


class MessageDoc(TypedDict):
    """`at` orders the timeline. `external_id` is unique within the account.
    `refs` are the provider ids that this message points at; `aliases` the further names it goes by.
    `wire`: of an outbound message what its connector prepared, of an inbound one what an answer to it needs.
    A notice that came before its person had a conversation has neither conversation nor ticket."""

    _id: str
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
    sender: SenderDoc
    to: list[ParticipantDoc]
    cc: list[ParticipantDoc]
    bcc: list[ParticipantDoc]
    subject: str
    text: str
    html: str
    visible_text: str
    quoted_text: str
    visible_html: str
    attachments: list[AttachmentRef]
    automatic: bool
    silent: bool
    silent_reason: str
    spam: list[str]
    problems: list[str]
    placement: PlacementDoc
    answering_id: str | None
    delivery: DeliveryDoc | None
    wire: dict[str, Any]
    raw_event_id: str | None
    extra: dict[str, Any]
    wrap_up: NotRequired[WrapUpDoc]
    sent_at: datetime | None
    at: datetime


class ActorDoc(TypedDict):
    kind: Literal["user", "contact", "system"]
    id: str
    name: str


class CallBackDoc(TypedDict):
    """A number that called in vain and is to be called back: one open task per account and `number`, which is a
    phone handle's key. `calls` counts those that joined it. `how`: what ended it, "answered" by a later call or
    "closed" by hand."""

    _id: str
    account_id: str
    number: str
    contact_id: str
    ticket_id: str
    message_ids: list[str]
    calls: int
    reason: Literal["missed", "abandoned", "busy", "voicemail", "out_of_hours"]
    state: Literal["open", "done"]
    due: datetime
    first_at: datetime
    last_at: datetime
    done_at: datetime | None
    done_by: ActorDoc | None
    how: Literal["", "answered", "closed"]


class AccessDoc(TypedDict):
    """Who listened to a recording. `requests`: a player asks for a file in pieces; those of one sitting count
    as one access."""

    _id: str
    attachment_id: str
    message_id: str
    ticket_id: str
    user_id: str
    name: str
    requests: int
    at: datetime
    last_at: datetime


class EventDoc(TypedDict):
    """One line of a ticket's trail; append-only. `message_id` where it tells of a message."""

    _id: str
    type: str
    ticket_id: str
    message_id: str | None
    actor: ActorDoc
    data: dict[str, Any]
    at: datetime


class OperationDoc(TypedDict):
    """A split, move or merge, with what is needed to take it back."""

    _id: str
    kind: Literal["ticket_merge", "ticket_split", "conversation_move", "conversation_join", "contact_merge"]
    ticket_ids: list[str]
    contact_ids: list[str]
    actor: ActorDoc
    reason: str
    before: dict[str, Any]
    undone_at: datetime | None
    at: datetime


class UserDoc(TypedDict):
    """`extensions`: the telephones that ring for this user, by number or name at the PBX."""

    _id: str
    email: str
    name: str
    role: Role
    locale: str
    active: bool
    password_hash: str
    extensions: NotRequired[list[str]]
    created_at: datetime


class TeamDoc(TypedDict):
    _id: str
    name: str
    member_ids: list[str]
    created_at: datetime
