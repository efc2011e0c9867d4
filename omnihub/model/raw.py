from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True, frozen=True, kw_only=True)
class RawRequest:
    """What a provider handed us, byte for byte.

    `source` is how it came: webhook, imap, import … `source_key` identifies one hand-over at its source
    (folder, UIDVALIDITY and UID of a mail, an Idempotency-Key): the same key is journaled once.
    `tail` is what follows the account's address in the URL, without a leading slash.
    """

    source: str
    body: bytes
    received_at: datetime
    method: str = "POST"
    tail: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    remote: str = ""
    source_key: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class RawEvent:
    """A journaled RawRequest. `silent`: history being imported; it must trigger nothing."""

    id: str
    account_id: str
    request: RawRequest
    attempts: int = 0
    silent: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class Reply:
    """What an HTTP door answers."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
