"""Every error that a room may raise at another, named for what happens next.

OmnihubError
├── Unverified        the caller is not who it claims to be: refuse, store nothing but a counter
├── Unreadable        authentic or not, this cannot be understood: refuse at the door, dead letter behind it
│   └── Invalid       a person filled something in wrongly: tell them which field
├── TryLater          nothing is wrong with the message; the other side is busy or away
├── Refused           the provider said no, in its own words: final
│   └── WindowClosed  the provider's reply window or quota is over
├── Uncertain         nobody knows whether it was sent: ask, never repeat by itself
├── NotFound
├── Forbidden
└── Conflict          the world moved on since the caller looked
    └── StaleView     messages came in that the agent has not seen
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


class OmnihubError(Exception):
    """Base of the tree. `code` is stable and machine-readable; the text is for people."""

    code = "error"

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or self.code)
        self.details: Mapping[str, Any] = details


class Unverified(OmnihubError):
    code = "unverified"


class Unreadable(OmnihubError):
    code = "unreadable"


class Invalid(Unreadable):
    """`fields` maps a field's name to what is wrong with it, in the reader's language."""

    code = "invalid"

    def __init__(self, message: str = "", fields: Mapping[str, str] | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.fields: Mapping[str, str] = fields or {}


class TryLater(OmnihubError):
    """`after` in seconds, where the provider named a time."""

    code = "try_later"

    def __init__(self, message: str = "", after: float | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.after = after


class Refused(OmnihubError):
    code = "refused"


class WindowClosed(Refused):
    code = "window_closed"

    def __init__(self, message: str = "", until: datetime | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.until = until


class Uncertain(OmnihubError):
    code = "uncertain"


class NotFound(OmnihubError):
    code = "not_found"


class Forbidden(OmnihubError):
    code = "forbidden"


class Conflict(OmnihubError):
    code = "conflict"


class StaleView(Conflict):
    """`message_ids` came in after the message that the agent had on screen, oldest first."""

    code = "stale_view"

    def __init__(self, message: str, message_ids: Sequence[str]) -> None:
        super().__init__(message, message_ids=list(message_ids))
        self.message_ids = message_ids
