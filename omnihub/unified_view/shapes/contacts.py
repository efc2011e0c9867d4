from datetime import datetime

from pydantic import Field

from omnihub.model.documents import Status
from omnihub.unified_view.shapes.common import Given, Id, Listing, Name, Reason, Shown


class Identity(Shown):
    """`claims`: handles that this person named but has not proven. `evidence`: why it belongs here."""

    key: str
    channel: str
    name: str
    claims: list[str]
    evidence: str


class OtherTicket(Shown):
    id: str
    number: int
    subject: str
    status: Status
    last_message_at: datetime


class ContactRow(Shown):
    id: str
    name: str
    identities: list[Identity]
    avatar_id: str = Field("", description="the attachment that holds the picture")
    merged_into: str | None
    created_at: datetime
    updated_at: datetime


class Contact(ContactRow):
    other_tickets: list[OtherTicket]


class ContactPage(Shown):
    items: list[ContactRow]
    next: str | None


class ContactList(Listing):
    q: str = Field("", max_length=200, description="the beginning of a name or handle")


class ContactChange(Given):
    name: Name


class ContactMerge(Given):
    into: Id
    reason: Reason = ""
