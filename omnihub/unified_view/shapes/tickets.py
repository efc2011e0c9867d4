from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from omnihub.model.documents import Direction, Priority, Status
from omnihub.unified_view.shapes.common import (
    Actor,
    Given,
    Id,
    IdOrNumber,
    Listing,
    LongText,
    Name,
    Reason,
    Shown,
)
from omnihub.unified_view.shapes.contacts import Contact
from omnihub.unified_view.shapes.messages import Message, Participant


class LastMessage(Shown):
    id: str
    direction: Direction
    channel: str
    preview: str
    author: str
    at: datetime


class TicketLink(Shown):
    ticket_id: str
    number: int
    kind: Literal["follows", "followed_by", "merged_from", "split_from", "split_to", "related"]
    reason: str


class Ticket(Shown):
    """`last_inbound_id` goes back with a reply as `seen_inbound_id`.
    `waiting_since`: since when the customer has waited for an answer."""

    id: str
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


class TicketPage(Shown):
    items: list[Ticket]
    next: str | None


class TicketList(Listing):
    view: Literal["mine", "unassigned", "all"] = "all"
    status: Literal["active", "snoozed", "any", "new", "open", "pending", "resolved", "closed"] = Field(
        "active", description="active: new, open and pending, and not snoozed"
    )
    channel: str = Field("", max_length=64)
    account_id: str = Field("", max_length=64)
    assignee_id: str = Field("", max_length=64)
    team_id: str = Field("", max_length=64)
    tag: str = Field("", max_length=100)
    contact_id: str = Field("", max_length=64)
    spam: bool = False
    sort: Literal["last_message_at", "waiting_since", "created_at"] = "last_message_at"


class StatusCounts(Shown):
    new: int
    open: int
    pending: int
    resolved: int
    closed: int


class TicketCounts(Shown):
    """mine, unassigned and all count active tickets. Every count stops at 10,000."""

    mine: int
    unassigned: int
    all: int
    snoozed: int
    spam: int
    by_status: StatusCounts


class ReplyAddress(Shown):
    key: str
    name: str


class ReplyWindow(Shown):
    """`until`: None while the customer has not written. `left`: messages that may still go.
    `gone`: the customer left, and nothing reaches them, templates included."""

    until: datetime | None
    left: int
    allowed: int
    gone: bool


class TemplateBlank(Shown):
    key: str
    label: str


class ReplyTemplate(Shown):
    """A prepared message. `text` shows its blanks as {key}. Without `within_window` it may go out when the reply
    window is closed."""

    id: str
    name: str
    text: str
    fields: list[TemplateBlank]
    within_window: bool


class Conversation(Shown):
    id: str
    account_id: str
    channel: str
    thread_key: str
    contact_id: str
    ticket_id: str
    open: bool
    pinned: bool
    subject: str
    participants: list[Participant]
    last_inbound_id: str | None
    joined_into: str | None
    created_at: datetime


class ReplyWay(Shown):
    """`reply_reason`: why no reply is possible, where none is. `undo_seconds`: how long one can be taken back."""

    account_name: str
    can_reply: bool
    reply_reason: str
    reply_account_id: str
    reply_to: list[ReplyAddress]
    capabilities: dict[str, Any]
    undo_seconds: int
    window: ReplyWindow | None
    templates: list[ReplyTemplate]


class ReplyableConversation(Conversation, ReplyWay): ...


class OtherWay(ReplyWay):
    """Another handle of the same customer, that an enabled account can write to: answer with `account_id` and
    the `key` in `reply_to` as `to_key`."""

    account_id: str
    channel: str


class Operation(Shown):
    """A split, move or merge that can be taken back."""

    id: str
    kind: Literal["ticket_merge", "ticket_split", "conversation_move", "conversation_join", "contact_merge"]
    ticket_ids: list[str]
    contact_ids: list[str]
    actor: Actor
    reason: str
    undone_at: datetime | None
    at: datetime


class TicketDetail(Shown):
    ticket: Ticket
    contact: Contact
    conversations: list[ReplyableConversation]
    elsewhere: list[OtherWay]
    links: list[TicketLink]
    operations: list[Operation]


class Event(Shown):
    """One line of the trail; what `data` holds depends on `type`."""

    id: str
    type: str
    ticket_id: str
    message_id: str | None
    actor: Actor
    data: dict[str, Any]
    at: datetime


class TimelineMessage(Shown):
    kind: Literal["message"]
    message: Message


class TimelineEvent(Shown):
    kind: Literal["event"]
    event: Event


class Timeline(Shown):
    """Oldest first inside a page; `next` leads to the older page."""

    items: list[TimelineMessage | TimelineEvent]
    next: str | None


class TicketChange(Given):
    status: Status | None = None
    priority: Priority | None = None
    subject: Name | None = None
    tags: list[Name] | None = Field(None, max_length=50)


class Assignment(Given):
    assignee_id: Id | None = None
    team_id: Id | None = None


class Transfer(Assignment):
    reason: Name
    note: LongText = ""


class Snooze(Given):
    until: AwareDatetime


class SpamMark(Given):
    spam: bool


class TicketMerge(Given):
    into: IdOrNumber
    reason: Reason = ""


class TicketSplit(Given):
    message_ids: list[Id] = Field(min_length=1, max_length=500)
    subject: str = Field("", max_length=500)
    reason: Reason = ""


class ConversationMove(Given):
    conversation_id: Id
    to: IdOrNumber
    reason: Reason = ""


class Rearranged(Shown):
    ticket: Ticket
    operation: Operation


class Undone(Shown):
    operation: Operation


class ParticipantKey(Given):
    key: str = Field(min_length=1, max_length=500)
