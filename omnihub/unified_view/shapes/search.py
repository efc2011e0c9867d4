from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from omnihub.model.documents import Direction
from omnihub.unified_view.shapes.common import Shown
from omnihub.unified_view.shapes.contacts import ContactRow
from omnihub.unified_view.shapes.messages import Attachment, Sender
from omnihub.unified_view.shapes.tickets import Ticket, TicketList

SearchKind = Literal["tickets", "messages", "contacts", "files"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Search(TicketList):
    """The filters are those of the tickets' list. Contacts have none of them, and are left out where one is
    set."""

    q: Words = Field(
        description='words, beginnings of words, numbers or parts of them; "in quotes": word for word'
    )
    kind: Literal["all", "tickets", "messages", "contacts", "files"] = Field(
        "all", alias="in", description="all: the first of each kind. A cursor leads on within one kind"
    )
    status: Literal["active", "snoozed", "any", "new", "open", "pending", "resolved", "closed"] = "any"
    sort: Literal["newest", "best"] = Field(  # type: ignore[assignment]
        "newest", description="best: the best among the newest 200"
    )
    limit: int = Field(5, ge=1, le=50)


class TextPart(Shown):
    """`hit`: this is what was looked for."""

    text: str
    hit: bool


class FoundMessage(Shown):
    id: str
    direction: Direction
    channel: str
    sender: Sender
    at: datetime
    excerpt: list[TextPart]


class FoundFile(Attachment):
    name_parts: list[TextPart]


class SearchHit(Shown):
    """`ticket` is the one where it is now; None for a contact. `title`: the ticket's subject, or the contact's
    name."""

    kind: SearchKind
    id: str
    title: list[TextPart]
    ticket: Ticket | None
    message: FoundMessage | None
    contact: ContactRow | None
    files: list[FoundFile]


class SearchGroup(Shown):
    """`count` stops at 100 (`more`: there are more than these). `certain` is false where not everything was looked
    at: what is there, is right, and `next` goes on looking."""

    kind: SearchKind
    items: list[SearchHit]
    count: int
    more: bool
    certain: bool
    next: str | None


class SearchAnswer(Shown):
    """`words`: what was looked for, to be marked in other texts. `lag_seconds`: how old what is not found yet may
    be. `rebuilding`: not everything is in the index yet."""

    groups: list[SearchGroup]
    words: list[str]
    lag_seconds: float
    rebuilding: bool
