from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from omnihub.model.account import CrossChannel
from omnihub.unified_view.shapes.common import Given, Id, Name, Shown


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


class Policy(Shown):
    undo_seconds: int | None
    reopen_days: int
    cross_channel: CrossChannel
    reply_via: str
    team_id: str


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


class PolicyChange(Given):
    undo_seconds: int | None = Field(default=None, ge=0, le=3600)
    reopen_days: int = Field(default=14, ge=0, le=3650)
    cross_channel: CrossChannel = "separate"
    reply_via: str = Field(default="", max_length=64)
    team_id: str = Field(default="", max_length=64)


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
