from datetime import datetime
from typing import Literal

from pydantic import Field

from omnihub.unified_view.shapes.common import Listing, Shown
from omnihub.unified_view.shapes.messages import Message


class DeadLetterRow(Shown):
    id: str
    account_id: str
    account_name: str
    channel: str
    source: str
    received_at: datetime
    error: str
    attempts: int
    size: int
    preview: str


class DeadLetter(DeadLetterRow):
    """`body_text`: the beginning of the body, as far as it reads as text."""

    headers: dict[str, str]
    body_text: str


class DeadLetterPage(Shown):
    items: list[DeadLetterRow]
    next: str | None


class OutboxMessage(Message):
    ticket_number: int
    ticket_subject: str
    account_name: str


class OutboxPage(Shown):
    items: list[OutboxMessage]
    next: str | None


class OutboxList(Listing):
    state: Literal["queued", "sending", "failed", "uncertain", "all-open"] = Field(
        "all-open", description="all-open: all four"
    )


class Engines(Shown):
    mongodb: Literal["ok", "error"]
    redis: Literal["ok", "error"]


class IntakeStatus(Shown):
    waiting: int
    oldest_seconds: float
    dead: int
    closed: str = Field("", description="why nothing more is received; empty while everything is")


class OutboundStatus(Shown):
    queued: int
    failed: int
    uncertain: int


class RebuildStatus(Shown):
    done: int
    total: int


class SearchStatus(Shown):
    """`fed`: some worker keeps the index up. `lag_seconds`: how old what is not found yet may be. `rebuild`: while
    the index is being made anew."""

    fed: bool
    lag_seconds: float
    rebuild: RebuildStatus | None


class Status(Shown):
    version: str
    engines: Engines
    intake: IntakeStatus
    outbound: OutboundStatus
    search: SearchStatus
    demo: bool
