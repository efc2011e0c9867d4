"""`v1`: HMAC-SHA256 over the timestamp, a full stop and the body, in hex. Both directions use it."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime

from omnihub.model.errors import Unverified

TIMESTAMP = "X-Omnihub-Timestamp"
SIGNATURE = "X-Omnihub-Signature"
SKEW_SECONDS = 300
# A sender that changes its secret may sign with both; more than a few is a guess.
_MOST_SIGNATURES = 4


def signature(secret: str, timestamp: str, body: bytes) -> str:
    signed = timestamp.encode("utf-8", "replace") + b"." + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def sign(secret: str, body: bytes, at: datetime) -> Mapping[str, str]:
    """The headers."""
    timestamp = str(int(at.timestamp()))
    return {TIMESTAMP: timestamp, SIGNATURE: signature(secret, timestamp, body)}


def verify(secrets: Iterable[str], timestamp: str, given: str, body: bytes, at: datetime) -> None:
    """`at`: when it came. Raises Unverified."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise Unverified(f"{TIMESTAMP} must be the time in whole seconds since 1970")
    if abs(at.timestamp() - int(timestamp)) > SKEW_SECONDS:
        raise Unverified(f"{TIMESTAMP} is more than {SKEW_SECONDS // 60} minutes off")
    wanted = [signature(secret, timestamp, body) for secret in secrets]
    signatures = [one.strip() for one in given.split(",")[:_MOST_SIGNATURES]]
    if not any(same(one, right) for one in signatures for right in wanted):
        raise Unverified("the signature is wrong")


def same(given: str, right: str) -> bool:
    """In constant time; nothing equals an empty secret."""
    return bool(right) and hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
