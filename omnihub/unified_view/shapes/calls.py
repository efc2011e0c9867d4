from typing import Literal

from pydantic import Field

from omnihub.unified_view.shapes.common import Listing, Shown
from omnihub.unified_view.shapes.contacts import OtherTicket
from omnihub.unified_view.shapes.messages import Message


class CallRow(Shown):
    """`message.extra.call` tells the call."""

    message: Message
    ticket: OtherTicket | None
    contact_name: str


class CallPage(Shown):
    items: list[CallRow]
    next: str | None


class CallList(Listing):
    state: Literal["active", "ended", "any"] = Field("any", description="active: all that go on")
    outcome: Literal[
        "", "answered", "missed", "abandoned", "busy", "no_answer", "failed", "rejected", "voicemail"
    ] = ""
    direction: Literal["", "in", "out"] = ""
