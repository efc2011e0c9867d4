from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from omnihub.store.call_log import digits_of, is_whole, whole_number
from omnihub.unified_view.shapes.common import Given, Id, Listing, Shown
from omnihub.unified_view.shapes.contacts import OtherTicket
from omnihub.unified_view.shapes.messages import Message

_SHORTEST_ENDING = 4
Typed = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]


class CallRow(Shown):
    """`message.extra.call` tells the call."""

    message: Message
    ticket: OtherTicket | None
    contact_name: str


class CallPage(Shown):
    items: list[CallRow]
    next: str | None


def number_of(text: str) -> str:
    """In a query string an unescaped plus sign is a blank."""
    return f"+{text.strip()}" if text[:1] == " " and text.strip()[:1].isdigit() else text.strip()


class CallChoice(Given):
    state: Literal["active", "ended", "any"] = Field("any", description="active: all that go on")
    outcome: Literal[
        "", "answered", "missed", "abandoned", "busy", "no_answer", "failed", "rejected", "voicemail"
    ] = ""
    direction: Literal["", "in", "out"] = ""
    account_id: str = Field("", max_length=64)
    number: str = Field("", max_length=64, description="+4930…, or at least the last four digits")
    extension: str = Field("", max_length=200, description="it rang there, or was answered there")
    queue: str = Field("", max_length=200)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = Field(None, description="not included")

    @field_validator("number")
    @classmethod
    def _is_enough(cls, text: str) -> str:
        number = number_of(text)
        if number and len(digits_of(number)) < _SHORTEST_ENDING:
            raise PydanticCustomError("short_number", "needs at least the last four digits")
        return whole_number(number) if is_whole(number) else digits_of(number)


class CallList(CallChoice, Listing): ...


class Line(Shown):
    account_id: str
    name: str
    channel: str


class Lines(Shown):
    """`extensions`: the caller's own telephones."""

    items: list[Line]
    extensions: list[str]


class NewCall(Given):
    """`extension`: which of the caller's telephones rings, the first where it is left out. `ticket_id`: where the
    call is to stand."""

    account_id: Id
    number: Typed = Field(min_length=1)
    extension: str = Field("", max_length=200)
    ticket_id: Id | None = None


class Dialled(Shown):
    """`picked_up`: by the agent; of the customer, who is dialled only then, the call tells. `words`: why it was
    not."""

    call_id: str
    picked_up: bool
    words: str


class WrapUpChange(Given):
    """`disposition`: one of the account's, or empty."""

    disposition: str = Field("", max_length=60)
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000)] = ""


class DispositionList(Given):
    account_id: str = Field("", max_length=64, description="left out: those of a new account")


class Dispositions(Shown):
    items: list[str]


class Access(Shown):
    """`requests`: a player asks for a recording in pieces."""

    user_id: str
    name: str
    at: datetime
    last_at: datetime
    requests: int


class Accesses(Shown):
    items: list[Access]


class CallBack(Shown):
    """A number that called in vain, `calls` times so far. `done_by`: whoever called back, or closed it."""

    id: str
    account_id: str
    number: str
    contact_id: str
    contact_name: str
    ticket: OtherTicket | None
    calls: int
    reason: Literal["missed", "abandoned", "busy", "voicemail", "out_of_hours"]
    state: Literal["open", "done"]
    due: datetime
    first_at: datetime
    last_at: datetime
    done_at: datetime | None
    done_by: str | None
    how: Literal["", "answered", "closed"]


class CallBackPage(Shown):
    """`open`: how many are open; counting stops at 1,000."""

    items: list[CallBack]
    next: str | None
    open: int


class CallBackList(Listing):
    state: Literal["open", "done"] = "open"


class NumberQuery(Given):
    number: str = Field(min_length=1, max_length=64, description="+4930…, with the plus sign as %2B")

    @field_validator("number")
    @classmethod
    def _as_dialled(cls, text: str) -> str:
        return number_of(text)


class NumberOwner(Shown):
    id: str
    name: str


class Candidate(Shown):
    """`known_by` identity: the number is this contact's; claim: they gave it as theirs, and nobody has checked.
    `identities`: their handles."""

    id: str
    name: str
    known_by: Literal["identity", "claim"]
    identities: list[str]
    open_tickets: int
    last_ticket: OtherTicket | None
    last_at: datetime | None


class NumberOwners(Shown):
    number: str
    owner: NumberOwner | None
    candidates: list[Candidate]
