from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

CrossChannel = Literal["separate", "suggest", "join"]


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
