"""What the other system sends and gets, as it is validated and as the OpenAPI page shows it."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from omnihub.connectors.reading import read_json
from omnihub.model.errors import Invalid

_ERRORS_TOLD = 20
_FILES = 20


def _plausible(moment: datetime) -> datetime:
    if not 1990 <= moment.year <= 2200:
        raise ValueError("this is no plausible time")
    return moment.astimezone(UTC)


def _every_digit(value: Any) -> Any:
    """Ids are sent as numbers, too, and beyond this the last digits get lost in browsers and the store."""
    return str(value) if type(value) is int and abs(value) > 2**53 else value


Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f]$")]
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]
# Flat, and in the bounds of the store: deeper things belong into a file.
DataKey = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f.$]+$")]
DataValue = Annotated[
    Annotated[str, Field(max_length=2000)] | bool | int | float | None, BeforeValidator(_every_digit)
]


class _Body(BaseModel):
    # An unknown field is more often a slip of the pen than something that may be ignored.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ApiSender(_Body):
    id: Id = Field(description="Your own lasting id of this person")
    name: Line = ""
    email: Line = ""
    phone: Line = Field("", description="With + and the country, or as dialled in the account's country")
    verified: tuple[Literal["email", "phone"], ...] = Field(
        (), max_length=2, description="What you checked yourself; counts where the account trusts you"
    )


class ApiAttachment(_Body):
    filename: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")] = "file"
    content_type: Annotated[str, Field(max_length=120, pattern=r"^[\w.+-]+/[\w.+-]+$")] = (
        "application/octet-stream"
    )
    content_base64: str = Field("", description="The file itself")
    url: Annotated[str, Field(max_length=2000)] = Field("", description="Or an address to fetch it from")

    @field_validator("content_base64")
    @classmethod
    def _decodes(cls, value: str) -> str:
        decode(value)
        return value

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("an address begins with https:// or http://")
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.content_base64) == bool(self.url):
            raise ValueError("an attachment has either content_base64 or url")
        return self


class ApiMessage(_Body):
    id: Id = Field(description="Yours; a message that comes again under the same id is stored once")
    thread: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        "", description="What belongs together; empty: one lasting exchange with this person"
    )
    sender: ApiSender
    kind: Annotated[str, Field(max_length=60, pattern=r"^[a-z][a-z0-9_.-]*$")] = Field(
        "message",
        description="message; auto_reply (written by a machine); notice (something the person did, opens no "
        "ticket). Others are kept and shown as unsupported",
    )
    subject: Line = ""
    text: Annotated[str, Field(max_length=200_000)] = ""
    attachments: tuple[ApiAttachment, ...] = Field((), max_length=_FILES)
    sent_at: Moment | None = Field(None, description="With its time zone, such as 2026-11-20T17:30:00+08:00")
    data: dict[DataKey, DataValue] = Field({}, max_length=50, description="Whatever else an agent should see")


class ApiReceipt(_Body):
    message_id: Id = Field(description="The id of a reply that you received")
    status: Literal["delivered", "read", "failed"]
    at: Moment | None = None
    words: Annotated[str, Field(max_length=1000)] = Field("", description="Why it failed")
    code: Line = ""


class ApiEdit(_Body):
    id: Id = Field(description="The id of the message")
    kind: Literal["edited", "recalled"]
    at: Moment | None = None
    message: ApiMessage | None = Field(None, description="The whole new version of an edited one, same id")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "edited" and self.message is None:
            raise ValueError("an edited message comes whole, in “message”")
        if self.message is not None and self.message.id != self.id:
            raise ValueError("“message.id” must be the “id” of the edit")
        return self


class ApiAccepted(_Body):
    ok: Literal[True] = True
    id: str
    event: str = Field(description="Our name of the event; the same for every repeat")


class ApiPerson(_Body):
    id: str
    name: str = ""


class ApiReplyAttachment(_Body):
    filename: str
    content_type: str
    size: int = Field(description="Bytes")
    url: str = Field("", description="Signed, for a limited time")
    content_base64: str = Field("", description="Where there is no url")


class ApiReply(_Body):
    type: Literal["message"] = "message"
    id: str = Field(description="Also in Idempotency-Key; drop a reply whose id you have seen")
    thread: str = Field(description="As you named it; empty: the lasting exchange with the person")
    to: tuple[ApiPerson, ...]
    in_reply_to: str = Field("", description="Your id of the message being answered")
    subject: str = ""
    text: str
    html: str = ""
    attachments: tuple[ApiReplyAttachment, ...] = ()
    author: str = Field("", description="Who answered")
    automatic: bool = Field(False, description="No person wrote this")
    ticket_number: int
    created_at: datetime


class ApiPing(_Body):
    """Sent when an admin tests the connection; any 2xx will do."""

    type: Literal["ping"] = "ping"
    id: str
    created_at: datetime


class ApiTaken(BaseModel):
    """May be left out."""

    id: str = Field("", description="Your own id of the reply, under which receipts may speak of it")


B = TypeVar("B", bound=BaseModel)


def read(body: bytes, model: type[B]) -> B:
    """Raises Unreadable for what is no JSON object, Invalid naming each wrong field."""
    try:
        return model.model_validate(read_json(body))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:_ERRORS_TOLD]
        fields: dict[str, str] = {}
        for one in found:
            fields.setdefault(_field(one["loc"]), one["msg"])
        raise Invalid("the body does not fit", fields) from None


def read_message(body: bytes) -> ApiMessage:
    """Raises Unreadable or Invalid."""
    return _with_content(read(body, ApiMessage), "text")


def read_edit(body: bytes) -> ApiEdit:
    """Raises Unreadable or Invalid."""
    edit = read(body, ApiEdit)
    if edit.message is not None:
        _with_content(edit.message, "message.text")
    return edit


def _with_content(message: ApiMessage, field: str) -> ApiMessage:
    said = message.text.strip() or message.subject.strip() or message.attachments
    if not said and message.kind in ("message", "auto_reply"):
        raise Invalid("the message is empty", {field: "a message has a text, a subject or an attachment"})
    return message


def decode(content_base64: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(content_base64, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None


def _field(location: tuple[Any, ...]) -> str:
    if "data" in location:  # below its names stand pydantic's words for the kinds that a value may have
        location = location[: location.index("data") + 2]
    return ".".join(str(part)[:60] for part in location) or "body"
