from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from omnihub.model import opening_hours
from omnihub.model.account import DISPOSITIONS, CrossChannel
from omnihub.unified_view.shapes.common import Given, Id, Name, Shown

Disposition = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class Words(Shown):
    en: str
    zh: str


class Steps(Shown):
    en: list[str]
    zh: list[str]


class MediaRule(Shown):
    """A kind of file that the channel carries; `types` may end in /*."""

    kind: str
    types: list[str]
    max_bytes: int


class ReplyWindow(Shown):
    hours: float
    messages: int


class Channel(Shown):
    """`settings_schema`: the JSON Schema of an account's settings, to make a form from."""

    key: str
    label: Words
    summary: Words
    icon: str
    arrives: list[Literal["webhook", "poll", "socket"]]
    conversation: Literal["thread", "contact"]
    capabilities: dict[str, bool | float]
    undo_seconds: int
    text_limit: int
    text_unit: Literal["characters", "bytes", "utf16"]
    attachment_limit_bytes: int
    media: list[MediaRule]
    reply_window: ReplyWindow | None
    setup: Steps
    settings_schema: dict[str, Any]


class Channels(Shown):
    items: list[Channel]


class CallPolicy(Shown):
    """What becomes of telephone calls. Minutes and days: 0 for none, or for ever."""

    missed: Literal["join", "separate"]
    repeat_minutes: int
    call_back_minutes: int
    opening_hours: str
    time_zone: str
    recording_days: int
    dispositions: list[str]


class Policy(Shown):
    undo_seconds: int | None
    reopen_days: int
    cross_channel: CrossChannel
    reply_via: str
    team_id: str
    calls: CallPolicy


class Health(Shown):
    """`lag_seconds`: the age of the oldest thing handed over and not yet taken in.
    `counts`: for mailboxes what the provider holds against what is stored."""

    state: Literal["ok", "warning", "error", "unknown", "disabled"]
    detail: str
    last_event_at: datetime | None
    last_ok_at: datetime | None
    lag_seconds: float
    counts: dict[str, int]


class Account(Shown):
    """A secret among the settings shows as {"set": true | false}. Settings, key and addresses are for admins."""

    id: str
    key: str
    channel: str
    name: str
    enabled: bool
    demo: bool
    settings: dict[str, Any]
    policy: Policy
    urls: dict[str, str]
    health: Health
    created_at: datetime | None


class Accounts(Shown):
    items: list[Account]


class CallPolicyChange(Given):
    """What is left out stays as it is."""

    missed: Literal["join", "separate"] = Field(
        "join", description="whether a call that nobody took joins the open ticket of its number"
    )
    repeat_minutes: int = Field(
        240,
        ge=0,
        le=10_080,
        description="within so many minutes repeated calls in vain join the first one's ticket",
    )
    call_back_minutes: int = Field(60, ge=0, le=10_080, description="0: nobody is to be called back")
    opening_hours: str = Field(
        "", max_length=1000, description='"Mon-Fri 09:00-18:00, Sat 10:00-14:00"; empty for always open'
    )
    time_zone: str = Field("UTC", max_length=64, description="by its IANA name, such as Asia/Shanghai")
    recording_days: int = Field(0, ge=0, le=3650, description="0: recordings are kept for ever")
    dispositions: list[Disposition] = Field(list(DISPOSITIONS), min_length=1, max_length=30)

    @field_validator("opening_hours")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        try:
            opening_hours.check(text, "UTC")
        except ValueError as error:
            raise PydanticCustomError("opening_hours", "{reason}", {"reason": str(error)}) from error
        return text

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in _time_zones():
            raise PydanticCustomError("time_zone", "is no time zone such as Asia/Shanghai")
        return name

    @field_validator("dispositions")
    @classmethod
    def _once_each(cls, words: list[str]) -> list[str]:
        return list(dict.fromkeys(words))


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


class PolicyChange(Given):
    undo_seconds: int | None = Field(default=None, ge=0, le=3600)
    reopen_days: int = Field(default=14, ge=0, le=3650)
    cross_channel: CrossChannel = "separate"
    reply_via: str = Field(default="", max_length=64)
    team_id: str = Field(default="", max_length=64)
    calls: CallPolicyChange | None = None


class NewAccount(Given):
    channel: str = Field(min_length=1, max_length=64)
    name: Name
    settings: dict[str, Any]
    policy: PolicyChange = PolicyChange()
    enabled: bool = True


class AccountChange(Given):
    """Settings left out stay as they are, secrets above all."""

    channel: str | None = Field(None, max_length=64, description="cannot change")
    name: Name | None = None
    settings: dict[str, Any] | None = None
    policy: PolicyChange | None = None
    enabled: bool | None = None


class AccountDraft(Given):
    """`account_id`: the account whose secrets stand in for those left out."""

    channel: str = Field(min_length=1, max_length=64)
    settings: dict[str, Any]
    account_id: Id | None = None


class Finding(Shown):
    name: str
    ok: bool
    detail: str
    remedy: str


class Findings(Shown):
    findings: list[Finding]
