from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

CrossChannel = Literal["separate", "suggest", "join"]
# Codes that the web app has words for; an admin may add others.
DISPOSITIONS = ("resolved", "follow_up", "information", "complaint", "order", "wrong_number", "nuisance", "other")


@dataclass(slots=True, frozen=True, kw_only=True)
class CallPolicy:
    """What becomes of telephone calls. `missed`: whether a call that nobody took joins the open ticket of its
    number, or has a ticket of its own; within `repeat_minutes` of an earlier one it joins that one's in either
    case. `call_back_minutes`: how soon it is to be called back, 0 for no call-back. `opening_hours`:
    "Mon-Fri 09:00-18:00, Sat 10:00-14:00" in `time_zone`, empty for always open. `recording_days`: how long
    recordings are kept, 0 for ever. `dispositions`: how an agent may sum up a call."""

    missed: Literal["join", "separate"] = "join"
    repeat_minutes: int = 240
    call_back_minutes: int = 60
    opening_hours: str = ""
    time_zone: str = "UTC"
    recording_days: int = 0
    dispositions: tuple[str, ...] = DISPOSITIONS


@dataclass(slots=True, frozen=True, kw_only=True)
class AccountPolicy:
    """`undo_seconds`: how long a reply waits and can be taken back; None: the channel's default.
    `reopen_days`: a reply to a resolved or closed ticket after this many days opens a new, linked one.
    `reply_via`: the account that carries replies where this channel cannot."""

    undo_seconds: int | None = None
    reopen_days: int = 14
    cross_channel: CrossChannel = "separate"
    reply_via: str = ""
    team_id: str = ""
    calls: CallPolicy = field(default_factory=CallPolicy)


def policy_of(fields: Mapping[str, Any]) -> AccountPolicy:
    """As it is kept in the database and told by the API."""
    calls = fields.get("calls", {})
    known = {**calls, "dispositions": tuple(calls.get("dispositions", DISPOSITIONS))}
    return AccountPolicy(**{**fields, "calls": CallPolicy(**known)})


@dataclass(slots=True, frozen=True, kw_only=True)
class Account:
    """One connected instance of a channel. `key` stands in its public URL and cannot be guessed.
    `settings` holds the secrets in clear: it never leaves the process."""

    id: str
    key: str
    channel: str
    name: str
    enabled: bool
    demo: bool = False
    version: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    policy: AccountPolicy = field(default_factory=AccountPolicy)
    created_at: datetime | None = None
